"""Intervals for judged benchmarks in which several questions may share a case.

Questions about the same case are not independent: treating them as independent makes intervals up to three times too
narrow (arXiv:2411.00640, section 2.2). Standard errors are therefore those of whole clusters, and quantiles those of
Student's t with one degree of freedom less than there are clusters. Resampling clusters gives the same intervals where
there are hundreds, and covers too little where there are tens (``test_statistics_coverage`` simulates both). Unscored
completions are left out of means; ``bounds`` gives the range of means that they allow.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_CLUSTERS = 5
"""With fewer clusters no interval is reported: nothing says how much they differ. A share of observations of 0 and 1,
one in each cluster, has Wilson's at any number, which needs no spread."""

FEW_CLUSTERS = 30
"""With fewer clusters an interval may cover less than it says, so that tables mark it."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval.

    Attributes:
        estimate: the mean; NaN without observations.
        low: lower end; NaN without observations, or if there are too few clusters for an interval.
        high: upper end.
        count: number of observations.
        clusters: number of independent units among them.
        method: ``wilson``, ``clustered wilson`` or ``clustered t``.
        error: standard error of the estimate; NaN if there is no interval.
        p_value: of the hypothesis that a difference is 0, two-sided; NaN for other estimates and without an interval.
    """

    estimate: float
    low: float
    high: float
    count: int
    clusters: int
    method: str
    error: float = math.nan
    p_value: float = math.nan

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of 0."""
        return self.low > 0 or self.high < 0

    @property
    def effective(self) -> float:
        """Number of independent observations of 0 and 1 that would have this error; NaN without an interval."""
        if math.isnan(self.low):
            return math.nan
        return self.estimate * (1 - self.estimate) / self.error**2 if self.error > 0 else float(self.clusters)

    @property
    def has_few_clusters(self) -> bool:
        """Whether there are observations of so few clusters that the interval may cover less than it says."""
        return 0 < self.clusters < FEW_CLUSTERS


def wilson(successes: int, count: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (J. Am. Stat. Assoc. 22, 1927).

    Args:
        successes: number of successes, between 0 and ``count``.
        count: number of independent observations; of none there is neither estimate nor interval (NaN).
        confidence: confidence level of the two-sided interval.
    """
    from scipy.stats import binomtest

    _check_confidence(confidence)
    if not 0 <= successes <= count:
        raise ValueError(f"successes: {successes} is not between 0 and count = {count}")
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, 0, 0, "wilson")
    found = binomtest(successes, count).proportion_ci(confidence, method="wilson")
    share = successes / count
    error = math.sqrt(share * (1 - share) / count)
    return Interval(share, float(found.low), float(found.high), count, count, "wilson", error)


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable], confidence: float = 0.95) -> Interval:
    """Mean over observations, and its interval by the standard error of whole clusters.

    The error is that of linear regression on a constant with clustered errors (CR1: Liang and Zeger 1986, with the
    factor C / (C - 1) for C clusters); the quantile is Student's t with C - 1 degrees of freedom. With fewer than
    ``FEWEST_CLUSTERS`` clusters there is only an estimate.

    Args:
        values: one per observation; NaN is an error, leave unscored observations out.
        clusters: the case of each observation.
        confidence: confidence level of the two-sided interval.
    """
    _check_confidence(confidence)
    sums, counts = _by_cluster(values, clusters)
    estimate, error = _mean_and_error(sums, counts, len(sums))
    half = _quantile(confidence, len(sums)) * error
    return Interval(estimate, estimate - half, estimate + half, int(counts.sum()), len(sums), "clustered t", error)


def paired_difference(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    step: float | None = None,
) -> Interval:
    """Mean of ``second - first`` over the same observations, with one interval for the difference and its p-value.

    As ``clustered_mean`` of the differences. If values lie on a scale of known steps, two observations are added to the
    error as clusters of their own, a step above the mean difference and a step below: without them two systems that
    agree on every one of thirty questions would have an interval of zero width. The two that Bonett and Price (J. Educ.
    Behav. Stat. 37, 2012) add for values of 0 and 1 lie a step from 0, which draws the interval of grades that differ
    by several steps away from their mean. Differences of one step that 2 % of pairs have are covered as they should
    be; rare ones of several steps, of which none may be seen, are not. Of an unknown scale there is no interval where
    clusters do not differ.

    Args:
        first: one value per observation.
        second: the other value of the same observation.
        clusters: the case of each observation.
        confidence: confidence level of the two-sided interval.
        step: smallest difference of two values of the scale, such as 0.2 of grades from 0 to 5 over 5; None if unknown.
            If every value is 0 or 1 it is then 1.
    """
    _check_confidence(confidence)
    if len(first) != len(second):
        raise ValueError(f"paired values must match: {len(first)} first, {len(second)} second")
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    sums, counts = _by_cluster(differences.tolist(), clusters)
    return _difference(sums, counts, 1.0, _known_step(step, first, second), len(sums), confidence)


def judged_difference(
    pairs: Sequence[tuple[float, float] | None],
    by_rule: Sequence[bool],
    clusters: Sequence[Hashable],
    confidence: float = 0.95,
    step: float | None = None,
) -> Interval:
    """Mean of ``second - first`` over all observations where some have no values, and it is 0 for those by rule.

    The share w of observations that no rule decides, times the mean difference d of those of them that have values: the
    others count as d. The interval is that of the ratio estimator w d by linearisation (Cochran, Sampling Techniques,
    1977, section 6.3), so that it counts the sampling errors of both: as ``paired_difference`` where d stands for what
    has no values, and the distances of the others from d weigh as many times as there are observations for each with
    values. With values for all it is ``paired_difference`` over all. Else d comes from a part, and what rules decide
    tells nothing of it: the clusters of the interval are those of the observations that d is the mean of.

    Args:
        pairs: first and second value of each observation; None without values.
        by_rule: whether a rule decides the observation, so that the two do not differ there.
        clusters: the case of each observation.
        confidence: confidence level of the two-sided interval.
        step: of the scale of values, as in ``paired_difference``.
    """
    _check_confidence(confidence)
    rows = list(zip(pairs, by_rule, clusters, strict=True))
    open_ = [pair for pair, is_ruled, _ in rows if not is_ruled]
    found = [second - first for first, second in filter(None, open_)]
    if not found:
        return Interval(math.nan, math.nan, math.nan, 0, 0, "clustered t")
    mean, weight = sum(found) / len(found), len(open_) / len(found)
    values = [
        0.0 if is_ruled else mean if pair is None else weight * (pair[1] - pair[0]) + (1 - weight) * mean
        for pair, is_ruled, _ in rows
    ]
    sums, counts = _by_cluster(values, clusters)
    known = {cluster for pair, is_ruled, cluster in rows if pair is not None and not is_ruled}
    size = len(known) if len(found) < len(open_) else len(sums)
    return _difference(sums, counts, weight, _known_step(step, *filter(None, pairs)), size, confidence)


def proportion(values: Sequence[float], clusters: Sequence[Hashable], confidence: float = 0.95) -> Interval:
    """Interval of the mean of values between 0 and 1, such as an accuracy.

    Wilson's interval: over the observations if each is its own cluster and 0 or 1, else with the effective number of
    observations n = p (1 - p) / e², where e is the error of ``clustered_mean`` (Korn and Graubard, Surv. Methodol. 24,
    1998, do so for the exact interval). If clusters do not differ at all, n is their number; it is at most the number
    of observations if these are 0 or 1. The quantile is Student's t with the degrees of freedom that the spread of the
    clusters' squared errors leaves to e² (Satterthwaite, Biom. Bull. 2, 1946): where few clusters hold most errors, as
    in a high accuracy, these tell less of e than their number says.

    Raises:
        ValueError: a value is outside 0 to 1.
    """
    _check_confidence(confidence)
    if any(not 0 <= value <= 1 for value in values if value == value):
        raise ValueError(f"values of a proportion are between 0 and 1, not {min(values)} to {max(values)}")
    sums, counts = _by_cluster(values, clusters)
    size, count = len(sums), int(counts.sum())
    is_binary = all(value in (0.0, 1.0) for value in values)
    if is_binary and bool((counts == 1).all()):
        return wilson(int(sums.sum()), size, confidence)
    share, error = _mean_and_error(sums, counts, len(sums))
    if math.isnan(error):
        return Interval(share, math.nan, math.nan, count, size, "clustered wilson")
    number = share * (1 - share) / error**2 if error > 0 else float(size)
    if is_binary:
        number = min(number, float(count))
    low, high = wilson_ends(share, number, _quantile(confidence, 1 + _freedom(sums - share * counts)))
    return Interval(share, low, high, count, size, "clustered wilson", error)


def minimum_detectable_difference(difference: Interval, power: float = 0.8, confidence: float = 0.95) -> float:
    """The true difference that a comparison with this error would find with probability ``power``.

    (t(1 - α/2) + t(power)) times the standard error of the paired difference, with one degree of freedom less than
    there are clusters (Bloom 1995; arXiv:2411.00640, section 5). NaN where the error is 0 or not known.
    """
    from scipy.stats import t

    _check_confidence(confidence)
    if difference.clusters < FEWEST_CLUSTERS or not difference.error > _ROUNDING:
        return math.nan
    freedom = difference.clusters - 1
    return float((t.ppf((1 + confidence) / 2, freedom) + t.ppf(power, freedom)) * difference.error)


def bounds(total: float, scored: int, unscored: int) -> tuple[float, float]:
    """Mean if every unscored observation were 0, and if every one were 1; NaN without observations."""
    count = scored + unscored
    return (total / count, (total + unscored) / count) if count else (float("nan"), float("nan"))


def wilson_ends(share: float, number: float, quantile: float) -> tuple[float, float]:
    """Ends of Wilson's interval.

    Args:
        share: estimate of the proportion.
        number: of independent observations; need not be whole.
        quantile: of the two-sided interval, such as 1.96.
    """
    square = quantile**2
    centre = (share + square / (2 * number)) / (1 + square / number)
    half = quantile * math.sqrt(share * (1 - share) / number + square / (4 * number**2)) / (1 + square / number)
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def _known_step(step: float | None, *values: Sequence[float]) -> float:
    """Step of the scale of values; 0 if it is unknown."""
    if step is not None:
        return step
    return 1.0 if all(value in (0.0, 1.0) for part in values for value in part) else 0.0


_ROUNDING = 1e-12
"""Errors below it are rounding errors of differences of credits and rewards, which are of the order of 1."""


def _difference(
    sums: NDArray[np.float64], counts: NDArray[np.float64], weight: float, step: float, size: int, confidence: float
) -> Interval:
    """A mean difference with interval and p-value.

    Args:
        sums, counts: of each cluster.
        weight: of each of the two observations that are added (``paired_difference``).
        step: their distance from the mean; 0 adds none. Values of a scale of known step are shares, or grades over the
            best one: no difference is beyond -1 and 1, and so no end is.
        size: number of clusters that tell of it.
        confidence: of the interval.
    """
    from scipy.stats import t

    count = int(counts.sum())
    added = (2 * weight, 2 * (weight * step) ** 2) if step else (0.0, 0.0)
    estimate, error = _mean_and_error(sums, counts, size, *added)
    error = error if error > _ROUNDING else math.nan
    half = _quantile(confidence, size) * error
    p_value = float(2 * t.sf(abs(estimate) / error, size - 1))
    low, high = estimate - half, estimate + half
    if step:
        low, high = (float(np.clip(end, -1.0, 1.0)) for end in (low, high))  # NaN stays
    return Interval(estimate, low, high, count, size, "clustered t", error, p_value)


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


def _mean_and_error(
    sums: NDArray[np.float64], counts: NDArray[np.float64], size: int, extra: float = 0.0, extra_squares: float = 0.0
) -> tuple[float, float]:
    """Mean and clustered standard error; NaN for the latter with too few clusters.

    Args:
        sums, counts: of each cluster.
        size: number of clusters that tell of the mean.
        extra, extra_squares: observations with this mean that are added to the error, and the sum of their squares.
    """
    count = float(counts.sum())
    if size == 0:
        return math.nan, math.nan
    mean = float(sums.sum()) / count
    if size < FEWEST_CLUSTERS:
        return mean, math.nan
    squares = float(((sums - mean * counts) ** 2).sum()) + extra_squares
    return mean, math.sqrt(squares * size / (size - 1)) / (count + extra)


def _quantile(confidence: float, clusters: float) -> float:
    from scipy.stats import t

    return float(t.ppf((1 + confidence) / 2, clusters - 1)) if clusters >= FEWEST_CLUSTERS else math.nan


def _freedom(errors: NDArray[np.float64]) -> float:
    """Degrees of freedom of the sum of squared errors of clusters, from their spread; C - 1 where they are normal.

    Twice the square of the sum over its variance, between the fewest that an interval is given for and C - 1.
    """
    squares = errors**2
    total, most = float(squares.sum()), len(errors) - 1
    variance = float((squares**2).sum()) - total**2 / len(errors)
    found = 2 * total**2 / variance if variance > 0 else most
    return min(max(found, FEWEST_CLUSTERS - 1), most)
