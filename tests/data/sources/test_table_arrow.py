"""Rows, and names of files in Arrow columns, whatever their type."""

from typing import Any

import pyarrow as pa
import pytest

from medix.data.sources.table_arrow import names_in, rows_in

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


def test_rows_have_the_names_of_labels_beside_columns_as_they_are() -> None:
    label = {"_type": "ClassLabel", "names": ["no", "yes"]}
    table = pa.table({"found": [[1], None], "meta": [{"label": 0}, {"label": None}], "text": ["a", "b"]})
    features = {"found": {"_type": "List", "feature": label}, "meta": {"label": label}, "absent": label}
    first, second = rows_in(table, features)
    assert (first["found"][0].name, first["meta"]["label"].name, first["text"]) == ("yes", "no", "a")
    assert second == {"found": None, "meta": {"label": None}, "text": "b"}
