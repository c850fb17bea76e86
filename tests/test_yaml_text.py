"""YAML whose repeated keys are errors."""

import math
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import get_loader

from medix.yaml_text import (
    AmbiguousYamlError,
    YamlFileError,
    read_document,
    read_yaml,
    read_yaml_file,
    read_yaml_option,
    write_yaml,
)


def test_a_document_is_plain_data() -> None:
    assert read_yaml("a: 1\nb: [x, {c: null}]\n") == {"a": 1, "b": ["x", {"c": None}]}


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "x: {a: 1, a: 1}\n", "- {a: 1, b: 2, a: 3}\n"])
def test_a_repeated_key_is_an_error_with_both_lines(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match=r"the key 'a' stands twice, first in line 1(?s:.)*line [13]"):
        read_yaml(text)


def test_merged_keys_may_be_overridden() -> None:
    assert read_yaml("base: &base {a: 1, b: 2}\nother:\n  <<: *base\n  a: 3\n")["other"] == {"a": 3, "b": 2}


def test_deep_nesting_is_an_error_of_the_document() -> None:
    with pytest.raises(yaml.YAMLError, match="nested too deeply"):
        read_yaml("[" * 20_000)


def test_a_merge_into_a_mapping_that_itself_overrides_a_merge_is_no_repeated_key() -> None:
    text = "a: &a {x: 1}\nparts:\n  b: &b\n    <<: *a\n    x: 2\nc:\n  <<: *b\n"
    assert read_yaml(text)["c"] == {"x": 2}


def test_a_date_is_a_text_and_a_wrong_explicit_one_an_error_of_the_document() -> None:
    assert read_yaml("source: 2026-02-30") == {"source": "2026-02-30"}
    with pytest.raises(yaml.YAMLError, match="day is out of range"):
        read_yaml("source: !!timestamp 2026-02-30")


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1e3", 1000.0), ("1.5e-3", 0.0015), ("1_000", 1000), ("0x1F", 31), ("0.5", 0.5), (".inf", math.inf), ("0", 0),
        ("yes", True), ("NO", False), ("on", True), ("~", None), ("null", None), ("", None), ("12e", "12e"),
        ("'010'", "010"), ('"1:30"', "1:30"),
    ],
)  # fmt: skip
def test_plain_words_have_the_meaning_that_jsonargparse_gives_them(word: str, value: object) -> None:
    assert read_yaml(f"a: {word}") == {"a": value}
    assert get_loader("yaml")(f"x: 0\na: {word}")["a"] == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: 010", "010 is octal in YAML 1.1 and decimal elsewhere"),
        ("a: -08", "-08 is octal"),
        ("a: 1:30", "1:30 is a number to the base of 60"),
        ("a: 12:30:45.5", "is a number to the base of 60"),
        ("a: .NaN", ".NaN is not a number"),
        ("a: 1e400", "1e400 is out of the range of numbers and would be read as inf"),
        ("a: !!float '1e400'", "1e400 is out of the range of numbers and would be read as inf"),
        ("a: !!float nan", "nan is not a number; give one"),
        ('a: !!float ".NaN"', ".NaN is not a number; give one"),
        ("a: !!int '010'", "010 is octal in YAML 1.1"),
        ("a: -1_0.5e+999", "would be read as -inf"),
        ("a: 2.5E-400", "2.5E-400 is out of the range of numbers and would be read as 0"),
        ("1: a", "the key 1 is no text; put it in quotes"),
        ("no: a", "the key no is no text"),
        ("? [a]\n: b", "the key that is a list or a mapping is no text"),
        ("a: &x {b: *x}", "the anchor 'x' contains itself"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x", r"the key '<<' stands twice, first in line 3; write <<: \[\*a, \*b\]"),
    ],
)
def test_what_is_read_differently_elsewhere_is_an_error(text: str, told: str) -> None:
    with pytest.raises(AmbiguousYamlError, match=told):
        read_yaml(text)


def test_the_lines_of_keys_and_elements_are_known() -> None:
    lines = read_document("a:\n  b:\n  - 1\n  - {c: 2}\nd: 3\n").lines
    assert lines == {("a",): 1, ("a", "b"): 2, ("a", "b", 0): 3, ("a", "b", 1): 4, ("a", "b", 1, "c"): 4, ("d",): 5}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"a: 1\nb: 2\na: 3\n", "a.yaml, line 3: the key 'a' stands twice, first in line 1; keep one of them"),
        (b"a: 1\n\tb: 2\n", "a.yaml, line 2: is not YAML: .*; correct the file there"),
        (b"a: 1\n---\nb: 2\n", "a.yaml, line 2: is not YAML: expected a single document in the stream"),
        (b"a: 1\nb: caf\xe9\n", "a.yaml, line 2: is not UTF-8"),
        ("a: 1".encode("utf-16"), "a.yaml, line 1: is not UTF-8 .it is UTF-16.; save the file as UTF-8"),
        (b"a: \0", "a.yaml: is not YAML"),
        (b"[" * 20_000, "a.yaml: is not YAML: it is nested too deeply"),
    ],
)
def test_a_file_is_named_with_line_and_remedy(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "a.yaml").write_bytes(data)
    with pytest.raises(YamlFileError, match=told):
        read_yaml_file(tmp_path / "a.yaml")


def test_a_file_of_an_option_is_named_with_the_option(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("yes: no\n")
    assert read_yaml_option("--columns", tmp_path / "a.yaml").content == {"yes": "no"}
    with pytest.raises(ValueError, match=r"^--columns .*b.yaml: cannot be opened \(No such file.*\); check the path$"):
        read_yaml_option("--columns", tmp_path / "b.yaml")
    (tmp_path / "a.yaml").write_text("a: 1\na: 2\n")
    with pytest.raises(ValueError, match=r"^--columns .*a.yaml, line 2: the key 'a' stands twice"):
        read_yaml_option("--columns", tmp_path / "a.yaml")


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml_file(tmp_path / "a.yaml").content == {"a": 1}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False)
        | st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))
        | st.from_regex(r"[-+]?[0-9._:eE]{1,6}|yes|NO|~|null|<<|=|\.inf|\.nan", fullmatch=True),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1:.e~ ", max_size=4), inner, max_size=3),
        max_leaves=6,
    )
)  # fmt: skip
def test_what_is_written_is_read_as_the_same(content: object) -> None:
    assert read_yaml(write_yaml({"content": content})) == {"content": content}


@pytest.mark.parametrize("text", ["\x85", "a\x85b", "\u2028", " \u2029\n", "\ufeff", "\x80", "\r\n"])
def test_every_line_break_is_read_back(text: str) -> None:
    content = {"a": text, text: ["a", text]}
    assert read_yaml(write_yaml(content)) == content


def test_aliases_of_aliases_are_refused_before_anything_goes_through_them() -> None:
    """Nine levels of nine: 387 million values in 300 bytes."""
    levels = [f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]" for before, name in pairwise("abcdefghi")]
    text = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "\n".join(levels)
    with pytest.raises(yaml.YAMLError, match="stand for more than 10,000,000 values"):
        read_yaml(text)
    assert len(read_yaml("\n".join(text.split("\n")[:4]))["d"]) == 9


@pytest.mark.parametrize(
    "text", ['a: !!bool "x"', 'a: "\\UFFFFFFFF"', "a: !!int x", "a: !!timestamp x", "a: !!float [1]"]
)
def test_a_tag_or_escape_with_an_impossible_value_is_an_error_of_the_document(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)
