"""Validation counts steps, asks the judge once, and leaves the trajectory alone."""

import json
import math
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger

from medix.callbacks.judge_validation import JudgeValidation, UnscoredError
from medix.callbacks.record_completions import RecordCompletions
from medix.evaluation.validation import Validation, incomparable
from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.cached import CachedJudge
from medix.judge.hybrid import HybridJudge
from medix.judge.own_arguments import named
from medix.judge.panel import PanelJudge
from medix.judge.prompt import JudgePrompt
from medix.reporting.record import read_records
from medix.rewards import FormatReward, Gate, JudgeReward, PublishedAnswer, RewardSuite, RubricReward, Weighted
from medix.types import JudgeQuestion, Sample, Verdict
from tests.support.fake_training import (
    CountingJudge,
    FakeData,
    FakeModule,
    make_sample,
    make_trainer,
    picture,
)


class _Listens(Callback):
    def __init__(self) -> None:
        self.heard: list[Validation] = []

    def on_judged(self, trainer: Trainer, module: LightningModule, validation: Validation) -> None:
        self.heard.append(validation)


def test_validation_counts_steps_and_not_batches(tmp_path: Path) -> None:
    """Three loader batches make a step; every second step is validated, and the first and the last."""
    module = FakeModule(max_steps=5, batches_per_step=3, judge=CountingJudge())
    make_trainer(tmp_path, [JudgeValidation(every_n_steps=2)]).fit(module, FakeData())
    assert module.validated_at == [0, 2, 4, 5]


def test_start_and_end_can_be_left_out(tmp_path: Path) -> None:
    module = FakeModule(max_steps=3, judge=CountingJudge())
    make_trainer(tmp_path, [JudgeValidation(every_n_steps=2, at_start=False, at_end=False)]).fit(module, FakeData())
    assert module.validated_at == [2]


def test_a_run_that_ends_early_is_validated_once_at_its_end(tmp_path: Path) -> None:
    module = FakeModule(max_steps=100, judge=CountingJudge())
    trainer = make_trainer(
        tmp_path, [JudgeValidation(every_n_steps=10, at_start=False)], limit_train_batches=3, max_epochs=1
    )
    trainer.fit(module, FakeData())
    assert module.validated_at == [3]


def test_the_trajectory_is_the_same_with_and_without_validation(tmp_path: Path) -> None:
    trajectories = []
    for callbacks in ([], [JudgeValidation(every_n_steps=1)]):
        torch.manual_seed(5)
        import random

        import numpy as np

        np.random.seed(5)
        random.seed(5)
        module = FakeModule(max_steps=4, judge=CountingJudge())
        make_trainer(tmp_path, callbacks, limit_val_batches=1.0, num_sanity_val_steps=0).fit(module, FakeData())
        trajectories.append(module.trajectory)
    assert trajectories[0] == trajectories[1]


def test_means_by_hand(tmp_path: Path) -> None:
    """After step 2 samples 1 and 2 of 6 are right: accuracy 1/3. The modality is always right, and half the total of
    the four images; two text-only samples score the verdict alone: (4 · 0.5 + 0.5 [s001] + 1 → see below.
    s001 CT 1.0, s002 text 1.0, s003 X 0.5, s004 CT 0.5, s005 text 0, s006 X 0.5: mean 3.5/6."""
    module = FakeModule(max_steps=2, judge=CountingJudge())
    trainer = make_trainer(tmp_path, [JudgeValidation(every_n_steps=2, at_start=False)])
    trainer.fit(module, FakeData())
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    assert metrics["val/accuracy"] == pytest.approx(1 / 3)
    assert metrics["val/reward"] == 3.5 / 6
    assert metrics["val/modality_accuracy"] == 1.0
    assert metrics["val/accuracy/CT_SCAN"] == 0.5
    assert metrics["val/accuracy/source/medpix"] == pytest.approx(1 / 3)
    assert metrics["val/completions"] == 6
    assert metrics["val/unscored"] == 0.0


def test_metrics_reach_loggers_at_the_step(tmp_path: Path) -> None:
    module = FakeModule(max_steps=4, batches_per_step=5, judge=CountingJudge())
    logger = CSVLogger(tmp_path, name="", version="")
    make_trainer(tmp_path, [JudgeValidation(every_n_steps=2)], logger=logger).fit(module, FakeData())
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    column = rows[0].split(",").index("step")
    assert [row.split(",")[column] for row in rows[1:]] == ["0", "2", "4"]


def test_the_judge_of_the_rewards_is_not_asked_twice(tmp_path: Path) -> None:
    judge = CountingJudge()
    make_trainer(tmp_path, [JudgeValidation()]).validate(FakeModule(judge=judge), FakeData(), verbose=False)
    assert len(judge.asked) == 6


def test_a_judge_of_its_own_is_asked_and_named(tmp_path: Path) -> None:
    rewards, own = CountingJudge("rewards"), CountingJudge("own")
    listener = _Listens()
    trainer = make_trainer(tmp_path, [JudgeValidation(judge=own), listener])
    trainer.validate(FakeModule(judge=rewards), FakeData(), verbose=False)
    assert (len(rewards.asked), len(own.asked)) == (6, 6)
    assert listener.heard[0].judge == named(own)
    assert {r.verdict.judge for r in listener.heard[0].records if r.verdict is not None} == {"own/v1"}


def test_without_a_judge_of_its_own_the_first_of_the_rewards_gives_the_accuracy(tmp_path: Path) -> None:
    listener, module = _Listens(), FakeModule(judge=None)
    module.rewards = RewardSuite(
        {name: Weighted(JudgeReward(CountingJudge(name)), 0.5) for name in ("first", "second")}
    )  # fmt: skip
    make_trainer(tmp_path, [JudgeValidation(), listener]).validate(module, FakeData(), verbose=False)
    first = named(CountingJudge("first"))
    assert listener.heard[0].judge == first
    assert {r.verdict.whose for r in listener.heard[0].records if r.verdict is not None} == {first}


class _Graded(CountingJudge):
    """Grades with a half what it calls wrong, if asked with a prompt."""

    def asking(self, prompt: JudgePrompt) -> Judge:
        return _Graded(prompt.version)

    def _grade(self, question: JudgeQuestion) -> Verdict:
        wrong = 0.5 if "rubric" in self.name else 0.0
        return Verdict(1.0 if question.answer == question.reference else wrong, self.identity)


def _rewards(kind: str, tmp_path: Path) -> tuple[Judge, RewardSuite]:
    """The judge of the accuracy, and rewards that ask it."""
    one, published = _Graded("graded"), PublishedAnswer()
    judge: Judge = {
        "cached": CachedJudge(one, tmp_path / "verdicts.db"),
        "hybrid": HybridJudge(one),
        "panel": PanelJudge([one, _Graded("b"), _Graded("c")]),
    }.get(kind, one)
    asks, format_ = JudgeReward(judge), FormatReward()
    rule = JudgeReward(judge, answer_rule=published)
    found: dict[str, list[Weighted]] = {
        "alone": [Weighted(rule, 1.0)],
        "other after": [Weighted(rule, 0.5), Weighted(JudgeReward(CountingJudge("other")), 0.5)],
        "rubric before": [Weighted(RubricReward(judge=judge), 0.5), Weighted(rule, 0.5)],
        "rubric after": [Weighted(rule, 0.5), Weighted(RubricReward(judge=judge), 0.5)],
        "published before": [Weighted(rule, 0.5), Weighted(asks, 0.5)],
        "published after": [Weighted(asks, 0.5), Weighted(rule, 0.5)],
        "gated": [Weighted(asks, 0.5, gate=Gate("1", at_least=1.0)), Weighted(format_, 0.5)],
    }
    parts = found.get(kind, found["alone"])
    return judge, RewardSuite({str(place): part for place, part in enumerate(parts)})


@pytest.mark.parametrize(
    "kind",
    ["alone", "other after", "rubric before", "rubric after", "published before", "published after", "gated", "cached",
     "hybrid", "panel"],
)  # fmt: skip
def test_the_judge_of_the_rewards_gives_the_accuracy_that_it_gives_where_it_is_set(tmp_path: Path, kind: str) -> None:
    """Right on samples 1 and 2 of 6: 1/3, though a rule settles these, or a rubric grades the others with a half."""
    for is_set in (False, True):
        listener, module = _Listens(), FakeModule(judge=None)
        judge, module.rewards = _rewards(kind, tmp_path)  # type: ignore[assignment]
        module.step = 2
        trainer = make_trainer(tmp_path, [JudgeValidation(judge=judge if is_set else None), listener])
        (metrics,) = trainer.validate(module, FakeData(), verbose=False)
        assert (metrics["val/accuracy"], metrics["val/unscored"]) == (pytest.approx(1 / 3), 0.0)
        assert listener.heard[0].judge == named(judge)
        assert {r.verdict.whose for r in listener.heard[0].records if r.verdict is not None} == {named(judge)}


def test_where_no_reward_asks_for_right_or_wrong_the_grades_of_the_rubric_are_used(tmp_path: Path) -> None:
    """Two of six earn 1, the others a half: 4/6."""
    module = FakeModule(judge=None)
    module.rewards = RewardSuite({"rubric": Weighted(RubricReward(judge=_Graded("graded")), 1.0)})  # type: ignore[assignment]
    module.step = 2
    (metrics,) = make_trainer(tmp_path, [JudgeValidation()]).validate(module, FakeData(), verbose=False)
    assert metrics["val/accuracy"] == pytest.approx(4 / 6)


def test_without_any_judge_the_error_does_not_speak_of_one(tmp_path: Path) -> None:
    module = FakeModule(judge=None)
    module.rewards = RewardSuite({"format": Weighted(FormatReward(), 1.0)})  # type: ignore[assignment]
    with pytest.raises(UnscoredError, match=r"6 x judge: no judge: set `judge` in the spec.*\nSet a judge and run"):
        make_trainer(tmp_path, [JudgeValidation()]).validate(module, FakeData(), verbose=False)


class _Silent(CountingJudge):
    """Asked ahead, it never answers."""

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        return outcome.pending()


def test_answers_for_which_the_rewards_had_no_time_are_unscored(tmp_path: Path) -> None:
    module = FakeModule(judge=None)
    module.rewards = RewardSuite({"judge": Weighted(JudgeReward(_Silent(), patience=0.01), 1.0)})  # type: ignore[assignment]
    with pytest.raises(UnscoredError, match=r"6 x judge: no verdict from the judge, nor any other, within 0\.01 s"):
        make_trainer(tmp_path, [JudgeValidation()]).validate(module, FakeData(), verbose=False)


def test_a_mean_without_scored_rows_is_not_that_of_an_earlier_validation(tmp_path: Path) -> None:
    """Lightning keeps metrics that are logged no more; from step 1 on nothing text-only is scored."""
    found = []

    class Look(Callback):
        def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
            found.append(float(trainer.callback_metrics["val/accuracy/TEXT_ONLY"]))
            judge.fails_on = ["heart"]

    judge = CountingJudge()
    validation = JudgeValidation(every_n_steps=1, max_unscored=1.0)
    data = FakeData([make_sample(1), make_sample(9, None)])
    make_trainer(tmp_path, [validation, Look()]).fit(FakeModule(max_steps=1, judge=judge), data)
    assert found == [0.0, pytest.approx(math.nan, nan_ok=True)]


def test_a_completion_without_an_answer_names_the_judge_of_the_rewards(tmp_path: Path) -> None:
    """Without a judge of the validation, its verdicts are those of the rewards, whatever the completions look like."""

    class Malformed(FakeModule):
        def complete(self, sample: Sample) -> str:
            return "no answer" if self.step == 0 and sample.id == "s001" else super().complete(sample)

    listener, module = _Listens(), Malformed(max_steps=1, judge=None)
    make_trainer(tmp_path, [JudgeValidation(every_n_steps=1), listener]).fit(module, FakeData())
    assert [validation.judge for validation in listener.heard] == [named(CountingJudge())] * 2
    judges = {r.verdict.whose for v in listener.heard for r in v.records if r.verdict is not None}
    assert judges == {named(CountingJudge())}
    assert not incomparable(*(validation.to_dict() for validation in listener.heard))


def test_unscored_answers_leave_the_accuracy(tmp_path: Path) -> None:
    """Of six answers, one is unscored: accuracy is over the other five."""
    samples = [make_sample(i, reference="lung" if i > 1 else "down") for i in range(1, 7)]
    judge = CountingJudge(fails_on=["down"])
    trainer = make_trainer(tmp_path, [JudgeValidation(max_unscored=0.2)])
    module = FakeModule(judge=judge)
    module.step = 3
    (metrics,) = trainer.validate(module, FakeData(samples), verbose=False)
    assert metrics["val/accuracy"] == pytest.approx(2 / 5)
    assert metrics["val/unscored"] == pytest.approx(1 / 6)


def test_too_many_unscored_answers_stop_the_run_with_their_reasons(tmp_path: Path) -> None:
    samples = [make_sample(i, reference="down" if i < 4 else "lung") for i in range(1, 7)]
    module = FakeModule(judge=CountingJudge(fails_on=["down"]))
    module.step = 6
    listener = _Listens()
    trainer = make_trainer(tmp_path, [JudgeValidation(max_unscored=0.4), listener])
    with pytest.raises(UnscoredError, match=r"50\.0 % of 6 val completions[\s\S]*3 x judge: connection refused"):
        trainer.validate(module, FakeData(samples), verbose=False)
    assert len(listener.heard) == 1  # what was judged is on record before the run stops


def test_a_judge_that_is_down_stops_the_run_whatever_the_limit(tmp_path: Path) -> None:
    samples = [make_sample(i, reference="down") for i in range(1, 3)]
    module = FakeModule(judge=CountingJudge(fails_on=["down", "heart"]))
    trainer = make_trainer(tmp_path, [JudgeValidation(max_unscored=1.0)])
    with pytest.raises(UnscoredError, match=r"100\.0 % of 2"):
        trainer.validate(module, FakeData(samples), verbose=False)


def test_the_same_sample_twice_counts_once(tmp_path: Path) -> None:
    samples = [make_sample(1), make_sample(2), make_sample(1)]
    trainer = make_trainer(tmp_path, [JudgeValidation()])
    (metrics,) = trainer.validate(FakeModule(judge=CountingJudge()), FakeData(samples), verbose=False)
    assert metrics["val/completions"] == 2


def test_the_test_split_has_metrics_of_its_own(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, [JudgeValidation()])
    (metrics,) = trainer.test(FakeModule(judge=CountingJudge()), FakeData(), verbose=False)
    assert metrics["test/completions"] == 6


def test_a_resumed_run_is_not_validated_at_its_start_again(tmp_path: Path) -> None:
    first = FakeModule(max_steps=2, judge=CountingJudge())
    trainer = make_trainer(tmp_path, [JudgeValidation(every_n_steps=2)])
    trainer.fit(first, FakeData())
    trainer.save_checkpoint(tmp_path / "two.ckpt")
    second = FakeModule(max_steps=4, judge=CountingJudge())
    resumed = make_trainer(tmp_path, [JudgeValidation(every_n_steps=2)])
    resumed.fit(second, FakeData(), ckpt_path=tmp_path / "two.ckpt", weights_only=True)
    assert second.validated_at == [4]


@pytest.mark.parametrize("arguments", [{"every_n_steps": 0}, {"max_unscored": 1.5}])
def test_impossible_arguments_are_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"JudgeValidation.{next(iter(arguments))}"):
        JudgeValidation(**arguments)


def test_data_without_a_validation_split_is_an_error(tmp_path: Path) -> None:
    class TrainOnly(FakeData):
        def val_dataloader(self) -> Any:
            return []

    with pytest.raises(ValueError, match="found no validation loader"):
        make_trainer(tmp_path, [JudgeValidation()]).fit(FakeModule(judge=CountingJudge()), TrainOnly())


class _Uneven(FakeData):
    """Rank 0 holds samples 1 to 4 of one source, rank 1 samples 4 to 6 of another: number 4 is on both."""

    def val_dataloader(self) -> Any:
        import torch.distributed as distributed

        rank = distributed.get_rank() if distributed.is_initialized() else 0
        numbers = (range(1, 5), range(4, 7))[rank]
        self.samples: list[Sample] = [make_sample(i, ("X_RAY", "CT_SCAN")[rank], "ab"[rank]) for i in numbers]
        return super().val_dataloader()


class _WritesMetrics(Callback):
    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        path = Path(trainer.default_root_dir) / f"rank{trainer.global_rank}.json"
        path.write_text(json.dumps({k: float(v) for k, v in trainer.callback_metrics.items()}))


def test_two_ranks_log_the_same_keys_and_count_each_sample_once(tmp_path: Path) -> None:
    """Samples 1, 2 of 6 are right; number 4 is on both ranks: 2/6 on each, under keys of both sources."""
    trainer = make_trainer(
        tmp_path, [JudgeValidation(), _WritesMetrics()], strategy="ddp_fork", devices=2, use_distributed_sampler=False
    )
    module = FakeModule(judge=CountingJudge())
    module.step = 2
    trainer.validate(module, _Uneven(), verbose=False)
    first, second = (json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in (0, 1))
    assert first == second
    assert first["val/completions"] == 6
    assert first["val/accuracy"] == pytest.approx(2 / 6)
    assert {"val/accuracy/source/a", "val/accuracy/source/b"} <= first.keys()
    assert not any(math.isnan(value) for value in first.values())


def two_sets() -> list[Sample]:
    """Data sets ``a`` and ``b``, each with ids 1 to 6, of sources ``web`` and ``slake``."""
    return [
        Sample(f"s{i}", f"{dataset}: which organ is {i}?", "lung", "X_RAY", (picture(i),), source, dataset=dataset)
        for dataset, source in (("a", "web"), ("b", "slake"))
        for i in range(1, 7)
    ]


class _TwoSets(FakeData):
    """Of twelve samples, each rank holds every second one."""

    def val_dataloader(self) -> Any:
        import torch.distributed as distributed

        rank, ranks = (distributed.get_rank(), 2) if distributed.is_initialized() else (0, 1)
        self.samples = two_sets()[rank::ranks]
        return super().val_dataloader()


@pytest.mark.parametrize("ranks", [1, 2])
def test_two_validation_sets_that_count_from_one_are_twelve_samples_of_two_sources(tmp_path: Path, ranks: int) -> None:
    """After step 2, ids 1 and 2 of either set are right: 4 of 12, 2 of 6 in each source."""
    how: dict[str, Any] = {"strategy": "ddp_fork", "devices": ranks, "use_distributed_sampler": False}
    callbacks = [JudgeValidation(), RecordCompletions(), _WritesMetrics()]
    trainer = make_trainer(tmp_path, callbacks, **(how if ranks > 1 else {}))
    module = FakeModule(judge=CountingJudge())
    module.step = 2
    trainer.validate(module, _TwoSets(), verbose=False)
    for rank in range(ranks):
        metrics = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert metrics["val/completions"] == 12
        assert metrics["val/accuracy"] == pytest.approx(4 / 12)
        assert metrics["val/accuracy/source/web"] == metrics["val/accuracy/source/slake"] == pytest.approx(2 / 6)
    records = list(read_records(tmp_path / "completions" / "validate-step-000002.jsonl"))
    assert [record.sample_key for record in records] == [(d, f"s{i}") for d in "ab" for i in range(1, 7)]
