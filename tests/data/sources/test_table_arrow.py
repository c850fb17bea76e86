"""Rows, and names of files in Arrow columns, whatever their type."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from medix.data.sources.table_arrow import columns_with, names_in, rows_in

OBJECTS = [{"bytes": b"x", "path": "a"}, {"bytes": None, "path": "b"}, None]


@pytest.mark.parametrize(
    ("column", "values", "names"),
    [
        ("image", ["a", None], ["a"]),
        ("image", [["a", "b"], None, []], ["a", "b"]),
        ("image", OBJECTS, ["a", "b"]),
        ("image", [OBJECTS, None], ["a", "b"]),
        ("image", [b"encoded", None], []),
        ("image", [{"bytes": b"encoded"}], []),
        ("scan.image", [{"image": "a"}, {"image": "b"}], ["a", "b"]),
        ("scan.image", [{"image": OBJECTS}, None], ["a", "b"]),
        ("scan.other", [{"image": "a"}], []),
        ("absent", ["a"], []),
    ],
)
def test_names_are_found_in_texts_lists_and_objects(column: str, values: list[Any], names: list[str]) -> None:
    stored = column.partition(".")[0] if column != "absent" else "image"
    table = pa.table({stored: values})
    assert list(names_in(table, column)) == names
    assert [name for batch in table.to_batches(1) for name in names_in(batch, column)] == names


def test_columns_are_found_by_their_names_and_those_of_their_fields() -> None:
    assert columns_with(["a", "a.b", "c", "d"], ["a.b", "c.x.y", "e"]) == ["a", "a.b", "c"]


def test_rows_have_the_names_of_labels_beside_columns_as_they_are() -> None:
    label = {"_type": "ClassLabel", "names": ["no", "yes"]}
    table = pa.table({"found": [[1], None], "meta": [{"label": 0}, {"label": None}], "text": ["a", "b"]})
    features = {"found": {"_type": "List", "feature": label}, "meta": {"label": label}, "absent": label}
    first, second = rows_in(table, features)
    assert (first["found"][0].name, first["meta"]["label"].name, first["text"]) == ("yes", "no", "a")
    assert second == {"found": None, "meta": {"label": None}, "text": "b"}


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()])
def test_floats_of_any_precision_are_those_of_their_shortest_text(kind: Any) -> None:
    """A reference of 0.1 was 0.10000000149011612 where a column has 32 bits."""
    numbers = [np.dtype(kind.to_pandas_dtype()).type(number) for number in (0.1, 36.6, -2.0, 1e-5)]
    listed = [numbers, None, [None]]
    table = pa.table({
        "plain": pa.array(numbers[:3], kind),
        "listed": pa.array(listed, pa.list_(kind)),
        "nested": pa.array([{"a": [{"b": one}], "c": "x"} for one in numbers[:2]] + [None],
                           pa.struct([("a", pa.large_list(pa.struct([("b", kind)]))), ("c", pa.string())])),
    })  # fmt: skip
    found = [*rows_in(table, {})]
    assert [repr(row["plain"]) for row in found] == ["0.1", "36.6", "-2.0"]
    assert [row["listed"] for row in found] == [[0.1, 36.6, -2.0, 1e-5], None, [None]]
    assert [row["nested"] for row in found] == [{"a": [{"b": one}], "c": "x"} for one in (0.1, 36.6)] + [None]


def test_values_that_are_no_number_and_long_lists_stay() -> None:
    kinds = pa.schema([("a", pa.float32()), ("long", pa.list_(pa.float32())), ("image", pa.binary())])
    table = pa.table({"a": [None, float("inf")], "long": [[0.1] * 1000, []], "image": [b"x", None]}, kinds)
    assert [*rows_in(table, {})] == table.to_pylist()


def test_json_is_the_value_that_it_writes_and_a_text_that_could_be_json_stays_one() -> None:
    written = ['"left\\/right"', "2", "2.5", "true", '["x", 1]', '{"a": null}', None, "007", "1.50", "null", "NaN", "x"]
    values = ["left/right", 2, 2.5, True, ["x", 1], {"a": None}, None, "007", "1.50", "null", "NaN", "x"]
    cells = pa.array(written, pa.json_())
    lists = pa.ListArray.from_arrays([*range(len(written) + 1)], cells)
    table = pa.table({"a": cells, "list": lists, "object": pa.StructArray.from_arrays([cells], ["b"])})
    found = [*rows_in(table, {})]
    assert [row["a"] for row in found] == values
    assert [row["list"] for row in found] == [[value] for value in values]
    assert [row["object"] for row in found] == [{"b": value} for value in values]
    assert all(type(row["a"]) is type(value) for row, value in zip(found, values, strict=True))


def test_long_lists_of_json_are_read_too() -> None:
    table = pa.table({"a": pa.ListArray.from_arrays([0, 1000], pa.array(['"x"'] * 1000, pa.json_()))})
    assert [*rows_in(table, {})] == [{"a": ["x"] * 1000}]


def test_names_in_json_are_found_at_any_depth() -> None:
    cells = ['"a"', '["b", {"path": "c", "other": "d"}]', "2", None, '{"path": null}']
    table = pa.table({"image": pa.array(cells, pa.json_()), "scan": pa.array(['{"image": "e"}'] * 5, pa.json_())})
    assert list(names_in(table, "image")) == ["a", "b", "c"]
    assert set(names_in(table, "scan.image")) == {"e"}
