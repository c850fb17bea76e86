"""JSON of servers."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.serving.json_text import RepeatedKeys, clean, field, index_of, read_json


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=10,
    )
)
def test_ordinary_json_is_read_as_ever(content: object) -> None:
    for text in (json.dumps(content), json.dumps(content, ensure_ascii=False)):
        assert read_json(text.encode("utf-8", "surrogatepass")) == json.loads(
            clean(text) if "\\u" not in text else text
        )


def test_what_is_nested_too_deeply_is_null_and_the_rest_is_kept() -> None:
    deep = "[" * 50_000 + '"]\\""' + "]" * 50_000
    read = read_json(f'{{"a": {deep}, "b": "[\\"", "c": {deep}, "d": [1]}}'.encode())
    assert (read["b"], read["d"]) == ('["', [1])
    assert read["a"] == read["c"]


def test_long_integers_are_not_a_number() -> None:
    one, other, short = read_json(f"[{'9' * 10_000}, -{'9' * 10_000}, 12]".encode())
    assert math.isnan(one)
    assert math.isnan(other)
    assert short == 12


def test_a_repeated_key_is_an_error_where_it_is_needed() -> None:
    read = read_json(b'{"a": 1, "b": 2, "a": 3}')
    assert isinstance(read, RepeatedKeys)
    assert (field(read, "b"), field(read, "c"), field(3, "a")) == (2, None, None)
    with pytest.raises(ValueError, match="a more than once"):
        field(read, "a")


def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    assert clean("a\ud800b\ud83d\ude00") == "a\ufffdb\U0001f600"


def test_the_number_of_a_choice_may_be_a_text_of_digits() -> None:
    choices = [{"index": 0}, {"index": "0"}, {"index": 12}, {"index": "12"}, {"index": None}, {}, None]
    assert [index_of(choice) for choice in choices] == [0, 0, 12, 12, None, None, None]


@pytest.mark.parametrize("index", ["", "x", "-1", -1, 0.5, True, [], "1" * 10, "\u0661", " 1", math.nan])
def test_what_is_no_number_of_a_choice_is_named(index: object) -> None:
    with pytest.raises(ValueError, match=r"index: a choice has .*; a server writes 0, 1, … or the digits"):
        index_of({"index": index})
