"""Submissions to the public leaderboard."""

import json
import zipfile
from pathlib import Path

from medix.evaluation.evaluation_score import EvaluationScore
from medix.evaluation.folder_score import FolderScore
from medix.evaluation.leaderboard import write_submission
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.task_score import TaskScore


def test_a_submission_has_the_names_and_scores_of_the_public_layout(tmp_path: Path) -> None:
    rows = {
        "vqa": [ScoredCompletion("i", k, "i", "q\ud800", ("a",), "t", "t", 1.0 - k, answer_index=2) for k in (0, 1)],
        "report": [ScoredCompletion("r", 0, "r", "q", ("a",), "t", "t", 0.6)],
    }
    specs = {"vqa": {"scoring": "binary", "cluster": "item"}, "report": {"scoring": "rubric", "cluster": "item"}}
    tasks = [TaskScore.of(name, specs[name], rows[name]) for name in rows]
    found = FolderScore(EvaluationScore.of({"name": "org/My-Model 1/"}, tasks, rows), specs, rows)
    path = write_submission(found, tmp_path)
    # the first eight digits of md5("My_Model_1_submission")
    assert path.name == "93958f10_My_Model_1_submission.zip"
    with zipfile.ZipFile(path) as archive:
        lines = archive.read("results/My_Model_1/My_Model_1_eval.jsonl").decode().splitlines()
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_DEFLATED}
        score = archive.read("results/My_Model_1/My_Model_1_score.txt").decode()
    entries = [json.loads(line) for line in lines]
    assert [(entry["id"], entry["answer_idx"], entry["evaluation"]["score"]) for entry in entries] == [
        ("vqa_0", 2, 1),
        ("report_0", None, 3.0),
    ]
    # of the rows of the submission: that of the second completion, which is wrong, is not in it
    assert score == (
        "vqa: 1 of 1 scored, accuracy 1.0000\nreport: 1 of 1 scored, score 3.0000\n"
        "Overall: accuracy 1.0000 over 1 tasks\n"
    )
    del rows["vqa"]
    path = write_submission(FolderScore(found.score, specs, rows), tmp_path)
    with zipfile.ZipFile(path) as archive:
        score = archive.read("results/My_Model_1/My_Model_1_score.txt").decode()
    assert score.endswith("\nOverall: no accuracy over 0 tasks\n")
