"""One scale within a group: by hand, by property, and against the same arithmetic elsewhere."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.rewards.normalisation import GroupNormalisation

EXACT = GroupNormalisation(eps=1e-12)


def normalise(values: list[float], groups: list[object], counts: list[bool] | None = None) -> list[float]:
    kept = torch.tensor([True] * len(values) if counts is None else counts, dtype=torch.bool)
    return EXACT(torch.tensor(values, dtype=torch.float64), kept, groups).tolist()


def test_two_values_lie_one_over_root_two_from_their_mean() -> None:
    """(1, 0): mean 0.5, sample standard deviation sqrt(0.25 + 0.25) = 1/sqrt 2, so (0.5 / 0.7071) = 0.7071."""
    assert normalise([1.0, 0.0], ["a", "a"]) == pytest.approx([math.sqrt(0.5), -math.sqrt(0.5)])


def test_groups_do_not_see_each_other_and_may_lie_mixed() -> None:
    """Group a holds 1, 0, 0: mean 1/3, squares 4/9 + 1/9 + 1/9 = 2/3, over 2 = 1/3, root 0.57735.
    (2/3) / 0.57735 = 1.15470; (-1/3) / 0.57735 = -0.57735. Group b is constant."""
    found = normalise([1.0, 7.0, 0.0, 7.0, 0.0], ["a", "b", "a", "b", "a"])
    assert found == pytest.approx([1.1547005, 0.0, -0.5773503, 0.0, -0.5773503])


def test_a_row_without_a_say_leaves_mean_and_spread() -> None:
    assert normalise([1.0, 0.0, 0.0], ["a"] * 3, [True, True, False]) == pytest.approx(
        [math.sqrt(0.5), -math.sqrt(0.5), 0.0]
    )
    assert normalise([1.0, 0.0], ["a"] * 2, [True, False]) == [0.0, 0.0]


def test_a_spread_of_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rewards\.normalisation\.eps: 0\.0"):
        GroupNormalisation(eps=0.0)


@given(st.floats(-10, 10), st.integers(1, 40))
def test_a_constant_component_is_exactly_zero(value: float, size: int) -> None:
    assert normalise([value] * size, ["g"] * size) == [0.0] * size


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.floats(0.1, 50), st.floats(-5, 5))
def test_scale_and_shift_of_a_component_do_not_matter(values: list[float], scale: float, shift: float) -> None:
    values = [round(value, 3) for value in values]
    other = [value * scale + shift for value in values]
    groups: list[object] = ["g"] * len(values)
    assert normalise(other, groups) == pytest.approx(normalise(values, groups), abs=1e-6)


@given(st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=16))
def test_the_mean_of_a_group_is_zero_and_its_spread_one(values: list[float]) -> None:
    found = torch.tensor(normalise(values, [0] * len(values)), dtype=torch.float64)
    assert abs(found.mean().item()) < 1e-9
    if len(set(values)) > 1:
        assert found.std().item() == pytest.approx(1.0)


def test_no_rows_are_no_rows() -> None:
    assert normalise([], []) == []
