"""Scores of a folder."""

from pathlib import Path

import pytest

from medix.evaluation.folder import EvaluationFolder
from medix.evaluation.folder_score import FolderScore
from medix.evaluation.judge_errors import JudgeErrors
from medix.evaluation.statistics import wilson
from medix.evaluation.tasks.spec import Task
from medix.evaluation.training_references import COLUMN, TrainingReferences
from medix.evaluation.verdicts import Judging
from medix.judge.exact import ExactJudge
from tests.support.evaluations import generate, item, loaded, task


@pytest.fixture
def folder(tmp_path: Path) -> EvaluationFolder:
    generate(tmp_path, loaded(*(item(f"{n}") for n in range(4)), name="a"), lambda ask: "left")
    generate(tmp_path, loaded(item("1"), name="b"), lambda ask: "right")
    place = EvaluationFolder(tmp_path)
    for name in place.tasks:
        Judging(place, ExactJudge()).run(name)
    return place


def test_every_task_of_the_folder_is_scored_and_the_model_is_named(folder: EvaluationFolder) -> None:
    found = FolderScore.of(folder)
    assert {task.name: task.whole.credit.estimate for task in found.score.tasks} == {"a": 1.0, "b": 0.0}
    assert found.score.model["name"] == "scripted"
    assert found.score.model["prompt"] == "plain"
    assert set(found.tasks) == {"a", "b"}


def test_only_wanted_tasks_are_scored_once_and_absent_ones_named(folder: EvaluationFolder) -> None:
    assert [task.name for task in FolderScore.of(folder, ["b", "b"]).score.tasks] == ["b"]
    with pytest.raises(ValueError, match="has no completions of c, only of a, b"):
        FolderScore.of(folder, ["c"])


def test_the_occurrence_of_references_in_training_is_a_subgroup(folder: EvaluationFolder) -> None:
    found = FolderScore.of(folder, training=TrainingReferences(["left"] * 12))
    assert {one.subgroup[COLUMN] for one in found.completions["a"]} == {"10 to 99 times"}


@pytest.mark.parametrize("spec", [task("rubric"), task(rules=[])])
def test_verdicts_under_another_scoring_or_other_rules_are_not_those_of_the_task(
    folder: EvaluationFolder, spec: Task
) -> None:
    """A right answer would else be a grade of 5."""
    generate(folder.path, loaded(*(item(f"{n}") for n in range(4)), name="a", spec=spec), lambda ask: "left")
    (found,) = FolderScore.of(folder, ["a"]).score.tasks
    assert (found.whole.completions, found.whole.scored) == (4, 0)
    ((reason, count),) = found.reasons.items()
    assert "before the scoring or the rules of the task changed" in reason
    assert count == 4


def test_a_task_that_rules_decided_is_no_reason_to_correct_no_other(folder: EvaluationFolder) -> None:
    """Here rules decide a; b and grades are the judge's. Without b nothing is left to correct."""
    generate(folder.path, loaded(item("1"), name="c", spec=task("rubric")), lambda ask: "left")
    Judging(folder, None).run("c")
    errors = JudgeErrors("exact/4", wilson(9, 10), wilson(9, 10))
    found = FolderScore.of(folder, errors=errors).score
    assert [None if one.corrected is None else one.corrected.estimate for one in found.tasks] == [1.0, 0.0, None]
    assert "are no accuracies and are not corrected and are in no mean." in " ".join(found.notes)
    with pytest.raises(ValueError, match=r"no accuracy has a verdict of exact/4.*rules decide.*leave --judge-errors"):
        FolderScore.of(folder, ["a", "c"], errors)
