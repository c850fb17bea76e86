"""What a finished step tells the selector."""

import math
from types import SimpleNamespace

import pytest

from medix.data.selectors.selector import EpochSelector, Outcome
from medix.modules import selection
from medix.modules.selection import finish_step, outcome_of
from medix.types import CompletionScores, Prompt, RolloutGroup, Sample, ScoredGroup
from tests.support.thread_ranks import ThreadRanks


def _group(index: int, totals: list[float], normalised: list[float] | None = None) -> ScoredGroup:
    rollout = RolloutGroup(Prompt(Sample("a", "?", "!", None), (1,), index=index), (), 0)
    signals = normalised or [None] * len(totals)
    return ScoredGroup(
        rollout, tuple(CompletionScores(total, {}, signal) for total, signal in zip(totals, signals, strict=True))
    )


@pytest.mark.parametrize(
    ("totals", "spread", "mean"),
    [([1, 0.5, math.nan], True, 0.75), ([0.5, 0.5], False, 0.5), ([0.5, math.nan], None, 0.5)],
)
def test_outcomes_by_hand(totals: list[float], spread: bool | None, mean: float) -> None:
    assert outcome_of(_group(7, totals)) == Outcome(7, spread, mean)


def test_a_group_of_which_nothing_is_scored_has_no_reward() -> None:
    found = outcome_of(_group(7, [math.nan, math.nan]))
    assert found.has_spread is None
    assert math.isnan(found.reward)


def test_spread_is_that_of_what_advantages_are_computed_from() -> None:
    """Totals are equal, but their components normalised within the group are not."""
    assert outcome_of(_group(1, [0.5, 0.5], [-1.0, 1.0])).has_spread


class _Told(EpochSelector):
    needs_outcomes = True

    def finish_step(self, *told: object) -> None:
        self.told = told


def test_every_rank_is_told_of_the_groups_of_all_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of the draws, whichever rank scored them."""
    ranks = ThreadRanks(2, selection, monkeypatch)
    selectors = [_Told(), _Told()]

    def step(rank: int) -> None:
        groups = [_group(index, [0.0, float(index)]) for index in ([3, 0], [2])[rank]]
        finish_step(SimpleNamespace(selector=selectors[rank]), 4, 8, groups)

    ranks.run(step)
    expected = [Outcome(0, False, 0.0), Outcome(2, True, 1.0), Outcome(3, True, 1.5)]
    assert [selector.told for selector in selectors] == [(4, 8, expected)] * 2


def test_data_without_a_selector_is_left_alone() -> None:
    finish_step(None, 1, 1, [])
    finish_step(SimpleNamespace(), 1, 1, [])
