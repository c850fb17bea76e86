"""``python -m medix run-card`` on small folders; what a card says is in ``tests/studies``."""

import json
from pathlib import Path

import pytest

from medix.__main__ import main as medix


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text("seed_everything: 7\n")
    return tmp_path


def test_a_card_is_written_and_its_files_are_checked(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert medix(["run-card", str(run)]) == 0
    told = capsys.readouterr().out
    assert "wrote " in told
    assert "missing: No checkpoint" in told
    assert json.loads((run / "run-card.json").read_text())["facts"]["Seed, seed_everything"] == "7"
    assert (run / "run-card.md").read_text().startswith("# Run card: ")
    assert medix(["run-card", str(run), "--check"]) == 0
    assert capsys.readouterr().out == "1 of 1 files are as the card says\n"
    (run / "spec.yaml").write_text("seed_everything: 8\n")
    assert medix(["run-card", str(run), "--check"]) == 1
    assert "spec.yaml: has changed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("card", "told"),
    [
        (None, "run-card.json: is not there; write it with"),
        ("[]", "is not what medix run-card writes"),
        ('{"files": [{"na', "run-card.json: is not what medix run-card writes"),
        ('{"files": 3}', "is no run card"),
    ],
)
def test_a_check_needs_a_card(run: Path, card: str | None, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    if card is not None:
        (run / "run-card.json").write_text(card)
    assert medix(["run-card", str(run), "--check"]) == 2
    assert told in capsys.readouterr().err


def test_another_folder_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert medix(["run-card", str(tmp_path)]) == 2
    assert "holds no spec.yaml; give the folder of a run" in capsys.readouterr().err
