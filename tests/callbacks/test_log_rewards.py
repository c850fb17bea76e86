"""Numbers of a step against the step."""

import csv
import math
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger

from medix.callbacks.log_rewards import LogRewards, step_metrics
from medix.modules.record import StepRecord
from tests.support.fake_training import (
    CountingJudge,
    FakeData,
    FakeModule,
    make_group,
    make_sample,
    make_trainer,
    score_by,
)


def _fit(folder: Path, callback: LogRewards, **how: int) -> list[dict[str, str]]:
    logger = CSVLogger(folder, name="", version="")
    trainer = make_trainer(folder, [callback], logger=logger, limit_val_batches=0)
    trainer.fit(FakeModule(judge=CountingJudge(), **how), FakeData())
    assert float(trainer.callback_metrics["reward/total"]) == 0.5
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_x_is_the_step_although_a_step_reads_several_batches(tmp_path: Path) -> None:
    rows = _fit(tmp_path, LogRewards(), max_steps=3, batches_per_step=4)
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert [float(row["train/loss"]) for row in rows] == pytest.approx([0.1, 0.2, 0.3])


def test_steps_between_logged_steps(tmp_path: Path) -> None:
    assert [row["step"] for row in _fit(tmp_path, LogRewards(every_n_steps=2), max_steps=5)] == ["2", "4"]


def test_what_is_logged_of_a_step_by_hand(tmp_path: Path) -> None:
    """Per group one right completion (1.0) and one wrong (0.0); 40 tokens in 1 + 0.5 + 2.5 seconds are 10 a second."""
    row = _fit(tmp_path, LogRewards(), max_steps=1)[0]
    assert float(row["reward/total"]) == float(row["reward/judge/X_RAY"]) == 0.5
    assert float(row["seconds/step"]) == 4.0
    assert float(row["seconds/update"]) == 2.5
    assert float(row["train/tokens_per_second"]) == 10.0
    assert float(row["train/completions"]) == 4.0
    assert float(row["train/ranks"]) == 1.0


def test_a_step_without_a_score_has_a_nan_mean_and_a_full_unscored_share() -> None:
    finished = StepRecord(
        step=1, scored=[score_by([math.nan], make_group(make_sample(1), ["a"]))], seconds={"rollout": 1.0}
    )
    finished.too_long = 3
    metrics = step_metrics(finished)
    assert metrics["train/prompts_too_long"] == 3.0
    assert math.isnan(metrics["reward/total"])
    assert metrics["reward/total/unscored"] == 1.0


def test_components_have_times_of_their_own_within_the_reward_phase() -> None:
    finished = StepRecord(step=1, seconds={"rollout": 1.0, "reward": 2.0})
    finished.add_scored([score_by([1.0], make_group(make_sample(1), ["a"]))], {"judge": 1.5, "format": 0.1})
    finished.add_scored([], {"judge": 0.25, "format": 0.1})
    metrics = step_metrics(finished)
    assert metrics["seconds/reward/judge"] == 1.75
    assert metrics["seconds/step"] == 3.0


def test_no_steps_between_logs_is_refused() -> None:
    with pytest.raises(ValueError, match=r"LogRewards\.every_n_steps"):
        LogRewards(every_n_steps=0)
