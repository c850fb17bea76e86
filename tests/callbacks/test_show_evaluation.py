"""Lines for a log, a bar for a terminal."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from medix.callbacks.show_evaluation import ShowEvaluation
from medix.types import PromptBatch
from tests.support.fake_training import FakeModule, make_trainer


def _answered(callback: ShowEvaluation, folder: Path, size: int) -> None:
    trainer, module = make_trainer(folder, []), FakeModule()
    callback.on_predict_start(trainer, module)
    for done in range(size, callback.total + size, size):
        callback.on_predict_batch_end(trainer, module, [], PromptBatch([], min(done, callback.total)), 0)
    callback.on_predict_end(trainer, module)


@pytest.mark.parametrize(("total", "size", "lines"), [(7, 4, 2), (1000, 3, 10), (5, 5, 1), (2, 1, 2)])
def test_a_log_gets_at_most_ten_lines_and_the_last_counts_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], total: int, size: int, lines: int
) -> None:
    _answered(ShowEvaluation(total), tmp_path, size)
    told = capsys.readouterr().out.splitlines()
    assert len(told) == lines
    assert told[-1] == f"medix: {total:,} of {total:,} samples, 0 s left"


def test_a_terminal_gets_a_bar_that_an_error_closes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    callback, trainer, module = ShowEvaluation(4), make_trainer(tmp_path, []), FakeModule()
    callback.on_test_start(trainer, module)
    callback.on_test_batch_end(trainer, module, [], PromptBatch([], 2), 0)
    assert callback._progress is not None
    assert callback._progress.tasks[0].completed == 2
    callback.on_exception(trainer, module, ValueError())
    assert callback._progress is None


def test_the_time_left_is_that_of_the_samples_of_this_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """90 of 100 samples were there before; 5 more took 10 s, so that the last 5 take 10 s."""
    times = iter((0.0, 10.0))
    monkeypatch.setattr("medix.callbacks.show_evaluation.time.perf_counter", lambda: next(times))
    callback, trainer, module = ShowEvaluation(100), make_trainer(tmp_path, []), FakeModule()
    trainer.datamodule = SimpleNamespace(predict_from=90)  # type: ignore[attr-defined]
    callback.on_predict_start(trainer, module)
    callback.on_predict_batch_end(trainer, module, [], PromptBatch([], 95), 0)
    assert capsys.readouterr().out == "medix: 95 of 100 samples, 10 s left\n"
