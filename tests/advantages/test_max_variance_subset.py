"""Max-variance down-sampling: by hand, against every subset, and on golden totals."""

import itertools
import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.advantages.grpo import GRPOAdvantage
from medix.advantages.max_variance_subset import MaxVarianceSubset
from medix.advantages.subset import advantages_of
from tests.conftest import GOLDEN


def chosen(totals: list[float], size: int) -> list[int]:
    (row,) = MaxVarianceSubset(size).choose(torch.tensor([totals], dtype=torch.float64)).tolist()
    return [index for index, kept in enumerate(row) if kept]


def variance(values: list[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / len(values)


def test_a_group_by_hand() -> None:
    """Three of 0, 0.1, 0.7, 0.8, 1. The splits are {1, 0.8, 0.7}, {1, 0.8, 0}, {1, 0, 0.1} and {0.7, 0.1, 0}.

    Three times their variances: 0.0467, 0.56, 0.6067, 0.2867.
    """
    assert chosen([0.7, 0.0, 1.0, 0.1, 0.8], 3) == [1, 2, 3]


def test_of_right_and_wrong_answers_half_are_right_where_there_are_enough() -> None:
    assert chosen([1, 0, 0, 1, 1, 0, 1, 1], 4) == [0, 2, 3, 5]
    assert chosen([0, 0, 1, 0, 0, 0], 4) == [0, 1, 2, 3], "the only right one, and three wrong ones"


def test_of_equal_variances_that_with_more_of_the_highest_is_taken() -> None:
    assert chosen([0, 1, 0, 1, 0, 1], 3) == [1, 3, 4]
    assert chosen([0.145] * 5, 2) == [0, 1], "no spread: the first"


def test_unscored_completions_are_never_chosen() -> None:
    assert chosen([math.nan, 0.3, math.nan, 0.9, 0.5], 2) == [1, 3]
    assert chosen([math.nan, 0.3, math.nan, 0.9], 3) == [1, 3], "fewer than the size: all of them"
    assert chosen([math.nan] * 3, 2) == []


def test_groups_are_chosen_from_one_by_one() -> None:
    totals = torch.tensor([[0.0, 1.0, 0.5], [0.5, 0.4, math.nan]], dtype=torch.float64)
    assert MaxVarianceSubset(2).choose(totals).tolist() == [[True, True, False], [True, True, False]]


@given(st.data(), st.integers(2, 9), st.integers(2, 7), st.sampled_from([1.0, 1e-3, 1e6]))
def test_no_other_subset_has_a_larger_variance(data: st.DataObject, completions: int, size: int, scale: float) -> None:
    values = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(-1, 1), st.just(math.nan))
    totals = [scale * value for value in data.draw(st.lists(values, min_size=completions, max_size=completions))]
    scored = [index for index, total in enumerate(totals) if not math.isnan(total)]
    found = chosen(totals, size)
    assert set(found) <= set(scored)
    assert len(found) == min(size, len(scored))
    if len(scored) > size:
        best = max(variance([totals[i] for i in part]) for part in itertools.combinations(scored, size))
        assert variance([totals[i] for i in found]) == pytest.approx(best, rel=1e-9, abs=1e-12 * scale**2)


def test_golden_composite_rewards() -> None:
    """The two golden groups of four: three each, as every subset of three says, and GRPO's advantage over them."""
    golden = json.loads((GOLDEN / "group_rl.json").read_text())
    totals = torch.tensor(golden["results"]["composite rewards"], dtype=torch.float64).view(2, 4)
    found = advantages_of(GRPOAdvantage(), MaxVarianceSubset(3), totals, torch.ones(2, 4, dtype=torch.bool))
    for group, advantages in zip(totals.tolist(), found.tolist(), strict=True):
        parts = itertools.combinations(range(4), 3)
        best = max(parts, key=lambda part: variance([group[i] for i in part]))
        kept = torch.tensor([[group[i] for i in best]], dtype=torch.float64)
        assert [advantages[i] for i in best] == pytest.approx(GRPOAdvantage()(kept)[0].tolist(), abs=1e-12)
        assert sum(map(math.isnan, advantages)) == 1


@pytest.mark.parametrize(("size", "message"), [(1, "model.subset.size: 1; give 2"), (9, "exceeds completions_per_pro")])
def test_a_size_that_makes_no_subset_is_refused(size: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MaxVarianceSubset(size).count(8)
