"""Which groups have something to teach."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.rollout.signal import KeepScored, SpreadFilter
from medix.types import Completion, CompletionScores, FinishReason, Prompt, RolloutGroup, Sample, ScoredGroup


def group(*totals: float) -> ScoredGroup:
    prompt = Prompt(Sample(id="s", question="?", reference="a", modality=None), (1, 2))
    completion = Completion("", (3,), (0.0,), FinishReason.STOP)
    rollout = RolloutGroup(prompt, (completion,) * len(totals), 0)
    return ScoredGroup(rollout, tuple(CompletionScores(total, {}) for total in totals))


@pytest.mark.parametrize(
    ("totals", "spreads", "is_kept"),
    [
        ((0.0, 1.0), True, True),
        ((0.3, 0.3, 0.3), False, True),
        ((0.9, 0.9 + 1e-9), False, True),
        ((math.nan, 0.2, 0.7), True, True),
        ((math.nan, 0.2, 0.2), False, True),
        ((math.nan, 0.2), False, False),
        ((math.nan, math.nan), False, False),
        ((1.0,), False, False),
    ],
)
def test_spread_among_at_least_two_scored_completions_is_signal(
    totals: tuple[float, ...], spreads: bool, is_kept: bool
) -> None:
    assert SpreadFilter().has_signal(group(*totals)) == spreads
    assert KeepScored().has_signal(group(*totals)) == is_kept


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8), st.floats(-5, 5))
def test_the_mean_of_a_group_does_not_matter(totals: list[float], shift: float) -> None:
    moved = [total + shift for total in totals]
    assert SpreadFilter(1e-3).has_signal(group(*totals)) == SpreadFilter(1e-3).has_signal(
        group(*moved)
    ) or math.isclose(max(totals) - min(totals), 1e-3, abs_tol=1e-9)


def test_groups_are_kept_in_order() -> None:
    groups = [group(0, 1), group(1, 1), group(0.2, 0.1)]
    assert SpreadFilter().keep(groups) == [groups[0], groups[2]]


def test_a_negative_spread_is_refused() -> None:
    with pytest.raises(ValueError, match=r"min_spread: -1"):
        SpreadFilter(-1.0)
