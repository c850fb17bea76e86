"""The first word of the command line."""

import gc
import importlib
import io
import subprocess
import sys
from types import SimpleNamespace

import pytest

from medix import __version__
from medix.__main__ import main

OURS = ("shards", "export", "eval", "judge", "doctor", "rescore", "ask", "run-card", "verify")
COMMANDS = ("fit", "validate", "test", "predict", *OURS)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    printed = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n  {command} " in printed
    assert "never for clinical decisions" in printed


def test_an_unknown_command_is_told_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trian"]) == 2
    error = capsys.readouterr().err
    assert "there is no command 'trian'" in error
    assert all(command in error for command in COMMANDS)


@pytest.mark.parametrize("command", OURS)
def test_each_command_of_ours_has_its_own_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m medix {command} ")


def test_what_a_command_imports_is_not_searched_for_garbage_then_or_later(monkeypatch: pytest.MonkeyPatch) -> None:
    was_enabled = []

    def imported(name: str) -> SimpleNamespace:
        was_enabled.append(gc.isenabled())
        return SimpleNamespace(main=lambda words: [name, words] != ["medix.commands.judge", ["ask"]])

    monkeypatch.delitem(sys.modules, "medix.commands.judge", raising=False)
    monkeypatch.setattr(importlib, "import_module", imported)
    before = gc.get_freeze_count()
    assert main(["judge", "ask"]) == 0
    assert was_enabled[0] is False
    assert gc.isenabled()
    assert gc.get_freeze_count() > before


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"medix {__version__}\n"


def test_the_exit_status_reaches_the_shell() -> None:
    ended = subprocess.run([sys.executable, "-m", "medix", "trian"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


def test_output_reaches_a_pipe_line_by_line_and_holds_any_character(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "ascii"))
    assert main(["--version"]) == 0
    sys.stdout.write("größer \ud83d\n")
    assert raw.getvalue().decode().endswith("größer \\ud83d\n")  # without a flush
