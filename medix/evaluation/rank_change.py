"""Changes of the order within groups between two scorings."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

TIE = 1e-9
"""Totals closer than this count as equal: the same weights summed in another order differ by about 1e-16."""


@dataclass(frozen=True)
class RankChange:
    """Change of the order within n groups. Only completions with both totals are compared.

    Attributes:
        tau: [n] Kendall's tau-b; NaN if all totals of either scoring are tied, or with fewer than two completions.
        best_changed: [n] 1 if none of the best completions before is among the best after, else 0; NaN with fewer than
            two completions.
        reversed_pairs: [n] number of pairs of completions whose order is reversed.
        pairs: [n] number of pairs that are compared.
    """

    tau: Float[np.ndarray, " group"]
    best_changed: Float[np.ndarray, " group"]
    reversed_pairs: Int[np.ndarray, " group"]
    pairs: Int[np.ndarray, " group"]


def rank_changes(
    before: Float[np.ndarray, "group completion"], after: Float[np.ndarray, "group completion"]
) -> RankChange:
    """Compare two scorings of groups of the same size.

    tau-b (Kendall, Biometrika 33, 1945) is (concordant - discordant) / sqrt(untied before x untied after) over pairs.
    It accounts for ties, which are frequent because most components are binary. Vectorised over all groups, because
    one scipy call per group takes minutes for a long run; a test compares the result with scipy.

    Args:
        before: [n, G] totals; NaN if unscored.
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
    """-1, 0 or 1 per pair; 0 for a tie and for a pair with a missing total."""
    known = np.where(is_pair, difference, 0.0)
    return np.where(np.abs(known) <= TIE, 0, np.sign(known)).astype(np.int64)


def _best(totals: NDArray[np.float64], counts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """True for the completions with the highest total of their group, ties included."""
    known = np.where(counts, totals, -np.inf)
    highest = known.max(axis=1, keepdims=True, initial=-np.inf)
    result: NDArray[np.bool_] = counts & (known >= highest - TIE)
    return result


def correlation(
    first: Float[np.ndarray, " row"], second: Float[np.ndarray, " row"], groups: Int[np.ndarray, " row"] | None = None
) -> float:
    """Pearson's r over the rows that have both values; NaN if either is constant.

    Args:
        first: values; NaN is left out.
        second: values of the same rows.
        groups: index of each row's group, starting at 0. If given, both are first centred within groups, which removes
            differences between prompts, as the computation of advantages does.
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
