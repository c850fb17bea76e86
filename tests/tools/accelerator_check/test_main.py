"""The command: shares of the time, the file after every part, the table, the exit status."""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.accelerator_check import __main__ as command
from tools.accelerator_check import process
from tools.accelerator_check.part import Part, Row


def test_every_part_is_a_class_and_gives_its_cases(tmp_path: Path) -> None:
    for class_path, share in command.PARTS.values():
        module, _, name = class_path.rpartition(".")
        made = getattr(importlib.import_module(module), name)(tmp_path, True)
        assert isinstance(made, Part)
        cases = [case for case, _ in made.cases()]
        assert cases
        assert len(set(cases)) == len(cases)
        assert share > 0


def row_of(name: str) -> Row:
    return Row(name, "case", "proven", 1.0, {"rate": 12.3456})


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, float]:
    """Parts that end at once; what they may take, by name."""
    found: dict[str, float] = {}

    def rows(name: str, class_path: str, folder: Path, seconds: float, tiny: bool) -> list[Row]:
        found[name] = seconds
        if len(found) > 1:
            assert len(json.loads((tmp_path / "found.json").read_text())["rows"]) == len(found) - 1
        return [row_of(name)]

    monkeypatch.setattr(process, "rows", rows)
    return found


def test_what_a_part_leaves_goes_to_those_behind_it(limits: dict[str, float], tmp_path: Path) -> None:
    parts = {"a": ("A", 1), "b": ("B", 1), "c": ("C", 2)}
    rows = command.check(parts, 400.0, True, tmp_path, tmp_path / "found.json")
    assert limits == pytest.approx({"a": 100, "b": 400 / 3, "c": 400}, rel=0.05)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["rows"] == rows
    assert found["packages"]["torch"]


def test_without_time_a_part_says_so(limits: dict[str, float], tmp_path: Path) -> None:
    (row,) = command.check({"a": ("A", 1)}, 0.5, True, tmp_path, tmp_path / "found.json")
    assert (row["outcome"], row["message"]) == ("absent", "no time was left; give more --minutes")
    assert not limits


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Row], int]:
    """The command with one part whose row is given."""

    def running(row: Row) -> int:
        monkeypatch.setattr(process, "rows", lambda *given: [row])
        words = ["accelerator_check", "--json", str(tmp_path / "found.json"), "--only", "machine"]
        monkeypatch.setattr(sys, "argv", words)
        return command.main()

    return running


def test_the_table_and_the_exit_status(run: Callable[[Row], int], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(row_of("machine")) == 0
    said = capsys.readouterr().out
    assert "machine: case  proven     1.0 s  rate 12.3" in said
    assert "1 proven, 0 failed, 0 not tried" in said
    assert run(Row("machine", "case", "failed", message="out of memory\nin line 3")) == 1
    assert "\nmachine: case failed\nout of memory\nin line 3\n" in capsys.readouterr().out
    assert run(Row("machine", "", "absent", message="No module named 'torch'")) == 2


def test_packages_that_are_absent_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "OPTIONAL", ("no-such-package",))
    assert command.packages()["no-such-package"] is None
    command.show([command.asdict(row_of("machine"))])
    assert "Not installed: no-such-package. python -m pip install no-such-package" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name the file"),
        (("--json", "no/such/folder/f"), "does not exist"),
        (("--json", "f", "--minutes", "0"), "more"),
    ],
)
def test_mistakes_in_the_arguments(
    words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["accelerator_check", *words])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert said in capsys.readouterr().err
