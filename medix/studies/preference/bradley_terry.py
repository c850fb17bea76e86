"""Strengths of several models from comparisons of two."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medix.evaluation.statistics import FEWEST_CLUSTERS, Interval
from medix.studies.preference.rating import Rating
from medix.types import Cluster

_STEPS = 100
_ENOUGH = 1e-10


@dataclass(frozen=True)
class BradleyTerry:
    """Strengths whose differences are the log-odds of being preferred (Bradley and Terry, Biometrika 39, 1952).

    Ties and "both unacceptable" count as half a win for each side. Errors are those of whole cases (sandwich with the
    factor C / (C - 1) for C cases), quantiles those of Student's t with C - 1 degrees of freedom.

    Attributes:
        strengths: of each model, with a sum of 0; estimates NaN if undefined.
        wins: of each model, the expected share of wins against the others, each as often as the next.
        fault: why strengths are undefined; empty if they are not.
    """

    strengths: tuple[Interval, ...]
    wins: tuple[float, ...]
    fault: str = ""

    @classmethod
    def fit(cls, ratings: Sequence[Rating], models: int) -> "BradleyTerry":
        """The strengths of greatest likelihood.

        They exist if, however the models are divided in two, each part has won against the other at least once (Ford,
        Am. Math. Mon. 64, 1957).

        Args:
            ratings: of any pairs of models; repeats are left out.
            models: number of models.
        """
        kept = [rating for rating in ratings if not rating.is_repeat]
        parts = _parts(kept, models)
        if len(set(parts)) > 1:
            nothing = Interval(math.nan, math.nan, math.nan, len(kept), 0, "clustered t")
            fault = "some models have won all, or none, of their comparisons with the others, or were not compared"
            return cls((nothing,) * models, (math.nan,) * models, fault)
        design, scores = _design(kept, models)
        theta = np.zeros(models)
        for _ in range(_STEPS):
            chance = 1 / (1 + np.exp(-design @ theta))
            step = _inverse_information(design, chance) @ (design.T @ (scores - chance))
            theta += step
            if np.abs(step).max() < _ENOUGH:
                break
        return cls(_intervals(theta, design, scores, [one.cluster for one in kept]), _expected(theta))


def _parts(ratings: Sequence[Rating], models: int) -> list[int]:
    """For each model its part: a way of wins leads from it to every other model of the part, and back."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = [
        (one, other)
        for rating in ratings
        for one, other in (rating.models, rating.models[::-1])
        if rating.score(one) > 0
    ]
    first, second = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(edges)), (first, second)), shape=(models, models))
    return [int(part) for part in connected_components(graph, connection="strong")[1]]


def _design(ratings: Sequence[Rating], models: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """[rating, model] 1 for the first model, -1 for the second; and the score of the first."""
    design = np.zeros((len(ratings), models))
    for row, rating in zip(design, ratings, strict=True):
        row[list(rating.models)] = 1.0, -1.0
    return design, np.array([rating.score(rating.models[0]) for rating in ratings])


def _intervals(
    theta: NDArray[np.float64],
    design: NDArray[np.float64],
    scores: NDArray[np.float64],
    clusters: Sequence[Cluster],
) -> tuple[Interval, ...]:
    from scipy.stats import t

    chance = 1 / (1 + np.exp(-design @ theta))
    bread = _inverse_information(design, chance)
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    sums = np.zeros((len(numbers), len(theta)))
    np.add.at(sums, [numbers[cluster] for cluster in clusters], design * (scores - chance)[:, None])
    size = len(numbers)
    if size < FEWEST_CLUSTERS:
        errors, quantile = np.full(len(theta), math.nan), math.nan
    else:
        errors = np.sqrt(np.diag(bread @ (sums.T @ sums) @ bread) * size / (size - 1))
        quantile = float(t.ppf(0.975, size - 1))
    return tuple(
        Interval(value, value - quantile * error, value + quantile * error, len(scores), size, "clustered t", error)
        for value, error in zip(theta.tolist(), errors.tolist(), strict=True)
    )


def _inverse_information(design: NDArray[np.float64], chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The inverse on vectors that sum to 0: of the information, which is singular on constant ones, and a projection.

    A pseudoinverse would have to guess which of the small singular values is 0.
    """
    information = (design * (chance * (1 - chance))[:, None]).T @ design
    return np.asarray(np.linalg.inv(information + 1 / len(information)), dtype=np.float64)


def _expected(theta: NDArray[np.float64]) -> tuple[float, ...]:
    chances = 1 / (1 + np.exp(theta[None, :] - theta[:, None]))
    return tuple(float(value) for value in (chances.sum(axis=1) - 0.5) / (len(theta) - 1))
