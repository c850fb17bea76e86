"""Units that tasks share."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.shared_units import SharedUnits

SPECS = {"a": {"cluster": "image"}, "b": {"cluster": "image"}}


def one(cluster: str, credit: float | None = 1.0, image: str = "", question: str = "q") -> ScoredCompletion:
    images = ({"sha256": image, "name": "x"},) if image else ()
    return ScoredCompletion(cluster, 0, cluster, question, ("a",), "text", "a", credit, images=images)


def units(rows: Mapping[str, Sequence[ScoredCompletion]], specs: Mapping[str, Mapping[str, object]] = SPECS) -> int:
    return len(set(SharedUnits.of(specs, rows).units.values()))


def test_an_image_of_two_tasks_makes_their_clusters_one_unit() -> None:
    rows = {"a": [one("1", image="x"), one("2", image="y")], "b": [one("9", image="x"), one("8", image="z")]}
    found = SharedUnits.of(SPECS, rows)
    assert found.units["a", "1"] == found.units["b", "9"]
    assert len(set(found.units.values())) == 3
    assert found.tasks == {"a", "b"}


def test_clusters_of_one_name_in_two_tasks_are_two_units() -> None:
    rows = {"a": [one("1", image="x")], "b": [one("1", image="y")]}
    assert units(rows) == 2
    assert not SharedUnits.of(SPECS, rows).tasks


def test_a_case_is_one_unit_only_within_a_data_set() -> None:
    rows = {"a": [one("p1", image="x")], "b": [one("p1", image="y")]}
    case = {"cluster": "case", "data": {"hub": "h", "local": ["x.csv"]}}
    assert units(rows, {"a": case, "b": case}) == 1
    assert units(rows, {"a": case, "b": {"cluster": "case", "data": {"hub": "other", "local": ["x.csv"]}}}) == 2


def test_a_question_without_an_image_is_one_unit_unless_it_is_asked_of_many() -> None:
    assert units({"a": [one("1", question="Why?")], "b": [one("7", question="Why?")]}) == 1
    assert units({"a": [one("1"), one("2")], "b": [one("7")]}) == 3


def test_correlations_are_those_of_the_errors_of_common_units() -> None:
    """Errors over units x, y, z: a has (1/2, -1/2, 0), b has (1/2, 0, -1/2): 1/4 over 1/2."""
    rows = {
        "a": [one("1", 1.0, "x"), one("2", 0.0, "y"), one("3", None, "z")],
        "b": [one("1", 1.0, "x"), one("3", 0.0, "z")],
        "c": [one("5", 1.0, "w"), one("6", 1.0, "v")],
    }
    found = SharedUnits.of({**SPECS, "c": {"cluster": "image"}}, rows).correlations(rows)
    assert found == pytest.approx(np.array([[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]))


def test_without_tasks_there_is_no_unit() -> None:
    assert SharedUnits.of({}, {}).units == {}
