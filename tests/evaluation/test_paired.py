"""One measure of two systems on the same completions."""

import math

import pytest

from medix.evaluation.paired import Paired
from medix.types import Cluster


def values(first: str, second: str, per_case: int = 1) -> list[tuple[float | None, float | None, Cluster]]:
    """One letter for each completion: right, wrong, or neither."""
    credit = {"r": 1.0, "w": 0.0, "-": None}
    pairs = zip(first, second, strict=True)
    return [(credit[a], credit[b], ("set", f"case {n // per_case}")) for n, (a, b) in enumerate(pairs)]


def test_gain_and_p_value_by_hand() -> None:
    """1 of 4 against 4 of 4: 3 gained, none lost, 2 · 2⁻³ as of the coin that falls 3 times of 3."""
    found = Paired.of(values("rwww", "rrrr"), is_share=True)
    assert (found.first.estimate, found.second.estimate, found.gain.estimate) == (0.25, 1.0, 0.75)
    assert found.gain.clusters == found.pairs == 4
    assert found.mcnemar == found.p_value == pytest.approx(2 * 0.5**3)


def test_completions_of_one_case_are_not_independent() -> None:
    found = Paired.of(values("rwww", "rrrr", per_case=2), is_share=True)
    assert (found.gain.clusters, found.mcnemar, found.p_value) == (2, None, found.gain.p_value)


def test_mcnemars_test_is_of_right_and_wrong_alone() -> None:
    pairs = values("rwww", "rrrr")
    assert Paired.of(pairs, is_share=False).mcnemar is None
    assert Paired.of([*pairs, (0.5, 1.0, ("set", "graded"))], is_share=True).mcnemar is None


def test_a_pair_without_a_value_is_left_out_and_moves_the_bounds() -> None:
    """Each system lacks one value: of the first 1 or 2 of 4 are right, of the second 3 or 4."""
    found = Paired.of(values("rw-w", "rrr-"), is_share=True)
    assert (found.pairs, found.left_out, found.gain.estimate) == (2, 2, 0.5)
    assert (found.first_bounds, found.second_bounds) == ((0.25, 0.5), (0.75, 1.0))


def test_without_a_pair_nothing_is_known() -> None:
    found = Paired.of(values("-", "r"), is_share=True)
    assert (found.pairs, found.left_out, found.mcnemar) == (0, 1, None)
    assert math.isnan(found.gain.estimate)
