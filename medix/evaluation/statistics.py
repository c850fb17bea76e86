"""Intervals and tests for judged benchmarks in which several questions may share a case.

Questions about the same case are not independent: treating them as independent makes intervals up to three times too
narrow (arXiv:2411.00640, section 2.2). Intervals therefore resample whole cases. Unscored completions are left out of
means; ``bounds`` gives the range of means that they allow.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
FEWEST_CLUSTERS = 5
"""With fewer clusters the bootstrap greatly underestimates the spread, so no interval is reported."""

_CHUNK = 2_000_000
"""Maximum number of indices drawn at once, which bounds memory to about 16 MB."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        estimate: the mean; NaN without observations.
        low: lower end; NaN if there are too few clusters for an interval.
        high: upper end.
        count: number of observations.
        clusters: number of independent units among them.
        method: ``wilson`` or ``bootstrap``.
    """

    estimate: float
    low: float
    high: float
    count: int
    clusters: int
    method: str

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def wilson(successes: int, count: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (J. Am. Stat. Assoc. 22, 1927).

    Args:
        successes: number of successes, between 0 and ``count``.
        count: number of independent observations.
        confidence: confidence level of the two-sided interval.
    """
    from scipy.stats import binomtest

    _check_confidence(confidence)
    if not 0 <= successes <= count:
        raise ValueError(f"successes: {successes} is not between 0 and count = {count}")
    if count == 0:
        return Interval(np.nan, 0.0, 1.0, 0, 0, "wilson")
    found = binomtest(successes, count).proportion_ci(confidence, method="wilson")
    return Interval(successes / count, float(found.low), float(found.high), count, count, "wilson")


def clustered_mean(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Interval:
    """Mean over observations, and its percentile bootstrap interval over whole clusters.

    With fewer than ``FEWEST_CLUSTERS`` clusters there is only an estimate. A resample draws as many clusters as there
    are, with replacement, and takes the mean over their observations: the number of observations varies between
    resamples, as it does between data sets.

    Args:
        values: one per observation; NaN is an error, leave unscored observations out.
        clusters: the case of each observation.
        confidence: confidence level of the two-sided interval.
        resamples: number of bootstrap resamples.
        seed: seed of the resampling.
    """
    _check_confidence(confidence)
    sums, counts = _by_cluster(values, clusters)
    if len(sums) < FEWEST_CLUSTERS:
        estimate = float(sums.sum() / counts.sum()) if len(sums) else np.nan
        return Interval(estimate, np.nan, np.nan, int(counts.sum()), len(sums), "bootstrap")
    means = _resampled_means(sums, counts, resamples, seed)
    tail = (1 - confidence) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    estimate = float(sums.sum() / counts.sum())
    return Interval(estimate, float(low), float(high), int(counts.sum()), len(sums), "bootstrap")


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Interval:
    """Mean of ``second - first`` over the same observations, with one interval for the difference.

    Args:
        first: one value per observation.
        second: the other value of the same observation.
        clusters: the case of each observation.
        confidence: confidence level of the two-sided interval.
        resamples: number of bootstrap resamples.
        seed: seed of the resampling.
    """
    if len(first) != len(second):
        raise ValueError(f"paired values must match: {len(first)} first, {len(second)} second")
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    return clustered_mean(differences.tolist(), clusters, confidence, resamples, seed)


def proportion(
    values: Sequence[float], clusters: Sequence[Hashable], confidence: float = 0.95, seed: int = 1
) -> Interval:
    """Interval of an accuracy: Wilson if every observation is its own cluster, else the clustered bootstrap.

    If values are not all 0 or 1, the bootstrap is used. If all clusters agree, the bootstrap interval would have zero
    width, so Wilson's interval over the clusters is used instead.
    """
    sums, counts = _by_cluster(values, clusters)
    binary = all(value in (0.0, 1.0) for value in values)
    if binary and bool((counts == 1).all()):
        return wilson(int(sums.sum()), len(counts), confidence)
    share = sums / counts
    if binary and bool((share == share[0]).all()) and share[0] in (0.0, 1.0):
        over_clusters = wilson(int(share.sum()), len(counts), confidence)
        return Interval(
            float(share[0]), over_clusters.low, over_clusters.high, int(counts.sum()), len(counts), "wilson"
        )
    return clustered_mean(values, clusters, confidence, seed=seed)


def mcnemar_exact(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Two-sided exact p-value for the null hypothesis that two systems are right equally often.

    Under the null hypothesis each pair on which they differ is a fair coin flip (McNemar, Psychometrika 12, 1947). The
    test assumes independent pairs: with several questions per case, use ``paired_difference`` instead.
    """
    from scipy.stats import binomtest

    if len(first) != len(second):
        raise ValueError(f"paired values must match: {len(first)} first, {len(second)} second")
    gained = sum(b and not a for a, b in zip(first, second, strict=True))
    lost = sum(a and not b for a, b in zip(first, second, strict=True))
    return float(binomtest(gained, gained + lost, 0.5).pvalue) if gained + lost else 1.0


def bounds(total: float, scored: int, unscored: int) -> tuple[float, float]:
    """Mean if every unscored observation were 0, and if every one were 1; NaN without observations."""
    count = scored + unscored
    return (total / count, (total + unscored) / count) if count else (float("nan"), float("nan"))


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: {confidence} is not between 0 and 1; give for example 0.95")


def _by_cluster(
    values: Sequence[float], clusters: Sequence[Hashable]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum and count of each cluster, in order of first appearance."""
    if len(values) != len(clusters):
        raise ValueError(f"one cluster per value: {len(values)} values, {len(clusters)} clusters")
    if any(value != value for value in values):
        raise ValueError("a value is NaN; leave unscored observations out and report their share beside the mean")
    rows: dict[Hashable, int] = {}
    index = [rows.setdefault(cluster, len(rows)) for cluster in clusters]
    sums, counts = np.zeros(len(rows)), np.zeros(len(rows))
    np.add.at(sums, index, np.asarray(values, dtype=np.float64))
    np.add.at(counts, index, 1.0)
    return sums, counts


def _resampled_means(
    sums: NDArray[np.float64], counts: NDArray[np.float64], resamples: int, seed: int
) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    size = len(sums)
    parts = []
    for start in range(0, resamples, max(1, _CHUNK // size)):
        rows = min(max(1, _CHUNK // size), resamples - start)
        drawn = generator.integers(0, size, (rows, size))
        parts.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(parts)
