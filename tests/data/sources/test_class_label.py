"""Names of numbers in lists and objects, by what ``datasets`` of several versions notes of a column."""

import pickle
from typing import Any

import pytest

from medix.data.sources.class_label import Label, holds_labels, labelled

NAMES = {"_type": "ClassLabel", "names": ["no", "yes"]}
TEXT = {"_type": "Value", "dtype": "string"}


def _names(value: Any) -> Any:
    if isinstance(value, Label):
        return value.name
    if isinstance(value, list):
        return [_names(one) for one in value]
    return {key: _names(one) for key, one in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize(
    ("feature", "value", "expected"),
    [
        (NAMES, 1, "yes"),
        (NAMES, None, None),
        ({"_type": "List", "feature": NAMES}, [1, None, 0, -1], ["yes", None, "no", ""]),
        ({"_type": "Sequence", "length": -1, "feature": NAMES}, [1], ["yes"]),
        ({"_type": "LargeList", "feature": {"_type": "List", "feature": NAMES}}, [[1], None], [["yes"], None]),
        ([NAMES], [1], ["yes"]),
        ([[NAMES]], [[1]], [["yes"]]),
        ({"feature": NAMES, "names": TEXT, "_type": TEXT}, {"feature": 1, "names": "n", "_type": "t"},
         {"feature": "yes", "names": "n", "_type": "t"}),
        ({"a": {"b": NAMES, "c": TEXT}}, {"a": {"b": 0, "c": "x", "d": 1}}, {"a": {"b": "no", "c": "x", "d": 1}}),
        ([{"a": NAMES}], [{"a": 1}, None], [{"a": "yes"}, None]),
        ({"_type": "Sequence", "feature": {"a": NAMES}}, {"a": [1, 0]}, {"a": ["yes", "no"]}),
        ({"_type": "ClassLabel", "num_classes": 2}, 1, 1),
    ],
)  # fmt: skip
def test_numbers_have_names_at_any_depth(feature: Any, value: Any, expected: Any) -> None:
    assert holds_labels(feature)
    assert _names(labelled(value, feature)) == expected


@pytest.mark.parametrize("feature", [TEXT, {"_type": "Image"}, {"a": TEXT}, [TEXT], {"names": ["a"]}, None, "x", []])
def test_other_values_stay(feature: Any) -> None:
    assert not holds_labels(feature)
    for value in (1, "x", [1], {"a": 1}, None):
        assert _names(labelled(value, feature)) == value


def test_a_label_keeps_its_name_in_another_process() -> None:
    # as workers of a build send rows to each other; nothing from outside is unpickled
    found = pickle.loads(pickle.dumps(Label(1, ("no", "yes"))))
    assert (found, found.name) == (1, "yes")
