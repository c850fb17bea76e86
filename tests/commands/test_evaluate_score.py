"""``medix eval score`` and ``eval report``."""

import csv
import json
import shutil
import zipfile
from pathlib import Path

import pytest

from medix.commands.evaluate import main
from medix.evaluation.folder import EvaluationFolder
from medix.evaluation.judge_errors import JudgeErrors
from medix.evaluation.judged_text import text_digest
from medix.evaluation.statistics import wilson
from tests.support.evaluations import choice, generate, item, loaded, task


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten items with rule verdicts of which six are right, one unscored, and a task of reports."""
    questions = [choice(f"c{n}", "Which?", 0, "left", "right") for n in range(4)] + [item(f"o{n}") for n in range(6)]
    generate(tmp_path, loaded(*questions, name="vqa", spec=task(group="vlm")), lambda ask: "left\u2028")
    generate(tmp_path, loaded(item("r", "Report?"), name="report", spec=task("rubric")), lambda ask: None)
    place = EvaluationFolder(tmp_path)
    with place.verdicts("vqa") as verdicts:
        for number, row in enumerate(place.generations("vqa")):
            credit = None if number == 9 else float(number < 6)
            by = "rule" if number < 4 else "judge"
            judge = "option/1" if by == "rule" else "scripted"
            reason = None if credit is not None else "no verdict"
            told = {"key": str(number), "generation": row["key"], "text": text_digest(row), "credit": credit, "by": by}
            verdicts.append({**told, "judge": judge, "reason": reason, "explanation": "", "agreement": None})
    return tmp_path


def test_scores_are_printed_and_written_in_four_forms(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "--output", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "66.7 %" in printed
    assert "1 of 10 unscored, so between 60.0% and 70.0%" in " ".join(printed.split())
    data = json.loads((folder / "table.json").read_text())
    assert set(data) >= {"model", "judge", "tasks", "macro", "micro"}
    vqa = data["tasks"]["vqa"]
    assert vqa["accuracy"] == pytest.approx(6 / 9)
    assert (vqa["items"], vqa["scored"], vqa["coverage"], vqa["clusters"]) == (10, 9, 0.9, 9)
    assert vqa["interval"] == pytest.approx([wilson(6, 9).low, wilson(6, 9).high])
    assert data["tasks"]["report"]["score"] is None
    assert data["tasks"]["report"]["unscored"] == {"no completion: scripted failure": 1}
    assert len(list(csv.DictReader((folder / "table.csv").open()))) == 4
    assert (folder / "table.md").read_text().startswith("# Evaluation of scripted")
    assert r"\begin{tabular}" in (folder / "table.tex").read_text()


def test_accuracies_are_corrected_for_the_errors_of_the_judge(folder: Path) -> None:
    errors = JudgeErrors("scripted", wilson(90, 100), wilson(90, 100))
    (folder / "errors.json").write_text(json.dumps(errors.to_dict()).replace("NaN", "null"))
    words = ["score", "--output", str(folder), "--tasks", "vqa", "--judge-errors", str(folder / "errors.json")]
    assert main(words) == 0
    data = json.loads((folder / "table.json").read_text())
    # four by rule, all right; two of five by the judge: (0.4 + 0.9 - 1) / 0.8 = 0.375
    assert data["tasks"]["vqa"]["corrected"]["estimate"] == pytest.approx((4 + 5 * 0.375) / 9)
    assert data["judge_errors"]["judge"] == "scripted"


def test_the_page_and_the_submission_hold_every_item(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--output", str(folder), "--items", "5"]) == 0
    page = (folder / "report.html").read_text()
    assert page.count("<article") == 5
    assert "5 completions of 11" in page
    (path,) = folder.glob("*_submission.zip")
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == [
            f"results/scripted/{name}" for name in ("scripted.jsonl", "scripted_eval.jsonl", "scripted_score.txt")
        ]
        rows = [json.loads(line) for line in archive.read("results/scripted/scripted_eval.jsonl").split(b"\n") if line]
    assert [row["evaluation"]["score"] for row in rows] == [None] + [1] * 6 + [0] * 3 + [None]
    assert rows[1]["id"] == "vqa_0"
    assert rows[1]["answer_idx"] == 0
    before = path.read_bytes()
    assert main(["report", "--output", str(folder), "--items", "5", "--no-images"]) == 0
    assert path.read_bytes() == before


def test_score_says_that_an_earlier_page_and_submission_are_not_of_its_numbers(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", "--output", str(folder)]) == 0
    assert "not written anew" not in capsys.readouterr().err
    assert main(["report", "--output", str(folder), "--no-images"]) == 0
    assert "not written anew" not in capsys.readouterr().err
    (path,) = folder.glob("*_submission.zip")
    assert main(["score", "--output", str(folder)]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert f"not written anew: report.html and {path.name}, which hold the results of the last report; run eval" in told
    assert f"eval report --output {folder} with the same options" in told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tasks", "nothing"], "has no completions of nothing, only of report, vqa"),
        (["--judge-errors", "absent.json"], "absent.json"),
    ],
)
def test_what_is_not_there_is_named(folder: Path, words: list[str], message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        main(["score", "--output", str(folder), *words])


def test_nothing_scored_is_status_1_and_an_empty_folder_an_error(tmp_path: Path) -> None:
    generate(tmp_path, loaded(item("1")), lambda ask: "left")
    assert main(["score", "--output", str(tmp_path)]) == 1
    with pytest.raises(ValueError, match=r"has no run\.json; run eval generate first"):
        main(["score", "--output", str(tmp_path / "empty")])


def test_completions_that_are_others_now_are_unscored_and_told_with_what_to_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four are made anew, as after an interrupted run whose file was removed: their keys are the same."""
    with EvaluationFolder(folder).generations("vqa") as rows:
        for row in list(rows)[:4]:
            rows.append(row | {"completion": "right", "answer": "right"})
    told = "without a verdict on their present text, which are unscored: 4 (4 of vqa); run eval judge --output"
    for words in (["score", "--output"], ["report", "--output"], ["show"], ["compare", str(folder)]):
        assert main([*words, str(folder)]) == 0
        assert told in capsys.readouterr().err.replace("\n", " ")
    vqa = json.loads((folder / "table.json").read_text())["tasks"]["vqa"]
    assert (vqa["scored"], vqa["accuracy"]) == (5, pytest.approx(2 / 5))
    (path,) = folder.glob("*_submission.zip")
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("results/scripted/scripted_eval.jsonl").split(b"\n")
    assert [json.loads(line)["evaluation"]["score"] for line in lines if line].count(None) == 6


def _printed(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().out.split())


def test_two_evaluations_are_compared_item_by_item(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(folder, other, dirs_exist_ok=True)
    place = EvaluationFolder(other)
    with place.verdicts("vqa") as verdicts:
        for row in list(verdicts):
            verdicts.append(row | {"credit": 1.0})
    facts = json.loads((other / "run.json").read_text())
    (other / "run.json").write_text(json.dumps(facts | {"prompt": "medix"}))
    target = other / "compared.json"
    assert main(["compare", str(folder), str(other), "--json", str(target)]) == 0
    data = json.loads(target.read_text())
    assert data["asked"] == {"prompt": ["plain", "medix"]}
    assert "not asked alike, and differences may be due to that: prompt plain and medix." in _printed(capsys)
    (vqa,) = [task for task in data["tasks"] if task["name"] == "vqa"]
    assert (vqa["first"], vqa["second"], vqa["pairs"], vqa["left_out"]) == (pytest.approx(6 / 9), 1, 9, 1)
    assert vqa["p_value"] == pytest.approx(0.25)
    assert main(["show", str(folder), "--json", str(target)]) == 0
    assert json.loads(target.read_text())["tasks"]["vqa"]["accuracy"] == pytest.approx(6 / 9)
    with pytest.raises(ValueError, match="one is a folder and one is not"):
        main(["compare", str(folder), str(folder / "run.json")])
