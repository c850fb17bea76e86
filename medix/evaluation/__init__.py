"""Judged evaluation: summaries with intervals, comparison of systems, statistics."""

from medix.evaluation.comparison import Comparison, compare
from medix.evaluation.significance import mcnemar_exact
from medix.evaluation.statistics import (
    Interval,
    bounds,
    clustered_mean,
    paired_difference,
    proportion,
    wilson,
)
from medix.evaluation.summary import Summary, summarise
from medix.evaluation.validation import Validation

__all__ = [
    "Comparison",
    "Interval",
    "Summary",
    "Validation",
    "bounds",
    "clustered_mean",
    "compare",
    "mcnemar_exact",
    "paired_difference",
    "proportion",
    "summarise",
    "wilson",
]
