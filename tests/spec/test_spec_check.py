"""Settings that the parser would take without a word."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from medix.spec.spec_check import check, check_block
from medix.spec.spec_reading import settings


class Part:
    """A part with a class of its own."""


class Limit(Part):
    def __init__(self, top: float, name: str = "", deep: "Limit | None" = None) -> None: ...


class Data:
    def __init__(
        self,
        train: Sequence[str] = (),
        window: int = 16,
        on_long: Literal["error", "skip"] = "error",
        cache: str | None = None,
        part: Part | None = None,
        parts: Mapping[str, Limit] | None = None,
        listed: list[Part] | Part | None = None,
        make: Callable[[int], Part] = Limit,  # type: ignore[assignment]
        anything: Any = 3,
        unset: int = None,  # type: ignore[assignment]  # noqa: RUF013
    ) -> None: ...


ROOTS = {"data": Data, "judge": Part | None}
LIMIT = f"class_path: {__name__}.Limit"


def _check(tmp_path: Path, text: str, *words: str) -> None:
    (tmp_path / "spec.yaml").write_text(text)
    check(settings(["--config", str(tmp_path / "spec.yaml"), *words]), ROOTS)


@pytest.mark.parametrize(
    "text",
    [
        "data: {train: [a], window: 1, on_long: skip, cache: ~, part: null, anything: , unset: null}",
        "judge:\nunknown: {deep: null}",
        f"data: {{part: {{{LIMIT}, init_args: {{top: 1e3, deep: null}}}}}}",
        "data: {parts: {a: {top: '0.5', name: '010'}}, listed: null, train: ['010', mine.yaml]}",
        "data: {part: a.b.C, anything: absent.yaml, cache: absent.yaml}",
    ],
)
@pytest.mark.parametrize("written", ["null", "~", ""])
def test_what_a_key_takes_is_no_fault(tmp_path: Path, text: str, written: str) -> None:
    _check(tmp_path, text.replace("null", written))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data:", "line 1: data has no value; give a Data"),
        ("data:\n  train:", "line 2: data.train has no value; give a list, or leave the key out for its default"),
        ("data:\n  train: [~]", r"line 2: data.train\[0\] has no value; give a text"),
        ("data: {window: ~}", "line 1: data.window has no value; give a whole number, or leave"),
        ("data: {on_long: null}", "data.on_long has no value; give one of error, skip"),
        ("data: {make: null}", "data.make has no value"),
        (
            f"data:\n  part:\n    {LIMIT}\n    init_args:\n      top:",
            "line 5: data.part.init_args.top has no value; give a",
        ),
        (f"data: {{make: {{{LIMIT}, init_args: {{top: ~}}}}}}", "data.make.init_args.top has no value"),
        (f"data: {{listed: [{{{LIMIT}, init_args: {{top: ~}}}}]}}", r"data.listed\[0\].init_args.top has no value"),
        ("data: {parts: {a: {top: null}}}", "data.parts.a.top has no value; give a number"),
        ("data: {window: '010'}", "data.window: 010 is octal"),
        ("data: {parts: {a: {top: '1:30'}}}", "data.parts.a.top: 1:30 is a number to the base of 60"),
        ("data: {window: 1}\ndata.window: 2", "line 2: data.window: is set twice, first in line 1; keep one of them"),
        (
            "data: {part: absent.yaml}",
            r"data.part: absent.yaml: there is no file .*absent.yaml; relative paths count from ",
        ),
        ("data: {listed: [absent.yaml]}", r"data.listed\[0\]: absent.yaml: there is no file"),
    ],
)
def test_faults_are_told_with_file_line_key_and_remedy(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ValueError, match=rf"spec\.yaml, line .*{told}|spec\.yaml, {told}"):
        _check(tmp_path, text)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data.train", "null"], "command line: data.train has no value"),
        (["--data.window=~"], "command line: data.window has no value"),
        (["--data.window", "010"], "command line: data.window: 010 is octal"),
        (["--data", "{window: 1, window: 2}"], "--data {window: 1, window: 2}: the key 'window' stands twice"),
        (["--data", "{window: }"], "command line: data.window has no value"),
        (
            ["--data.part", "absent.yaml"],
            "command line: data.part: .*; relative paths count from the working directory",
        ),
    ],
)
def test_faults_of_the_command_line_are_told_with_its_key(tmp_path: Path, words: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}"):
        _check(tmp_path, "data: {window: 1}", *words)


def test_a_key_in_two_files_and_on_the_command_line_is_no_fault(tmp_path: Path) -> None:
    again = ["--config", str(tmp_path / "spec.yaml")]
    _check(tmp_path, "data: {window: 1}", *again, "--data.window", "2", "--data.window", "3", "--data.train", "[1, {")


def test_the_value_of_a_file_is_told_with_the_file_of_the_part(tmp_path: Path) -> None:
    (tmp_path / "part.yaml").write_text(f"{LIMIT}\ninit_args:\n  top:\n")
    with pytest.raises(ValueError, match=r"part\.yaml, line 3: data\.part\.init_args\.top has no value"):
        _check(tmp_path, "data: {part: part.yaml}")


def test_a_block_without_a_file_is_told_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^data\.window has no value"):
        check_block(Data, "data", {"window": None}, tmp_path)
    with pytest.raises(ValueError, match=rf"^data\.part: x\.yaml: there is no file {tmp_path}"):
        check_block(Data, "data", {"part": "x.yaml"}, tmp_path)
