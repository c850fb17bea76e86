"""``medix eval judges``: several judges on the same completions."""

import json
from pathlib import Path

import pytest

from medix.commands.evaluate import main
from medix.evaluation.folder import EvaluationFolder
from tests.support.evaluations import choice, generate, item, loaded, task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    items = [choice("c", "Which?", 0, "left", "right"), *(item(f"{n}") for n in range(9))]
    generate(tmp_path, loaded(*items, name="vqa", spec=task()), lambda ask: f"answer {ask.item.id}")
    return tmp_path


def _scripted(folder: Path, name: str, **replies: str) -> str:
    path = folder / f"{name}.yaml"
    content = {"class_path": "medix.judge.ScriptedJudge", "init_args": {"default": "YES", "replies": replies}}
    path.write_text(json.dumps(content))
    return str(path)


def test_agreement_and_the_shift_of_the_score(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One judge says YES to ten, the other NO to three of them: shift -0.3, equal 7 of 10, kappa 0."""
    lenient = _scripted(folder, "lenient")
    strict = _scripted(folder, "strict", **{f"answer {n}": "NO" for n in range(3)})
    assert main(["judges", lenient, strict, "--output", str(folder)]) == 0
    data = json.loads((folder / "judges.json").read_text())
    first, second = data["rows"]
    assert (first["shift"]["estimate"], second["shift"]["estimate"]) == (0, pytest.approx(-0.3))
    assert (second["result"]["estimate"], second["equal"], second["kappa"]) == (0.7, 0.7, 0)
    assert data["largest_shift"] == pytest.approx(0.3)
    assert "Largest shift: 0.3000" in capsys.readouterr().out
    verdicts = list(EvaluationFolder(folder).verdicts("vqa"))
    assert {row["judge"] for row in verdicts} == {data["judges"][0]}, "the folder keeps the verdicts of the first"
    assert all(row["credit"] == 1 for row in verdicts)


def test_two_names_of_one_judge_are_no_comparison(folder: Path) -> None:
    one, other = _scripted(folder, "one"), _scripted(folder, "other")
    with pytest.raises(ValueError, match="two of them are one judge"):
        main(["judges", one, other, "--output", str(folder)])
    with pytest.raises(ValueError, match="is the only judge; name two or more"):
        main(["judges", one, "--output", str(folder)])
