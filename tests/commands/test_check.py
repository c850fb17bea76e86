"""``python -m medix check``."""

import json
from pathlib import Path

import pytest

from medix.__main__ import main
from tests.audit.test_answers import GOOD


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """One answer in order, and one with another tag and Hounsfield units."""
    bad = GOOD.replace("<X_RAY>", "<MRI_SCAN>").replace("bright", "hyperdense \x1b[31m")
    rows = [{"id": f"{number}", "modality": "X_RAY", "completion": text} for number, text in enumerate((GOOD, bad))]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "a.jsonl"


def test_findings_are_listed_with_examples_and_written(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(answers), "--json", str(answers.parent / "found.json")]) == 1
    shown = capsys.readouterr().out
    assert "1 of 2 answers have a finding" in shown
    assert "wrong_tag, line 2 (1): MRI_SCAN, and the image is X_RAY" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert json.loads((answers.parent / "found.json").read_text())["counts"] == {"wrong_tag": 1, "foreign_terms": 1}


def test_nothing_found_is_status_0(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(answers), "--ignore", "wrong_tag", "foreign_terms"]) == 0
    assert capsys.readouterr().out == "0 of 2 answers have a finding\n"


@pytest.mark.parametrize("text", ["", "{}\n", "id,completion\n1,a\n"])
def test_a_file_without_answers_is_status_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    assert main(["check", str(tmp_path / "a.jsonl")]) == 2
    assert str(tmp_path / "a.jsonl") in capsys.readouterr().err


def test_mistakes_are_status_2(answers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(answers), "--json", str(answers)]) == 2
    assert main(["check", str(answers), "--ignore", "colour"]) == 2
    assert main(["check", str(answers.parent / "gone.jsonl")]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_the_help_names_every_kind_within_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "foreign_terms" in shown
    assert max(map(len, shown.splitlines())) <= 80
