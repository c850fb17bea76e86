"""The callback that ends its process: at the moment that the file names, and at no other."""

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools.soak.end_at import EndAt
from tools.soak.moment import Moment

TRAINER: Any = SimpleNamespace(callbacks=[])
MODULE: Any = None


@pytest.fixture
def sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Signals that the callback sends to its process."""
    numbers: list[int] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tools.soak.end_at.os.kill", lambda _, number: numbers.append(number))
    Path("durations.json").write_text(json.dumps({"update": 0.001}))
    return numbers


def phases(callback: EndAt, *names: str) -> None:
    """Phases one after the other, with the timers that they start."""
    for name in names:
        callback.on_phase_start(TRAINER, MODULE, name)
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join()
        callback.on_phase_end(TRAINER, MODULE, name, 0.0)


def test_the_second_update_is_ended_and_nothing_before(sent: list[int]) -> None:
    Moment("update", 2, 0.5, "SIGTERM", None).write(Path("moment.json"))
    callback = EndAt("moment.json", "durations.json")
    phases(callback, "rollout", "update", "rollout")
    assert sent == []
    phases(callback, "update", "update")
    assert sent == [15]
    assert Path("sent-0").exists()


def test_another_rank_is_left_alone(sent: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    Moment("update", 1, 0.5, "SIGKILL", 0).write(Path("moment.json"))
    monkeypatch.setenv("RANK", "1")
    phases(EndAt("moment.json", "durations.json"), "update")
    assert sent == []


def test_a_run_without_a_moment_writes_how_long_its_phases_took(sent: list[int]) -> None:
    callback = EndAt("moment.json", "durations.json")
    phases(callback, "rollout", "rollout")
    callback.on_validation_start(TRAINER, MODULE)
    callback.on_validation_end(TRAINER, MODULE)
    callback.on_fit_end(TRAINER, MODULE)
    taken = json.loads(Path("durations.json").read_text())
    assert set(taken) == {"rollout", "validation"}
    assert all(0 <= seconds < 60 for seconds in taken.values())
    assert sent == []
