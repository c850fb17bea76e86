"""Intervals of shares whose observations are clustered in two ways, such as by case and by rater."""

import math
from collections.abc import Hashable, Sequence

from medix.evaluation.statistics import FEWEST_CLUSTERS, Interval, clustered_mean, proportion, wilson_ends


def crossed_proportion(
    values: Sequence[float], first: Sequence[Hashable], second: Sequence[Hashable], confidence: float = 0.95
) -> Interval:
    """Interval of the mean of values between 0 and 1 that are alike within clusters of two kinds.

    The squared error is that of the one kind plus that of the other, less that of their intersections (Cameron,
    Gelbach and Miller, J. Bus. Econ. Stat. 29, 2011), and at least the larger of the two; the interval is Wilson's with
    the effective number of observations that it leaves, as in ``proportion``, and the quantile Student's t with one
    degree of freedom less than there are clusters of the rarer kind. Where no observation differs, the effective number
    is that of the clusters of the rarer kind.

    With fewer than ``FEWEST_CLUSTERS`` clusters of the second kind nothing says how much these differ: the interval is
    then ``proportion`` by the first kind, and holds for these clusters of the second kind only.

    Args:
        values: one per observation.
        first: its cluster of one kind, such as the case.
        second: its cluster of the other kind, such as the rater.
        confidence: confidence level of the two-sided interval.

    Returns:
        With the number of clusters of the first kind; ``method`` is ``crossed wilson`` if both kinds count.

    Raises:
        ValueError: a value is outside 0 to 1.
    """
    from scipy.stats import t

    alone = proportion(values, first, confidence)
    sizes = len(set(first)), len(set(second))
    if min(sizes) < FEWEST_CLUSTERS:
        return alone
    both = list(zip(first, second, strict=True))
    one, other, shared = (clustered_mean(values, clusters).error ** 2 for clusters in (first, second, both))
    square = max(one + other - shared, one, other)
    share, count = alone.estimate, alone.count
    number = share * (1 - share) / square if square > 0 else float(min(sizes))
    if all(value in (0.0, 1.0) for value in values):
        number = min(number, float(count))
    low, high = wilson_ends(share, number, float(t.ppf((1 + confidence) / 2, min(sizes) - 1)))
    return Interval(share, low, high, count, sizes[0], "crossed wilson", math.sqrt(square))
