"""``python -m medix eval tasks``."""

import json
from collections import Counter
from pathlib import Path

import pytest

from medix.__main__ import main as medix
from tests.support.tables import mmlu, slake


def test_tasks_are_listed_with_what_is_here_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mmlu(slake(tmp_path))
    assert medix(["eval", "tasks", "--data", str(tmp_path), "--json", str(tmp_path / "tasks.json")]) == 0
    out = capsys.readouterr().out
    assert "3 of 1,061  binary  slake/test.jsonl" in out
    assert "- medpix (as its repository states): Clone github.com/CHILab1/MedPix-2.0" in out
    assert "2 of 19 tasks are here." in out
    listed = json.loads((tmp_path / "tasks.json").read_text())
    assert (listed["slake_vqa"]["rows"], listed["slake_vqa"]["images"]) == (3, 2)
    assert listed["pubmedqa"]["data"]["fixed_choices"] == ["yes", "no", "maybe"]


def test_a_task_whose_file_has_a_bad_cell_is_here_and_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = "{local: [mine.csv], columns: {question: q, answer: a, subgroup: {age: y}}, bands: {age: [18, 65]}}"
    (tmp_path / "mine.yaml").write_text(f"about: x\nscoring: binary\ncluster: item\nlicence: internal\ndata: {data}\n")
    (tmp_path / "mine.csv").write_text("q,a,y\nWhich?,left,89+\n")
    words = ["eval", "tasks", "--tasks", str(tmp_path / "mine.yaml"), "--data", str(tmp_path)]
    assert medix([*words, "--json", str(tmp_path / "tasks.json")]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "mine.csv (cannot be read)" in out
    assert "not here" not in out
    assert "Missing" not in out
    assert "Cannot be read: - mine: " in out
    assert "row 1: columns.subgroup.age: '89+'; data.bands needs numbers; correct it, or leave the cell empty" in out
    assert "0 of 1 tasks are here." in out
    (entry,) = json.loads((tmp_path / "tasks.json").read_text()).values()
    assert (entry["where"], entry["can_be_read"]) == ("mine.csv", False)


def test_without_a_folder_tasks_are_those_of_hubs(capsys: pytest.CaptureFixture[str]) -> None:
    assert medix(["eval", "tasks", "--tasks", "path_vqa", "medpix"]) == 0
    assert "1 of 2 tasks are on dataset hubs." in capsys.readouterr().out


def test_a_task_that_is_not_known_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert medix(["eval", "tasks", "--tasks", "slake"]) == 2
    assert capsys.readouterr().err.startswith("medix eval tasks: --tasks slake: is no task")


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_loses_nothing_of_a_name_or_a_place(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert medix(["eval", "tasks", "--tasks", "mimic_cxr_report_summarization"]) == 0
    table = capsys.readouterr().out.partition("\n\n")[0]
    shown = Counter(table)
    for mark, count in Counter("TaskRowsScoredReadfrommimic_cxr_report_summarizationrubrichub:").items():
        assert shown[mark] >= count, mark
    assert "\N{HORIZONTAL ELLIPSIS}" not in table
