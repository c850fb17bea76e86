"""Tests of differences that need no interval, and the adjustment for several of them."""

import math
from collections.abc import Sequence


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


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for testing all of them (Holm, Scand. J. Stat. 6, 1979); NaN is no test and stays NaN.

    The r-th smallest of m is multiplied by m - r + 1; none is smaller than one before it, and none exceeds 1.
    """
    order = sorted((index for index, value in enumerate(p_values) if value == value), key=lambda index: p_values[index])
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
