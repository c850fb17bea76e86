"""``python -m medix eval all``."""

import json
from pathlib import Path
from typing import Any

import pytest

from medix.__main__ import main as medix
from tests.support.judges import says, serving
from tests.support.tables import mmlu, slake


def test_all_phases_follow_each_other_for_shipped_tasks_and_ones_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mmlu(slake(tmp_path))
    (tmp_path / "mine.csv").write_text("q,a\nIs it?,no\n")
    (tmp_path / "mine.yaml").write_text(
        "about: mine\ndata: {columns: {question: q, answer: a}}\nscoring: binary\ncluster: item\nlicence: none\n"
    )
    words = ["--tasks", "mmlu_anatomy", str(tmp_path / "mine.yaml"), "--data", str(tmp_path), "--model", "m",
             "--output", str(tmp_path / "out"), "--judge", "judge_exact"]  # fmt: skip
    with serving(says("B")) as server:
        assert medix(["eval", "all", *words, "--base-url", server.url]) == 0
    out = capsys.readouterr().out
    assert "mmlu_anatomy: 3 verdicts by rule, 0 by the judge" in out
    assert "mine: 0 verdicts by rule, 1 by the judge" in out
    assert (tmp_path / "out" / "mine" / "verdicts.jsonl").is_file()


def test_tasks_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert medix(["eval", "all", "--model", "m", "--output", "out"]) == 2
    assert "--tasks: name the tasks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--judge", "judge_srved"], "there is no spec 'judge_srved'"),
        (["--judge", "judge_exact"], "cannot be asked with the prompt report-rubric"),
        (["--votes", "0"], "--votes 0: give 1 or more"),
        (["--items", "0"], "--items 0: give 1 or more"),
        (["--training", "none.yaml"], "none.yaml: the manifest cannot be opened"),
        (["--judge-errors", "none.json"], "none.json: No such file"),
    ],
)
def test_an_argument_of_a_later_phase_that_is_wrong_is_an_error_before_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("about: m\ndata: {columns: {question: q, answer: a}}\nscoring: rubric\ncluster: item\nlicence: n\n")
    out = ["--output", str(tmp_path / "out"), "--model", "m", "--base-url", "http://127.0.0.1:9/v1"]
    assert medix(["eval", "all", "--tasks", str(mine), *out, *words]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


ASKED = "and right and wrong answers are judged by"


@pytest.mark.parametrize(
    ("errors", "words", "told"),
    [
        ({"judge": "other/1"}, ["--judge", "judge_exact"], f"are those of other/1, {ASKED} exact/4"),
        ({"judge": "exact/4"}, [], f"are those of exact/4, {ASKED} rules alone"),
        ({"specificity": {"estimate": 0.1}}, ["--judge", "judge_exact"], "sum to at most 1"),
        ({"sensitivity": {"estimate": None}}, ["--judge", "judge_exact"], "are not known"),
    ],
)
def test_errors_that_correct_nothing_are_told_before_anything_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], errors: dict[str, Any], words: list[str], told: str
) -> None:
    share = {"low": 0.8, "high": 0.95, "count": 100, "clusters": 100, "method": "w"}
    rates = {name: {"estimate": 0.9, **errors.get(name, {}), **share} for name in ("sensitivity", "specificity")}
    (tmp_path / "errors.json").write_text(json.dumps({"judge": "exact/4", **errors, **rates}))
    mine = tmp_path / "mine.yaml"
    mine.write_text("about: m\ndata: {columns: {question: q, answer: a}}\nscoring: binary\ncluster: item\nlicence: n\n")
    out = ["--output", str(tmp_path / "out"), "--model", "m", "--base-url", "http://127.0.0.1:9/v1"]
    words = [*words, "--judge-errors", str(tmp_path / "errors.json")]
    assert medix(["eval", "all", "--tasks", str(mine), *out, *words]) == 2
    assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
