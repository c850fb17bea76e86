"""Whether the database of a study holds what a study holds: it is a file that people can edit, and disks damage."""

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from medix.studies.preference.rating import FIELDS

SHOWN = "shown"
"""Field of the click that says when a comparison was first displayed."""

_FACTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "models": (lambda value: _texts(value) and 1 < len(set(value)) == len(value), "two or more names"),
    "with_reasoning": (lambda value: isinstance(value, bool), "true or false"),
    **dict.fromkeys(
        ("samples", "comparisons", "cases", "identical", "overlap"),
        (lambda value: _is_count(value), "a number, 0 or more"),
    ),
    "left_out": (
        lambda value: isinstance(value, dict) and all(_is_count(count) for count in value.values()),
        "numbers by reason",
    ),
}
_REFERENCES = (
    ("comparisons", "sample", "samples"),
    ("assignments", "rater", "raters"),
    ("assignments", "comparison", "comparisons"),
    ("clicks", "assignment", "assignments"),
)


def check_study(connection: sqlite3.Connection, facts: Any, schema: str) -> None:
    """Compare a database with what a study holds.

    Args:
        connection: to it.
        facts: what its table ``study`` holds.
        schema: the statements that make the tables and views.

    Raises:
        ValueError: names table, row, column and value.
        sqlite3.Error: it cannot be read.
    """
    _check_structure(connection, schema)
    for name, (is_right, told) in _FACTS.items():
        if not is_right(facts.get(name)):
            raise _wrong("study", 1, f"facts, {name}", facts.get(name), told)
    for table, column, other in _REFERENCES:
        lost = f"SELECT number, {column} FROM {table} WHERE {column} IS NULL OR {column} NOT IN "
        for number, value in connection.execute(f"{lost}(SELECT number FROM {other}) LIMIT 1"):
            raise _wrong(table, number, column, value, f"a row of {other}")
    for table in ("samples", "comparisons"):
        ((count,),) = connection.execute(f"SELECT COUNT(*) FROM {table}")
        if count != facts[table]:
            raise ValueError(f"table {table} has {count} rows, and the study was made with {facts[table]}")
    for table, rows in _TABLES.items():
        for number, column, value, told in rows(connection, facts):
            raise _wrong(table, number, column, value, told)


def _wrong(table: str, number: Any, column: str, value: Any, told: str) -> ValueError:
    return ValueError(f"table {table}, row {number}: {column} {value!r:.60} is not {told}")


def _check_structure(connection: sqlite3.Connection, schema: str) -> None:
    made = sqlite3.connect(":memory:")
    try:
        made.executescript(schema)
        for kind, name in made.execute("SELECT type, name FROM sqlite_master WHERE type != 'index'").fetchall():
            here, there = (_columns(one, name) for one in (connection, made))
            if lost := [column for column in there if column not in here]:
                raise ValueError(f"{kind} {name} lacks {', '.join(lost)}" if here else f"it has no {kind} {name}")
    finally:
        made.close()


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _texts(value: Any, count: int | None = None) -> bool:
    is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return is_list and count in (None, len(value))


Fault = tuple[Any, str, Any, str]
"""Row, column, value, and what it is not."""


def _of_samples(connection: sqlite3.Connection, facts: Mapping[str, Any]) -> Iterator[Fault]:
    images = {number for (number,) in connection.execute("SELECT number FROM images")}

    def is_shown(value: Any) -> bool:
        texts = value if isinstance(value, list) and len(value) == len(facts["models"]) else [None]
        return all(
            isinstance(text, dict)
            and text.keys() == {"answer", "reasoning"}
            and all(part is None or isinstance(part, str) for part in text.values())
            for text in texts
        )

    columns: dict[str, tuple[Callable[[Any], bool], str]] = {
        "identity": (lambda value: _texts(value, 2), "data set and id"),
        "cluster": (
            lambda value: _texts(value, 3) and value[1] in ("case", "sample"),
            "data set, case or sample, and its name",
        ),
        "modality": (lambda value: isinstance(value, str), "a text"),
        "question": (lambda value: isinstance(value, str), "a text"),
        "images": (lambda value: isinstance(value, list) and all(one in images for one in value), "rows of images"),
        "shown": (is_shown, "the answer and the reasoning of each model"),
    }
    for number, *values in connection.execute(f"SELECT number, {', '.join(columns)} FROM samples"):
        for value, (column, (is_right, told)) in zip(values, columns.items(), strict=True):
            try:
                is_whole = is_right(json.loads(value))
            except (ValueError, TypeError, RecursionError):
                is_whole = False
            if not is_whole:
                yield number, column, value, f"{told}, as JSON"


def _of_comparisons(connection: sqlite3.Connection, facts: Mapping[str, Any]) -> Iterator[Fault]:
    for number, first, second in connection.execute("SELECT number, first, second FROM comparisons"):
        if not (_is_count(first) and _is_count(second) and first < second < len(facts["models"])):
            yield number, "first, second", (first, second), "two models, the smaller number first"


def _of_assignments(
    connection: sqlite3.Connection,
    facts: Mapping[str, Any],  # noqa: ARG001 - as of the others
) -> Iterator[Fault]:
    places: dict[int, int] = {}
    had: dict[tuple[int, int], list[int]] = {}
    columns = "number, rater, place, comparison, is_swapped, is_repeat"
    rows = connection.execute(f"SELECT {columns} FROM assignments ORDER BY rater, place")
    for number, rater, place, comparison, *sides in rows:
        expected = places.get(rater, 0)
        if place != expected:
            yield number, "place", place, f"the next of rater {rater}, {expected}"
        for column, value in zip(("is_swapped", "is_repeat"), sides, strict=True):
            if value not in (0, 1):
                yield number, column, value, "0 or 1"
        places[rater] = expected + 1
        before = had.setdefault((rater, comparison), [])
        if len(before) > 1:
            yield number, "comparison", comparison, f"another: rater {rater} has had it twice"
        elif sides[1] != len(before):
            yield number, "is_repeat", sides[1], f"whether rater {rater} has had comparison {comparison} before"
        elif before == sides[:1]:
            yield number, "is_swapped", sides[0], f"the other side than when rater {rater} had comparison {comparison}"
        before.append(sides[0])


def _of_clicks(
    connection: sqlite3.Connection,
    facts: Mapping[str, Any],  # noqa: ARG001 - as of the others
) -> Iterator[Fault]:
    for number, at, field, value in connection.execute("SELECT number, at, field, value FROM clicks"):
        if not (isinstance(at, int | float) and math.isfinite(at)):
            yield number, "at", at, "a time"
        if field == SHOWN:
            continue
        if field not in FIELDS:
            yield number, "field", field, f"one of {', '.join(FIELDS)}, {SHOWN}"
        elif (allowed := FIELDS[field]) is not None and value not in allowed:
            yield number, "value", value, f"one of {', '.join(allowed)}"
        elif not isinstance(value, str):
            yield number, "value", value, "a text"


def _of_images(
    connection: sqlite3.Connection,
    facts: Mapping[str, Any],  # noqa: ARG001 - as of the others
) -> Iterator[Fault]:
    for number, kind in connection.execute("SELECT number, typeof(png) FROM images WHERE typeof(png) != 'blob'"):
        yield number, "png", kind, "a PNG"


def _of_raters(
    connection: sqlite3.Connection,
    facts: Mapping[str, Any],  # noqa: ARG001 - as of the others
) -> Iterator[Fault]:
    numbers = connection.execute("SELECT number FROM raters ORDER BY number")
    for expected, (number,) in enumerate(numbers):
        if number != expected:
            yield number, "number", number, f"the next rater, {expected}"


_TABLES = {
    "raters": _of_raters,
    "images": _of_images,
    "samples": _of_samples,
    "comparisons": _of_comparisons,
    "assignments": _of_assignments,
    "clicks": _of_clicks,
}
