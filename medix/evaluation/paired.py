"""One measure of two systems on the same completions."""

from collections.abc import Sequence
from dataclasses import dataclass

from medix.evaluation.significance import mcnemar_exact
from medix.evaluation.statistics import Interval, bounds, clustered_mean, paired_difference, proportion
from medix.types import Cluster


@dataclass(frozen=True)
class Paired:
    """One measure over the pairs for which both systems have a value.

    Attributes:
        first: mean of the first system.
        second: mean of the second system.
        gain: second minus first, clustered by case.
        pairs: number of pairs with both values.
        left_out: number of pairs in which a value is missing.
        first_bounds: mean of the first system over all pairs, if its unscored completions were 0, and if they were 1.
        second_bounds: the same for the second system.
        mcnemar: exact p-value if every pair is of a case of its own and every value 0 or 1; None if not.
    """

    first: Interval
    second: Interval
    gain: Interval
    pairs: int
    left_out: int
    first_bounds: tuple[float, float]
    second_bounds: tuple[float, float]
    mcnemar: float | None

    @property
    def p_value(self) -> float:
        """McNemar's where it holds, else that of the clustered gain; NaN where neither is known."""
        return self.gain.p_value if self.mcnemar is None else self.mcnemar

    @classmethod
    def of(cls, values: Sequence[tuple[float | None, float | None, Cluster]], *, is_share: bool) -> "Paired":
        """Compare the values.

        Args:
            values: of each pair of completions the value of the first system, that of the second, each None if it has
                none, and the case.
            is_share: whether values lie between 0 and 1.
        """
        known = [(a, b, cluster) for a, b, cluster in values if a is not None and b is not None]
        firsts, seconds = [a for a, _, _ in known], [b for _, b, _ in known]
        clusters = [cluster for _, _, cluster in known]
        mean = proportion if is_share else clustered_mean
        binary = is_share and bool(known) and all(value in (0.0, 1.0) for value in firsts + seconds)
        independent = len(set(clusters)) == len(clusters)
        exact = mcnemar_exact([a == 1 for a in firsts], [b == 1 for b in seconds]) if binary and independent else None
        return cls(
            first=mean(firsts, clusters),
            second=mean(seconds, clusters),
            gain=paired_difference(firsts, seconds, clusters),
            pairs=len(known),
            left_out=len(values) - len(known),
            first_bounds=_bounds([first for first, _, _ in values]),
            second_bounds=_bounds([second for _, second, _ in values]),
            mcnemar=exact,
        )


def _bounds(values: Sequence[float | None]) -> tuple[float, float]:
    scored = [value for value in values if value is not None]
    return bounds(sum(scored), len(scored), len(values) - len(scored))
