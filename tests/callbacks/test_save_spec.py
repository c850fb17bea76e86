"""What is kept of a spec; tests/test_cli.py has whole runs."""

from pathlib import Path

import pytest

from medix.callbacks.save_spec import _differences, step_of


def test_the_step_is_read_from_the_name() -> None:
    assert step_of(Path("run/checkpoints/step-000012.ckpt")) == 12
    assert step_of(None) == 0


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ({"a": 1, "b": {"c": [1]}}, {"b": {"c": [1]}, "a": 1}, set()),
        ({"a": 1}, {"a": 2}, {"a"}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "d": 2}}, {"a.c", "a.d"}),
        ({"a": {"b": 1}}, {"a": None}, {"a"}),
    ],
)
def test_keys_that_differ_are_named_in_full(old: dict[str, object], new: dict[str, object], keys: set[str]) -> None:
    assert _differences(old, new) == keys
