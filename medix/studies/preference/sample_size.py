"""How many comparisons an interval of the wished width takes, before the study starts."""

import math
from dataclasses import dataclass

import numpy as np

from medix.evaluation.statistics import wilson_ends

LEVEL = 0.05
"""Of the exact test."""


@dataclass(frozen=True)
class SampleSize:
    """What is expected of a study of two models.

    The interval is Wilson's of the share of wins among the ratings with a preference. Several comparisons of one case
    count for less by the design effect 1 + (m - 1) r for m comparisons with a correlation of r within cases. How
    much raters differ from each other is not in it: it cannot be known before.

    Args:
        wins: expected share of wins.
        ties: expected share of comparisons without a preference.
        per_case: comparisons of one case.
        correlation: of the preferences within a case.
    """

    wins: float = 0.5
    ties: float = 0.25
    per_case: float = 1.0
    correlation: float = 0.3

    def __post_init__(self) -> None:
        for name, low, high in (("wins", 0, 1), ("ties", 0, 0.99), ("correlation", 0, 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"--{name} {value:g}: must be between {low} and {high}")
        if not self.per_case >= 1:
            raise ValueError(f"--per-case {self.per_case:g}: must be 1 or more")

    def independent(self, comparisons: float) -> float:
        """The number of independent ratings with a preference that a number of comparisons is worth."""
        return comparisons * (1 - self.ties) / (1 + (self.per_case - 1) * self.correlation)

    def half_width(self, comparisons: float) -> float:
        """Half the width of the 95 % interval of the share of wins."""
        from scipy.stats import norm

        count = self.independent(comparisons)
        if count <= 0:
            return math.nan
        low, high = wilson_ends(self.wins, count, float(norm.ppf(0.975)))
        return (high - low) / 2

    def comparisons(self, half_width: float) -> int:
        """The smallest number of comparisons with an interval of at most this half width.

        Raises:
            ValueError: it is not between 0 and a half.
        """
        if not 0.001 <= half_width < 0.5:
            raise ValueError(f"--half-width {half_width:g}: must be from 0.001 to below 0.5; 0.05 is ± 5 points")
        low, high = 0, 1
        while self.half_width(high) > half_width:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.half_width(middle) <= half_width else (middle, high)
        return high

    def power(self, comparisons: float) -> float:
        """Probability that the two-sided exact binomial test finds the share of wins to differ from a half."""
        from scipy.stats import binom

        count = math.floor(self.independent(comparisons))
        wins = np.arange(count + 1)
        p_values = np.minimum(1.0, 2 * binom.cdf(np.minimum(wins, count - wins), count, 0.5))
        return float(binom.pmf(wins, count, self.wins)[p_values <= LEVEL].sum())
