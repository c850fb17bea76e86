"""Validation during training and ``medix eval`` give the same number for the same completions."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from medix.callbacks.judged_groups import judge_groups
from medix.evaluation.folder import EvaluationFolder
from medix.evaluation.folder_score import FolderScore
from medix.evaluation.validation import Validation
from medix.evaluation.verdicts import Judging
from medix.judge.exact import ExactJudge
from medix.modality import ModalitySet
from medix.reporting.record import record_completion
from medix.types import (
    Completion,
    CompletionScores,
    FinishReason,
    Prompt,
    RolloutGroup,
    Sample,
    ScoredGroup,
)
from tests.support.evaluations import generate, item, loaded, picture, task

WRITTEN = (
    "<CT_SCAN><think>x</think><answer>left</answer>",
    "<CT_SCAN><think>x</think><answer>Left.</answer>",
    "<MRI_SCAN><think>x</think><answer>right</answer>",
    "<think>no tag</think><answer>left</answer>",
    "<CT_SCAN><think>two</think><answer>left</answer><answer>left</answer>",
    "<CT_SCAN><think>cut",
    "left",
    "",
    "<CT_SCAN><think>x</think><answer></answer>",
    "<CT_SCAN><think>\u5de6</think><answer>\u5de6</answer>",
)


def _validated(completions: Sequence[str]) -> Validation:
    records = []
    for number, text in enumerate(completions):
        sample = Sample(f"{number}", "Which side?", "left", "CT_SCAN", (b"image",), dataset="t")
        group = RolloutGroup(
            Prompt(sample, (1,), index=number), (Completion(text, (1,), (0.0,), FinishReason.STOP),), 0
        )
        scored = ScoredGroup(group, (CompletionScores(float("nan"), {}),))
        verdict = judge_groups([scored], ModalitySet(), ExactJudge())[0][0]
        records.append(record_completion(group, 0, ModalitySet(), verdict=verdict))
    return Validation.of(records, step=0, split="val", judge=ExactJudge().identity)


def test_accuracy_modality_and_format_are_one_number(tmp_path: Path) -> None:
    validation = _validated(WRITTEN)
    items = [item(f"{n}", modality="CT_SCAN", images=(picture(f"{n}", b"image"),)) for n in range(len(WRITTEN))]
    generate(tmp_path, loaded(*items, spec=task(rules=[])), lambda ask: WRITTEN[int(ask.item.id)], prompt="medix")
    folder = EvaluationFolder(tmp_path)
    Judging(folder, ExactJudge()).run("t")
    (score,) = FolderScore.of(folder).score.tasks
    assert score.whole.credit == validation.overall.accuracy
    assert score.whole.modality == validation.overall.modality_accuracy
    assert score.whole.format_valid == pytest.approx(validation.overall.well_formed)
    assert (score.whole.completions, score.whole.scored) == (len(WRITTEN), len(WRITTEN))
