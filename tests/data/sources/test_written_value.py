"""Values that a text writes out: JSON, Python and numpy; neighbours are never joined."""

from typing import Any

import numpy as np
import pytest

from medix.data.sources.written_value import UnclearListError, text_list, written_out


def of_objects(*elements: Any) -> "np.ndarray[Any, Any]":
    found = np.empty(len(elements), dtype=object)
    found[:] = elements
    return found


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (of_objects("left", "left side"), ["left", "left side"]),
        (np.array(["left", "right"]), ["left", "right"]),
        (of_objects("it's", 'a "b"', "'\"\\'", "[x, y] ..."), ["it's", 'a "b"', "'\"\\'", "[x, y] ..."]),
        (of_objects("x" * 60, "two\nlines", "z" * 60), ["x" * 60, "two\nlines", "z" * 60]),
        (of_objects(b"\x89'\"", b"\\ b'"), [b"\x89'\"", b"\\ b'"]),
        (of_objects({"bytes": b"x", "path": None}, {"bytes": b"y", "path": "a"}),
         [{"bytes": b"x", "path": None}, {"bytes": b"y", "path": "a"}]),
        (of_objects(of_objects("a", "b"), of_objects("c")), [["a", "b"], ["c"]]),
        (of_objects("x", None), ["x", None]),
        (of_objects("nan", float("nan"), 5), ["nan", None, 5]),
        (["x", np.float64("nan")], ["x", None]),
        ("['NA' <NA>]", ["NA", None]),
        ("['x', null, NA]", ["x", None, None]),
        (np.array([["a", "b"], ["c", "d"]]), [["a", "b"], ["c", "d"]]),
        (np.array([1, 2, 10]), [1, 2, 10]),
        (np.array([1, 0.25]), [1.0, 0.25]),
        (of_objects(), []),
        ([np.str_("a"), np.str_("b c")], ["a", "b c"]),
        ({"A": of_objects("x", "y")}, {"A": ["x", "y"]}),
        (["x", ("y",), {"z": -1}], ["x", ("y",), {"z": -1}]),
    ],
)  # fmt: skip
def test_a_value_is_read_as_it_was_written(written: Any, value: Any) -> None:
    assert written_out(str(written)) == value


@pytest.mark.parametrize("text", ['["a", null]', " [true] ", '"x"'])
def test_json_is_read(text: str) -> None:
    assert written_out(text) == {'["a", null]': ["a", None], " [true] ": [True], '"x"': "x"}[text]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (str(np.array(["a"] * 2000)), r"numpy has left elements out of it \(\.\.\.\); write the list as JSON"),
        ("[1, ..., 3]", "left elements out"),
        ("['a' 'b', 'c']", "it has no comma between some of its elements; write the list as JSON, or give a Parquet"),
        ("['a', 'b' 'c']", "no comma between some"),
        ("[['a' 'b', 'c']]", "no comma between some"),
        ("{'x' 'y'}", "no comma between some"),
        ("['x', ('a' 'b')]", "no comma between some"),
    ],
)
def test_a_list_whose_elements_are_not_known_is_refused(text: str, told: str) -> None:
    with pytest.raises(UnclearListError, match=told):
        written_out(text)


@pytest.mark.parametrize(
    "text",
    ["", "[x, y", "['a'", "[]]", ")", "[18F]FDG", "[a b]", "b'a' b'b'", "'a', 'b'", "{'A': 'x' 'y'}",
     "[a(1)]", "[" * 9**5, "[" * 9**5 + "]" * 9**5],
)  # fmt: skip
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(ValueError, match="is neither JSON nor a list") as caught:
        written_out(text)
    assert not isinstance(caught.value, UnclearListError)


def test_lists_with_a_text_or_of_nothing_are_lists_and_anything_else_is_itself() -> None:
    assert text_list("['left'\n 'left side']") == ["left", "left side"]
    assert text_list("[5 'five' nan]") == [5, "five", None]
    assert text_list('["a", null]') == ["a", None]
    assert [text_list(value) for value in ("[]", "[nan]", "[None, NA]")] == [[], [None], [None, None]]
    for value in (
        "[1, 2]",
        "[nan 2.5]",
        "[0.1 0.2]",
        "[1 2, 3]",
        "[1 ... 9]",
        "[[1]]",
        "[18F]FDG",
        "'a' 'b'",
        3,
        None,
        "[…]",
    ):
        assert text_list(value) == [value]
    with pytest.raises(UnclearListError):
        text_list("['a' 'b', 'c']")


def test_lists_of_numbers_are_lists_where_they_are_no_boxes() -> None:
    assert [text_list(value, True) for value in ("[2]", "[2 3.5]", "[nan, 2]")] == [[2], [2, 3.5], [None, 2]]
    assert [text_list(value, True) for value in ("[[1, 2]]", "[18F]FDG")] == [["[[1, 2]]"], ["[18F]FDG"]]
    with pytest.raises(UnclearListError):
        text_list("[1 2, 3]", True)
