"""One line when groups stop teaching."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer

from medix.callbacks.watch_signal import WatchSignal
from medix.modules.record import StepRecord
from tests.support.fake_training import CountingJudge, FakeModule, make_group, make_sample, make_trainer, score_by


class _Run:
    """Shows a callback one step after another."""

    def __init__(self, folder: Path, watch: WatchSignal) -> None:
        self.watch = watch
        self.trainer: Trainer = make_trainer(folder, [])
        self.module = FakeModule(judge=CountingJudge())

    def step(
        self,
        totals: Sequence[Sequence[float]],
        texts: Sequence[str] = ("one two three four", "five six seven"),
        dropped: int = 0,
    ) -> None:
        self.module.step += 1
        scored = [score_by(row, make_group(make_sample(i), texts[: len(row)])) for i, row in enumerate(totals)]
        record = StepRecord(step=self.module.step, scored=scored, trained=scored[dropped:], dropped=scored[:dropped])
        self.module.finished_step = record
        self.watch.on_train_batch_end(self.trainer, self.module, None, None, 0)


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


SIGNAL, FLAT = ([1.0, 0.0], [0.0, 1.0]), ([1.0, 1.0], [0.5, 0.5])


def test_a_fading_signal_is_told_once_after_patience(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = _Run(tmp_path, WatchSignal(patience=2))
    for totals in (SIGNAL, FLAT, SIGNAL, FLAT, FLAT, FLAT):
        run.step(totals)
    lines = _warnings(caplog)
    assert len(lines) == 1
    assert lines[0].startswith("step 5, for 2 steps: 100.0 % of the groups have no spread")


def test_it_warns_again_after_the_signal_came_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = _Run(tmp_path, WatchSignal(patience=1))
    for totals in (FLAT, SIGNAL, FLAT):
        run.step(totals)
    assert len(_warnings(caplog)) == 2


def test_a_constant_reward_has_a_warning_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = _Run(tmp_path, WatchSignal(patience=2))
    run.step(([1.0, 1.0], [1.0, 1.0]))
    run.step(([1.0, 1.0], [1.0, 1.0]))
    (line,) = _warnings(caplog)
    assert "every total is 1" in line


def test_a_step_with_nothing_scored_is_not_a_constant_reward(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = _Run(tmp_path, WatchSignal(patience=1, max_without_signal=1.0))
    run.step(([float("nan")], [float("nan")]))
    assert not _warnings(caplog)


def test_shrinking_completions_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Ten tokens at first, one later: the collapse of an embedding reward."""
    run = _Run(tmp_path, WatchSignal(patience=2, max_duplicates=1.0))
    long = (" ".join("abcdefghij"), " ".join("klmnopqrst"))
    for texts in (long, long, (".", ":"), (".", ":")):
        run.step(SIGNAL, texts)
    (line,) = _warnings(caplog)
    assert "shrank to 1.0 tokens from 10.0" in line


def test_repeated_completions_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = _Run(tmp_path, WatchSignal(patience=1, max_duplicates=0.4))
    run.step(SIGNAL, ("same words", "same words"))
    assert any("50.0 % of the completions repeat" in line for line in _warnings(caplog))


def test_dropped_groups_are_told_and_logged_by_modality(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One of two groups; both samples are X-rays."""
    run = _Run(tmp_path, WatchSignal(patience=2))
    run.step(SIGNAL)
    assert float(run.trainer.callback_metrics["signal/dropped"]) == 0.0
    for _ in range(2):
        run.step(SIGNAL, dropped=1)
    assert float(run.trainer.callback_metrics["signal/dropped"]) == 0.5
    assert float(run.trainer.callback_metrics["signal/dropped/X_RAY"]) == 0.5
    (line,) = _warnings(caplog)
    assert line.startswith("step 3, for 2 steps: 50.0 % of the groups with signal were dropped (limit 20.0 %)")
    assert "prompts_per_rollout" in line
    assert "model.max_staleness" in line


def test_a_step_that_scored_nothing_is_no_reason_to_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It trained what was left over; lengths are compared with those of the first steps that have any."""
    run = _Run(tmp_path, WatchSignal(patience=2, max_duplicates=1.0))
    for _ in range(2):
        run.step(())
    long = (" ".join("abcdefghij"), " ".join("klmnopqrst"))
    for texts in (long, long, (".", ":"), (".", ":")):
        run.step(SIGNAL, texts)
    (line,) = _warnings(caplog)
    assert "shrank to 1.0 tokens from 10.0" in line


def test_signal_is_logged_for_other_callbacks(tmp_path: Path) -> None:
    run = _Run(tmp_path, WatchSignal())
    run.step(([1.0, 0.0], [1.0, 1.0]))
    assert float(run.trainer.callback_metrics["signal/without"]) == 0.5
    assert float(run.trainer.callback_metrics["signal/spread"]) == 0.25


def test_a_resumed_run_warns_when_the_whole_run_would_have(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = _Run(tmp_path, WatchSignal(patience=2))
    first.step(FLAT)
    torch.save(first.watch.state_dict(), tmp_path / "state")
    second = _Run(tmp_path, WatchSignal(patience=2))
    second.watch.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    with caplog.at_level(logging.WARNING):
        second.step(FLAT)
    assert len(_warnings(caplog)) == 1


@pytest.mark.parametrize(
    "arguments", [{"patience": 0}, {"shrink": 2.0}, {"max_duplicates": -0.1}, {"max_dropped": 1.5}]
)
def test_impossible_arguments_are_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"WatchSignal.{next(iter(arguments))}"):
        WatchSignal(**arguments)
