"""How a second scoring changes the order within groups."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

TIE = 1e-9
"""Totals nearer than this are equal: the same weights summed in another order differ by about 1e-16."""


@dataclass(frozen=True)
class RankChange:
    """What became of the order within n groups. Only completions with both totals count.

    Attributes:
        tau: [n] Kendall's tau-b; NaN where either order is all ties, or fewer than two completions count.
        best_changed: [n] 1 where no completion that was best before is among the best after, else 0; NaN where fewer
            than two completions count.
        reversed_pairs: [n] pairs of completions whose order is the opposite.
        pairs: [n] pairs that count.
    """

    tau: Float[np.ndarray, " group"]
    best_changed: Float[np.ndarray, " group"]
    reversed_pairs: Int[np.ndarray, " group"]
    pairs: Int[np.ndarray, " group"]


def rank_changes(
    before: Float[np.ndarray, "group completion"], after: Float[np.ndarray, "group completion"]
) -> RankChange:
    """Compare two scorings of groups of one size.

    tau-b (Kendall, Biometrika 33, 1945) is (concordant - discordant) / sqrt(untied before x untied after) over pairs:
    ties matter, since totals of mostly binary components tie often. Written out over all groups at once because one
    call of scipy per group takes minutes on a long run; a test holds the two against each other.

    Args:
        before: [n, G] totals; NaN is unscored.
        after: [n, G] totals of the same completions.
    """
    counts = ~np.isnan(before) & ~np.isnan(after)
    first, second = np.triu_indices(before.shape[1], 1)
    is_pair = counts[:, first] & counts[:, second]
    old = _order(before[:, first] - before[:, second], is_pair)
    new = _order(after[:, first] - after[:, second], is_pair)
    untied = np.sqrt(np.abs(old).sum(axis=1) * np.abs(new).sum(axis=1, dtype=np.float64))
    agreement = (old * new).sum(axis=1)
    tau = np.divide(agreement, untied, out=np.full(len(before), np.nan), where=untied > 0)
    kept = (_best(before, counts) & _best(after, counts)).any(axis=1)
    best_changed = np.where(counts.sum(axis=1) < 2, np.nan, (~kept).astype(np.float64))
    return RankChange(tau, best_changed, (old * new < 0).sum(axis=1), is_pair.sum(axis=1))


def _order(difference: NDArray[np.float64], is_pair: NDArray[np.bool_]) -> NDArray[np.int64]:
    """-1, 0 or 1 per pair; 0 for a tie and for a pair that does not count."""
    known = np.where(is_pair, difference, 0.0)
    return np.where(np.abs(known) <= TIE, 0, np.sign(known)).astype(np.int64)


def _best(totals: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True on the completions with the highest total of their group, ties included."""
    known = np.where(counts, totals, -np.inf)
    highest = known.max(axis=1, keepdims=True, initial=-np.inf)
    result: NDArray[np.bool_] = counts & (known >= highest - TIE)
    return result


def correlation(
    first: Float[np.ndarray, " row"], second: Float[np.ndarray, " row"], groups: Int[np.ndarray, " row"] | None = None
) -> float:
    """Pearson's r over the rows that have both values; NaN where either does not vary.

    Args:
        first: values; NaN is left out.
        second: values of the same rows.
        groups: number of each row's group, from 0 up. With it both are centred within groups first, which takes out
            what some prompts earn more of than others: advantages see no more than that either.
    """
    known = ~np.isnan(first) & ~np.isnan(second)
    x, y = first[known].astype(np.float64), second[known].astype(np.float64)
    if len(x) < 2:
        return float("nan")
    if groups is None:
        x, y = x - x.mean(), y - y.mean()
    else:
        x, y = _centred(x, groups[known]), _centred(y, groups[known])
    scale = np.sqrt((x * x).sum() * (y * y).sum())
    return float(np.clip((x * y).sum() / scale, -1, 1)) if scale > TIE else float("nan")


def _centred(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    counts = np.maximum(np.bincount(groups), 1)
    deviation: NDArray[np.float64] = values - (np.bincount(groups, weights=values) / counts)[groups]
    return np.where(np.abs(deviation) <= TIE, 0.0, deviation)
