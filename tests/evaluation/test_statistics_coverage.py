"""Share of simulated intervals that hold the truth."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from medix.evaluation.statistics import clustered_mean, judged_difference, paired_difference, proportion

TIMES = 2000
SIZES = (1, 2, 3, 5, 8)


@pytest.mark.parametrize(
    ("clusters", "share", "alike", "most"),
    [
        (30, 0.5, 0.4, 0.97),
        (30, 0.8, 0.1, 0.97),
        (100, 0.8, 0.4, 0.97),
        (30, 0.9, 0.5, 0.97),
        # few clusters hold most errors, which may be more or less alike than they look
        (30, 0.95, 0.1, 0.99),
        (30, 0.95, 0.5, 0.99),
        (100, 0.98, 0.5, 0.99),
    ],
)
def test_intervals_of_accuracies_hold_the_truth_in_95_percent(
    clusters: int, share: float, alike: float, most: float
) -> None:
    """Answers of a case are right with a probability of its own, beta distributed, with intra-class correlation."""
    draw = np.random.default_rng(1)
    held = 0
    for _ in range(TIMES):
        sizes = draw.choice(SIZES, clusters)
        rates = draw.beta(share * (1 - alike) / alike, (1 - share) * (1 - alike) / alike, clusters)
        cases = np.repeat(np.arange(clusters), sizes)
        found = proportion((draw.random(len(cases)) < rates[cases]).astype(float).tolist(), cases.tolist())
        held += found.low <= share <= found.high
    assert 0.93 <= held / TIMES <= most


@pytest.mark.parametrize(
    ("clusters", "first", "second", "most"), [(30, 0.5, 0.6, 0.97), (30, 0.95, 0.97, 0.99), (100, 0.8, 0.8, 0.97)]
)
def test_intervals_of_paired_differences_hold_the_truth(
    clusters: int, first: float, second: float, most: float
) -> None:
    """Both systems find the same cases hard, and agree more often than by chance."""
    draw = np.random.default_rng(2)
    held = 0
    for _ in range(TIMES):
        cases = np.repeat(np.arange(clusters), draw.choice(SIZES, clusters))
        hardness = draw.uniform(-1, 1, clusters)[cases]
        one = draw.random(len(cases))
        other = np.where(draw.random(len(cases)) < 0.7, one, draw.random(len(cases)))
        rights = [_right(luck, rate, hardness) for luck, rate in ((one, first), (other, second))]
        gain = paired_difference(*rights, cases.tolist())
        held += gain.low <= second - first <= gain.high
    assert 0.93 <= held / TIMES <= most


@pytest.mark.parametrize(("count", "share"), [(40, 0.02), (40, 0.05), (100, 0.02), (100, 0.05)])
@pytest.mark.parametrize(("step", "always"), [(0.2, 0), (0.2, 2), (None, 0)])
def test_intervals_of_rare_differences_hold_the_truth(
    count: int, share: float, step: float | None, always: int
) -> None:
    """Of grades that are one step higher in few of the pairs, perhaps beside two steps in all; or of 0 and 1."""
    draw = np.random.default_rng(5)
    held, size = 0, step or 1.0
    for _ in range(TIMES // 4):
        second = [size * (always + one) for one in (draw.random(count) < share)]
        gain = paired_difference([0.0] * count, second, range(count), step=step)
        held += gain.low <= size * (always + share) <= gain.high
    assert held / (TIMES // 4) >= 0.93


def _right(luck: NDArray[np.float64], rate: float, hardness: NDArray[np.float64]) -> Sequence[float]:
    """1 where an answer is right: its probability is the rate on average, and moves with the case's hardness."""
    return (luck < rate + min(rate, 1 - rate) * hardness).astype(float).tolist()


def test_intervals_of_rewards_hold_the_truth() -> None:
    draw = np.random.default_rng(3)
    held = 0
    for _ in range(TIMES):
        cases = np.repeat(np.arange(30), draw.choice(SIZES, 30))
        rewards = 0.4 + draw.normal(0, 0.2, 30)[cases] + draw.normal(0, 0.3, len(cases))
        found = clustered_mean(rewards.tolist(), cases.tolist())
        held += found.low <= 0.4 <= found.high
    assert 0.93 <= held / TIMES <= 0.97


@pytest.mark.parametrize("scored", [1.0, 0.5])
@pytest.mark.parametrize("share", [0.1, 0.2, 0.4])
def test_intervals_of_shifts_between_judges_hold_the_truth(share: float, scored: float) -> None:
    """A strict and a lenient judge on what rules leave, a share that is drawn too; some judged by one of them alone."""
    draw = np.random.default_rng(4)
    held = 0
    for _ in range(TIMES // 4):
        cases = np.repeat(np.arange(100), draw.choice(SIZES, 100))
        size = len(cases)
        by_rule = draw.random(size) >= share * (1 + draw.uniform(-0.5, 0.5, 100)[cases])
        luck, is_scored = draw.random(size), draw.random(size) < scored
        judged = zip((luck < 0.1).astype(float).tolist(), (luck < 0.9).astype(float).tolist(), strict=True)
        pairs = [pair if known else None for pair, known in zip(judged, is_scored | by_rule, strict=True)]
        found = judged_difference(pairs, by_rule.tolist(), cases.tolist())
        held += found.low <= 0.8 * share <= found.high
    # ten of a hundred cases have completions that both judged, and few degrees of freedom make an interval wide
    assert 0.93 <= held / (TIMES // 4) <= (0.995 if share * scored < 0.1 else 0.97)


@pytest.mark.parametrize("asked", [5, 6, 8, 10])
def test_intervals_of_shifts_that_few_completions_tell_hold_the_truth(asked: int) -> None:
    """150 reports, 45 of which rules decide in the mean; grades of judge 2, who reads few of the others, are higher by
    half a step of 0.2 in the mean."""
    draw = np.random.default_rng(6)
    held = 0
    for _ in range(TIMES // 4):
        by_rule = draw.random(150) < 0.3
        pairs = [(0.4, 0.4) if is_ruled else None for is_ruled in by_rule]
        for place in draw.choice(np.flatnonzero(~by_rule), asked, replace=False):
            pairs[place] = (0.4, float(draw.choice([0.2, 0.4, 0.6, 0.8])))
        found = judged_difference(pairs, by_rule.tolist(), range(150), step=0.2)
        held += found.low <= 0.7 * 0.1 <= found.high
    assert 0.93 <= held / (TIMES // 4) <= 0.99
