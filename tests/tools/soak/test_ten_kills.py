"""Ten kills of real runs: nothing lost, nothing left, bit for bit."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.soak import __main__ as command
from tools.soak.moment import Moment


def test_ten_kills_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--kills", "10", "--steps", "4", "--json", str(tmp_path / "soak.json"), "--folder", str(tmp_path / "runs")]
    monkeypatch.setattr(sys, "argv", ["soak", *words])
    status = command.main()
    result = json.loads((tmp_path / "soak.json").read_text())
    assert [fault for row in result["settings"] for fault in row["faults"]] == []
    assert status == 0
    assert [(row["engine"], row["processes"], row["kills"]) for row in result["settings"]] == [
        ("local", 1, 3), ("local", 2, 3), ("server", 1, 2), ("server", 2, 2),
    ]  # fmt: skip
    assert all(row["runs_compared"] >= 1 for row in result["settings"])
    assert "Signals by phase" in capsys.readouterr().out


def test_faults_are_told_and_end_with_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def soak(*_: object) -> dict[command.Setting, command.Outcome]:
        return {command.Setting("local", 1): command.Outcome(faults=["local, 1 process: hangs"])}

    monkeypatch.setattr(command, "soak", soak)
    monkeypatch.setattr(sys, "argv", ["soak", "--kills", "1"])
    assert command.main() == 1
    assert "local, 1 process: hangs" in capsys.readouterr().out


def test_an_interrupted_soak_keeps_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(command.Trial):
        def run(self, kills: int) -> Iterator[Moment]:
            self.outcome.kills["update SIGKILL"] += 1
            yield self.due
            raise KeyboardInterrupt

    monkeypatch.setattr(command, "Trial", Interrupted)
    monkeypatch.setattr(sys, "argv", ["soak", "--engines", "local", "--json", str(tmp_path / "soak.json")])
    with pytest.raises(KeyboardInterrupt):
        command.main()
    (row,) = json.loads((tmp_path / "soak.json").read_text())["settings"]
    assert (row["processes"], row["kills_by_moment"]) == (1, {"update SIGKILL": 1})
