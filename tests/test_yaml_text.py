"""YAML whose repeated keys are errors."""

import pytest
import yaml

from medix.yaml_text import read_yaml


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


def test_a_date_that_there_is_not_is_an_error_of_the_document() -> None:
    with pytest.raises(yaml.YAMLError, match="day is out of range"):
        read_yaml("source: 2026-02-30")
