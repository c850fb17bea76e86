"""Units that several tasks of an evaluation share: their results are not independent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medix.evaluation.scored_completion import ScoredCompletion


@dataclass(frozen=True)
class SharedUnits:
    """The unit of each cluster, counted over tasks.

    Attributes:
        units: by task and cluster, a number; clusters of several tasks that share one have the same.
        tasks: those that share a unit with another.
    """

    units: Mapping[tuple[str, str], int]
    tasks: frozenset[str]

    @classmethod
    def of(
        cls, specs: Mapping[str, Mapping[str, Any]], completions: Mapping[str, Sequence[ScoredCompletion]]
    ) -> "SharedUnits":
        """Clusters are one unit that hold the same image, the same question without an image, or the same case.

        Cases and patients are named within a data set, so that they are the same only if the tasks read one.

        Args:
            specs: content of each ``task.json``.
            completions: of each of these tasks.
        """
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        clusters: dict[tuple[str, str], int] = {}
        places: dict[tuple[object, ...], dict[str, set[int]]] = {}
        for task, spec in specs.items():
            for one in completions[task]:
                cluster = clusters.setdefault((task, one.cluster), len(clusters))
                for content in _contents(spec, one):
                    places.setdefault(content, {}).setdefault(task, set()).add(cluster)
        common = [set().union(*there.values()) for content, there in places.items() if _tells(content, there)]
        edges = [(cluster, len(clusters) + place) for place, members in enumerate(common) for cluster in members]
        size = len(clusters) + len(common)
        first, second = np.array(edges, dtype=np.int64).reshape(-1, 2).T
        graph = coo_array((np.ones(len(edges)), (first, second)), shape=(size, size))
        labels = connected_components(graph, directed=False)[1] if size else ()
        units = {cluster: int(labels[place]) for cluster, place in clusters.items()}
        found: dict[int, set[str]] = {}
        for (task, _), unit in units.items():
            found.setdefault(unit, set()).add(task)
        return cls(units, frozenset(task for tasks in found.values() if len(tasks) > 1 for task in tasks))

    def correlations(self, completions: Mapping[str, Sequence[ScoredCompletion]]) -> NDArray[np.float64]:
        """[task, task] correlations of the mean credits, by the errors of common units; the identity without any.

        Args:
            completions: of the tasks, in their order.
        """
        numbers: dict[int, int] = {}
        sums = []
        for task, rows in completions.items():
            scored = [(one.credit, self.units[task, one.cluster]) for one in rows if one.credit is not None]
            mean = sum(credit for credit, _ in scored) / len(scored)
            errors: dict[int, float] = {}
            for credit, unit in scored:
                place = numbers.setdefault(unit, len(numbers))
                errors[place] = errors.get(place, 0.0) + credit - mean
            sums.append(errors)
        matrix = np.zeros((len(sums), len(numbers)))
        for row, errors in zip(matrix, sums, strict=True):
            row[list(errors)] = list(errors.values())
        lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
        matrix = np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0)
        correlations: NDArray[np.float64] = matrix @ matrix.T
        np.fill_diagonal(correlations, 1.0)
        return correlations


def _contents(spec: Mapping[str, Any], one: ScoredCompletion) -> list[tuple[object, ...]]:
    """What a completion may have in common with one of another task."""
    hashes = [image["sha256"] for image in one.images if image.get("sha256")]
    found: list[tuple[object, ...]] = [("image", digest) for digest in hashes] or [("question", one.question)]
    if spec["cluster"] in ("case", "patient"):
        data = spec.get("data") or {}
        found.append(("case", str(data.get("hub")), str(data.get("local")), one.cluster))
    return found


def _tells(content: tuple[object, ...], places: Mapping[str, set[int]]) -> bool:
    """Whether a content joins the clusters of several tasks; a question that a task asks again and again does not."""
    return len(places) > 1 and (content[0] != "question" or all(len(there) == 1 for there in places.values()))
