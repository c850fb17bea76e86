"""The scorers inside a real evaluation of inspect_ai, with its mock model."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog
    from inspect_ai.model import ModelOutput

SAMPLES = [
    ("<CT_SCAN><think>x</think><answer>left</answer>", "left"),
    ("<CT_SCAN><think>x</think><answer>sinister</answer>", ["left", "sinister"]),
    ("<CT_SCAN><think>x</think><answer>right</answer>", "left"),
    ("<CT_SCAN><think>x</think><answer>unreadable</answer>", "left"),
    ("<CT_SCAN><think>cut", "left"),
]


@pytest.fixture(scope="module")
def scorers() -> ModuleType:
    """Imported when the first test runs: inspect_ai takes seconds that every worker would wait when it collects."""
    from medix.evaluation.adapters import inspect_scorers

    return inspect_scorers


def _output(text: str) -> "ModelOutput":
    from inspect_ai.model import ModelOutput, ModelUsage

    output = ModelOutput.from_content("mockllm/model", text)
    output.usage = ModelUsage()  # else the mock counts tokens with a tokenizer from the network
    return output


def _run(
    folder: Path, scorer: Any, outputs: Sequence[tuple[str, Any]] = SAMPLES, modality: str = "CT_SCAN"
) -> "EvalLog":
    import inspect_ai
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model

    model = get_model("mockllm/model", custom_outputs=[_output(text) for text, _ in outputs])
    dataset = [
        Sample(id=f"{n}", input="Which side?", target=target, metadata={"modality": modality, "case": f"c{n}"})
        for n, (_, target) in enumerate(outputs)
    ]
    task = inspect_ai.Task(dataset=dataset, scorer=scorer)
    (log,) = inspect_ai.eval(task, model=model, log_dir=str(folder / "logs"), display="none", max_samples=1)
    return log


def test_a_judge_scores_and_leaves_unscored(tmp_path: Path, scorers: ModuleType) -> None:
    from inspect_ai.log import read_eval_log

    judge = tmp_path / "judge.yaml"
    replies = {"left": "YES", "sinister": "YES", "right": "NO", "unreadable": "perhaps"}
    judge.write_text(
        json.dumps({"class_path": "medix.judge.ScriptedJudge", "init_args": {"default": "NO", "replies": replies}})
    )
    log = _run(tmp_path, scorers.medix_judge(str(judge)))
    assert log.status == "success", log.error
    assert log.results is not None
    (found,) = log.results.scores
    assert (found.scored_samples, found.unscored_samples) == (4, 1)
    assert found.metrics["accuracy"].value == 0.5
    again = read_eval_log(log.location)  # what the viewer shows
    assert again.samples is not None
    scores = [sample.scores["medix_judge"] for sample in again.samples if sample.scores]
    assert [score.answer for score in scores] == ["left", "sinister", "right", "unreadable", None]
    assert math.isnan(scores[3].as_float())
    assert "no verdict" in (scores[3].explanation or "")
    assert scores[4].explanation == "the completion has no answer"
    assert (scores[0].metadata or {})["tag"] == "CT_SCAN"


def test_a_suite_scores_every_component(tmp_path: Path, scorers: ModuleType) -> None:
    suite = tmp_path / "rewards.yaml"
    judge = {"class_path": "medix.judge.ScriptedJudge", "init_args": {"replies": {"right": "NO", "unreadable": None}}}
    entries = {"format": ("FormatReward", {}, 0.5), "judge": ("JudgeReward", {"judge": judge}, 0.5)}
    suite.write_text(
        json.dumps(
            {
                "components": {
                    name: {"reward": {"class_path": f"medix.rewards.{kind}", "init_args": given}, "weight": weight}
                    for name, (kind, given, weight) in entries.items()
                }
            }
        )
    )
    log = _run(tmp_path, scorers.medix_rewards(str(suite)))
    assert log.status == "success", log.error
    assert log.results is not None
    metrics = {found.name: found for found in log.results.scores}
    assert set(metrics) == {"total", "format", "judge"}
    assert metrics["total"].metrics["mean"].value == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert metrics["judge"].metrics["mean"].value == pytest.approx(2 / 4)
    assert metrics["total"].unscored_samples == 1


@pytest.mark.parametrize("seed", [None, 7])
def test_the_letter_of_a_choice_stands_for_its_text(tmp_path: Path, scorers: ModuleType, seed: int | None) -> None:
    """Also where inspect_ai shuffled the choices: it leaves them so, and letters are those of the sample."""
    from random import Random

    import inspect_ai
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model
    from inspect_ai.solver import multiple_choice

    # with this seed the choices of the second and the fourth sample, answered by their text, are the other way round
    outputs = ["ANSWER: B", "liver", "ANSWER: A", "stomach"]
    task = inspect_ai.Task(
        dataset=[Sample(input="Which organ?", choices=["stomach", "liver"], target="B") for _ in outputs],
        solver=multiple_choice() if seed is None else multiple_choice(shuffle=Random(seed)),
        scorer=scorers.medix_judge("judge_exact"),
    )
    model = get_model("mockllm/model", custom_outputs=[_output(text) for text in outputs])
    (log,) = inspect_ai.eval(task, model=model, log_dir=str(tmp_path), display="none", max_samples=1)
    assert log.status == "success", log.error
    assert log.samples is not None
    assert [sample.scores["medix_judge"].value for sample in log.samples if sample.scores] == [1.0, 1.0, 0.0, 0.0]


BLOOD = ["AB", "A", "B", "O"]
CLOSED = ["yes", "no", "maybe"]
MANY = [f"organ {place}" for place in range(28)]


@pytest.mark.parametrize(
    ("choices", "target", "values"),
    [
        (BLOOD, "B", {"ANSWER: A": 0.0, "ANSWER: B": 1.0}),  # "ANSWER: A" is group AB, though the right one reads "A"
        (BLOOD, "AB", {"ANSWER: A": 1.0, "ANSWER: B": 0.0, "AB": 1.0}),
        (["Stomach", "Liver"], "Liver", {"ANSWER: B": 1.0, "ANSWER: A": 0.0, "liver": 1.0, "B. Liver": 1.0}),
        (["Stomach", "Liver"], ["spleen", "Liver"], {"ANSWER: B": 1.0}),
        (["gland", "cyst", "gland"], "gland", {"ANSWER: A": 0.0, "gland": 1.0}),
        (CLOSED, "A", {"Y": 1.0, "n": 0.0, "ANSWER: A": 1.0, "yes": 1.0}),
        (MANY, "1", {"ANSWER: 1": 1.0, "ANSWER: 2": 0.0, "organ 26": 1.0}),  # inspect_ai counts on behind Z
        (None, "yes", {"Y": 1.0, "n": 0.0, "Yes.": 1.0, "T": 0.0}),
        (None, "left", {"Y": 0.0, "l": 0.0}),
    ],
)
def test_letters_of_choices_and_initials_of_words(
    tmp_path: Path, scorers: ModuleType, choices: list[str] | None, target: str | list[str], values: dict[str, float]
) -> None:
    import inspect_ai
    from inspect_ai.dataset import Sample
    from inspect_ai.model import get_model
    from inspect_ai.solver import generate, multiple_choice

    task = inspect_ai.Task(
        dataset=[Sample(input="Is it?", choices=choices, target=target) for _ in values],
        solver=multiple_choice() if choices else generate(),
        scorer=scorers.medix_judge("judge_exact"),
    )
    model = get_model("mockllm/model", custom_outputs=[_output(text) for text in values])
    (log,) = inspect_ai.eval(task, model=model, log_dir=str(tmp_path), display="none", max_samples=1)
    assert log.samples is not None
    found = [sample.scores["medix_judge"].value for sample in log.samples if sample.scores]
    assert dict(zip(values, found, strict=True)) == values


@pytest.mark.parametrize(
    ("target", "modality", "named"), [("left", "PHOTO", "PHOTO"), ("<CT_SCAN>\nleft", "CT_SCAN", "tag")]
)
def test_what_a_sample_cannot_be_graded_by_is_an_error_that_names_it(
    tmp_path: Path, scorers: ModuleType, target: str, modality: str, named: str
) -> None:
    """An unknown modality, and a target of the public data with its tag, which no answer would equal."""
    log = _run(tmp_path, scorers.medix_judge("judge_exact"), [(SAMPLES[0][0], target)], modality)
    assert log.status == "error"
    assert log.error is not None
    assert named in log.error.message


def test_a_judge_that_is_none_is_named(scorers: ModuleType) -> None:
    with pytest.raises((ValueError, OSError), match="nobody"):
        scorers.medix_judge("nobody")
