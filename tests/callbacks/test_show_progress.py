"""Lines for a log, a display for a terminal."""

import io
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from medix.callbacks.judge_validation import JudgeValidation
from medix.callbacks.show_progress import ShowProgress, _duration
from medix.types import Prompt
from tests.support.fake_training import CountingJudge, FakeData, FakeModule, make_completion, make_sample, make_trainer


def test_without_a_terminal_each_step_is_one_plain_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = FakeModule(max_steps=3, batches_per_step=2, judge=CountingJudge())
    make_trainer(tmp_path, [ShowProgress(), JudgeValidation(every_n_steps=3)]).fit(module, FakeData())
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step")]
    assert len(lines) == 5
    assert lines[0].startswith("step 0  validation: reward 0.333, accuracy 0.0 %")
    assert lines[1].startswith("step 1/3  reward 0.500  rollout 1.0s, reward 0.5s, update 2.5s")
    assert lines[1].endswith("left")
    assert "\x1b" not in "".join(lines)


def test_steps_between_plain_lines_and_the_last_is_always_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = FakeModule(max_steps=5, judge=CountingJudge())
    make_trainer(tmp_path, [ShowProgress(every_n_steps=3)], limit_val_batches=0).fit(module, FakeData())
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step")]
    assert [line.split("/")[0] for line in lines] == ["step 3", "step 5"]


def test_a_terminal_gets_a_display_that_is_closed_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress = ShowProgress()
    module = FakeModule(max_steps=2, judge=CountingJudge())
    make_trainer(tmp_path, [progress], limit_val_batches=0).fit(module, FakeData())
    assert progress._live is None
    buffer = io.StringIO()
    Console(file=buffer, width=160).print(progress._render())
    assert "2/2 steps" in buffer.getvalue()
    assert "finished" in buffer.getvalue()
    assert "reward 0.500" in buffer.getvalue()
    assert "last step: rollout 1.0s  reward 0.5s  update 2.5s" in buffer.getvalue()


def test_an_error_gives_the_terminal_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    progress = ShowProgress()
    module = FakeModule(max_steps=4, judge=CountingJudge())
    module.fails_at_step = 2
    with pytest.raises(RuntimeError, match="in the middle"):
        make_trainer(tmp_path, [progress], limit_val_batches=0).fit(module, FakeData())
    assert progress._live is None


def test_completions_are_counted_from_any_thread() -> None:
    progress = ShowProgress()
    prompt, completion = Prompt(make_sample(1), (1,)), make_completion("a")
    threads = [
        threading.Thread(target=lambda: [progress.on_completion(prompt, completion) for _ in range(500)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert progress.completions == 2000


def test_durations_are_read_at_a_glance() -> None:
    assert [_duration(seconds) for seconds in (5, 65.4, 7384)] == ["0:05", "1:05", "2:03:04"]
