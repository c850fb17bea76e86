"""Every completion on record once, whatever happens."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medix.callbacks.judge_validation import JudgeValidation
from medix.callbacks.record_completions import RecordCompletions
from medix.callbacks.write_report import WriteReport
from medix.judge.base import Judge
from medix.judge.own_arguments import named
from medix.judge.prompt import JudgePrompt
from medix.modules.record import StepRecord
from medix.reporting.record import read_records
from medix.rewards import AnswerRule, JudgeReward, PublishedAnswer, RewardSuite, RubricReward, StrictAnswer, Weighted
from medix.types import JudgeQuestion, Verdict
from tests.support.fake_training import (
    CountingJudge,
    FakeData,
    FakeModule,
    make_group,
    make_sample,
    make_trainer,
    score_by,
)


def _steps(folder: Path) -> list[int]:
    return [record.step for record in read_records(folder / "completions" / "train.rank0.jsonl")]


def test_each_step_and_each_validation_is_on_record(tmp_path: Path) -> None:
    """Two groups of two completions a step, of which the first group is trained with advantages 1 and -1."""
    module = FakeModule(max_steps=2, judge=CountingJudge())
    make_trainer(tmp_path, [RecordCompletions(), JudgeValidation(every_n_steps=2)]).fit(module, FakeData())
    train = list(read_records(tmp_path / "completions" / "train.rank0.jsonl"))
    assert [record.step for record in train] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert [record.advantage for record in train[:4]] == [1.0, -1.0, None, None]
    assert train[0].verdict is not None
    assert train[0].verdict.judge == "counting/v1"
    assert train[0].components["judge"].value == 1.0
    val = list(read_records(tmp_path / "completions" / "val-step-000002.jsonl"))
    assert [record.id for record in val] == [f"s00{i}" for i in range(1, 7)]
    assert {record.step for record in val} == {2}
    assert (tmp_path / "completions" / "val-step-000000.jsonl").exists()


class _Lenient(CountingJudge):
    """YES to everything; a half where it is asked with a prompt."""

    def asking(self, prompt: JudgePrompt) -> Judge:
        return _Lenient(prompt.version)

    def _grade(self, question: JudgeQuestion) -> Verdict:
        return Verdict(0.5 if "rubric" in self.name else 1.0, self.identity)


@pytest.mark.parametrize("rule", [StrictAnswer(), PublishedAnswer()])
@pytest.mark.parametrize("is_rubric_first", [False, True])
def test_verdicts_of_training_follow_the_rule_of_validation(
    tmp_path: Path, rule: AnswerRule, is_rubric_first: bool
) -> None:
    """The first completion of two is right, the second has no answer: no order of components changes that."""
    module = FakeModule(max_steps=1)
    judge = _Lenient()
    parts = {"judge": Weighted(JudgeReward(judge, rule), 0.5), "rubric": Weighted(RubricReward(judge=judge), 0.5)}
    names = sorted(parts, reverse=is_rubric_first)
    module.rewards = RewardSuite({name: parts[name] for name in names})  # type: ignore[assignment]
    make_trainer(tmp_path, [RecordCompletions()]).fit(module, FakeData())
    train = list(read_records(tmp_path / "completions" / "train.rank0.jsonl"))
    assert [record.credit for record in train] == [1.0, 0.0, 1.0, 0.0]
    is_settled = isinstance(rule, PublishedAnswer)
    judges = {"answer rule PublishedAnswer" if is_settled else named(judge), named(judge)}
    assert {record.verdict.whose for record in train if record.verdict} == judges


def test_steps_can_be_left_out_and_validations_cannot(tmp_path: Path) -> None:
    module = FakeModule(max_steps=4, judge=CountingJudge())
    make_trainer(tmp_path, [RecordCompletions(every_n_steps=3), JudgeValidation(every_n_steps=4)]).fit(
        module, FakeData()
    )
    assert set(_steps(tmp_path)) == {3}
    assert (tmp_path / "completions" / "val-step-000004.jsonl").exists()


def test_a_resumed_run_has_no_step_twice(tmp_path: Path) -> None:
    callbacks = [RecordCompletions(), JudgeValidation(every_n_steps=1)]
    first = make_trainer(tmp_path, callbacks)
    module = FakeModule(max_steps=2, judge=CountingJudge())
    first.fit(module, FakeData())
    first.save_checkpoint(tmp_path / "two.ckpt")
    lost = make_trainer(tmp_path, [RecordCompletions(), JudgeValidation(every_n_steps=1)])
    lost.fit(
        FakeModule(max_steps=4, judge=CountingJudge()), FakeData(), ckpt_path=tmp_path / "two.ckpt", weights_only=True
    )
    assert (tmp_path / "completions" / "val-step-000004.jsonl").exists()
    again = make_trainer(tmp_path, [RecordCompletions(), JudgeValidation(every_n_steps=1)])
    again.fit(
        FakeModule(max_steps=3, judge=CountingJudge()), FakeData(), ckpt_path=tmp_path / "two.ckpt", weights_only=True
    )
    assert _steps(tmp_path) == [1] * 4 + [2] * 4 + [3] * 4
    assert not (tmp_path / "completions" / "val-step-000004.jsonl").exists()


def test_images_are_not_written_unless_asked_for(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, [RecordCompletions(), JudgeValidation()])
    trainer.validate(FakeModule(judge=CountingJudge()), FakeData(), verbose=False)
    assert not (tmp_path / "completions" / "images").exists()


def test_images_are_written_once_and_named_in_the_record(tmp_path: Path) -> None:
    samples = [make_sample(1), make_sample(256), make_sample(2)]  # 1 and 256 have the same picture
    trainer = make_trainer(tmp_path, [RecordCompletions(images=True), JudgeValidation()])
    trainer.validate(FakeModule(judge=CountingJudge()), FakeData(samples), verbose=False)
    records = {r.id: r for r in read_records(tmp_path / "completions" / "validate-step-000000.jsonl")}
    assert records["s001"].images == records["s256"].images != records["s002"].images
    folder = tmp_path / "completions"
    assert len(list((folder / "images").iterdir())) == 2
    assert (folder / records["s002"].images[0]).read_bytes() == samples[2].images[0]


def test_a_validation_on_its_own_leaves_those_of_the_run_alone(tmp_path: Path) -> None:
    make_trainer(tmp_path, [RecordCompletions(), JudgeValidation()]).validate(
        FakeModule(judge=CountingJudge()), FakeData(), verbose=False
    )
    assert [path.name for path in (tmp_path / "completions").iterdir()] == ["validate-step-000000.jsonl"]


def test_no_steps_between_records_is_refused() -> None:
    with pytest.raises(ValueError, match=r"RecordCompletions\.every_n_steps"):
        RecordCompletions(every_n_steps=0)


def test_a_run_recorded_without_data_sets_is_resumed(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, [RecordCompletions(), JudgeValidation(every_n_steps=1)])
    trainer.fit(FakeModule(max_steps=2, judge=CountingJudge()), FakeData())
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    for path in (tmp_path / "completions").glob("*.jsonl"):
        path.write_text(path.read_text().replace('"dataset": "", ', ""))
    assert '"dataset"' not in (tmp_path / "completions" / "train.rank0.jsonl").read_text()
    make_trainer(tmp_path, [RecordCompletions(), JudgeValidation(every_n_steps=1)]).fit(
        FakeModule(max_steps=3, judge=CountingJudge()),
        FakeData([replace(sample, dataset="a") for sample in FakeData().samples]),
        ckpt_path=tmp_path / "two.ckpt",
        weights_only=True,
    )
    assert _steps(tmp_path) == [1] * 4 + [2] * 4 + [3] * 4
    folder = tmp_path / "completions"
    old, new = ({r.sample_key for r in read_records(folder / f"val-step-00000{step}.jsonl")} for step in (2, 3))
    assert new == {("a", name) for _, name in old}


def test_the_images_of_samples_of_one_id_are_named_apart(tmp_path: Path) -> None:
    first, second = (
        replace(make_sample(1), dataset=name, images=make_sample(i).images) for name, i in (("a", 1), ("b", 2))
    )
    trainer = make_trainer(tmp_path, [RecordCompletions(images=True), JudgeValidation()])
    trainer.validate(FakeModule(judge=CountingJudge()), FakeData([first, second]), verbose=False)
    one, other = read_records(tmp_path / "completions" / "validate-step-000000.jsonl")
    assert (tmp_path / "completions" / one.images[0]).read_bytes() == first.images[0]
    assert (tmp_path / "completions" / other.images[0]).read_bytes() == second.images[0]


class Steps:
    """Steps by hand: what a step scored, trained on, and left waiting."""

    def __init__(self, folder: Path, step: int = 0, waiting: Sequence[Any] = ()) -> None:
        self.folder, self.module = folder, FakeModule(max_steps=9)
        self.trainer = make_trainer(folder, [])
        self.callback = RecordCompletions()
        self.module.step, self.module.buffer = step, list(waiting)  # type: ignore[assignment]
        self.callback.on_train_start(self.trainer, self.module)

    def step(
        self, number: int, scored: list[Any], trained: list[Any], waiting: list[Any], dropped: Sequence[Any] = ()
    ) -> None:
        self.module.step, self.module.buffer = number, waiting  # type: ignore[assignment]
        self.module.finished_step = StepRecord(
            step=number,
            scored=scored,
            trained=trained,
            dropped=list(dropped),
            advantages=[(float(number), -1.0)] * len(trained),
        )
        self.callback.on_train_batch_end(self.trainer, self.module, None, None, 0)

    def lines(self) -> list[tuple[str, int, float | None]]:
        path = self.folder / "completions" / "train.rank0.jsonl"
        return [(one.id, one.step, one.advantage) for one in read_records(path) if one.index == 0]


def _group(number: int) -> Any:
    group = make_group(make_sample(number), ["a", "b"])
    return score_by([1.0, 0.0], replace(group, prompt=replace(group.prompt, index=number)))


def test_a_group_that_waits_is_written_by_the_step_that_trains_on_it_with_its_advantage(tmp_path: Path) -> None:
    """Group 3 is scored in step 1 and trained in step 2; group 2 has no signal; group 5 still waits at the end."""
    groups = {number: _group(number) for number in range(1, 6)}
    steps = Steps(tmp_path)
    steps.step(1, [groups[1], groups[2], groups[3]], [groups[1]], [groups[3]])
    assert steps.lines() == [("s001", 1, 1.0), ("s002", 1, None)]
    steps.step(2, [groups[4], groups[5]], [groups[3], groups[4]], [groups[5]])
    assert steps.lines()[2:] == [("s003", 2, 2.0), ("s004", 2, 2.0)]
    steps.callback.on_train_end(steps.trainer, steps.module)
    assert steps.lines()[4:] == [("s005", 2, None)]
    again = Steps(tmp_path, 2, [groups[5]])  # goes on from step 2, whose checkpoint has group 5
    again.step(3, [], [groups[5]], [])
    assert again.lines()[2:] == [("s003", 2, 2.0), ("s004", 2, 2.0), ("s005", 3, 3.0)]


def test_a_group_that_was_dropped_while_it_waited_is_written_without_an_advantage(tmp_path: Path) -> None:
    groups = {number: _group(number) for number in (1, 2, 3)}
    steps = Steps(tmp_path)
    steps.step(1, [groups[1], groups[2]], [groups[1]], [groups[2]])
    steps.step(2, [groups[3]], [groups[3]], [], dropped=[groups[2]])
    assert steps.lines() == [("s001", 1, 1.0), ("s002", 2, None), ("s003", 2, 2.0)]


@pytest.mark.parametrize(("stage", "file"), [("validate", "validate"), ("test", "test")])
def test_exchanged_images_have_files_and_marks_of_their_own(tmp_path: Path, stage: str, file: str) -> None:
    for exchanged in (False, True):
        data = FakeData()
        data.exchange_images = exchanged  # type: ignore[assignment]
        trainer = make_trainer(tmp_path, [RecordCompletions(), JudgeValidation(), WriteReport()])
        getattr(trainer, stage)(FakeModule(judge=CountingJudge()), data, verbose=False)
        logged = {name.split("/")[0] for name in trainer.callback_metrics if "/" in name}
        name = "val" if stage == "validate" else "test"
        assert logged == {f"{name}-exchanged" if exchanged else name}
    own, other = (
        list(read_records(tmp_path / "completions" / f"{file}{mark}-step-000000.jsonl")) for mark in ("", "-exchanged")
    )
    assert {record.exchanged for record in own} == {False}
    assert {record.exchanged for record in other} == {True}
    name = "validation" if stage == "validate" else "test"
    results = [json.loads((tmp_path / f"{name}{mark}.json").read_text()) for mark in ("", "-exchanged")]
    assert [result["exchanged"] for result in results] == [False, True]
