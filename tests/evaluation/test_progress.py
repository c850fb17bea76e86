"""An honest time to go."""

import sys
from typing import Any

import pytest

from medix.evaluation import progress
from medix.evaluation.progress import Progress, clock


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(progress, "time", found)
    return found


def test_the_time_to_go_is_that_of_this_run_and_its_last_minute(time: Clock) -> None:
    """600 of 1,000 were known. 5 in 10 s leave 395: 790 s. Then 200 in 120 s leave 195 at 0.6 s: 117 s."""
    bar = Progress("t", 1000, 600)
    assert bar.seconds_left is None
    assert str(bar) == "t  600/1,000"
    for _ in range(5):
        time.now += 2.0
        bar.advance()
    assert bar.seconds_left == pytest.approx(790.0)
    for _ in range(200):
        time.now += 0.6
        bar.advance(is_failure=bar.done == 700)
    assert bar.seconds_left == pytest.approx(117.0)
    assert str(bar) == "t  805/1,000  1 failed  1:57 left"


def test_lines_are_written_every_half_minute_without_a_terminal(
    time: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("t", 10) as bar:
        for _ in range(10):
            time.now += 7.0
            bar.advance()
    assert capsys.readouterr().err == "t  5/10  0:35 left\nt  10/10\n"


def test_one_line_is_renewed_on_a_terminal(
    time: Clock, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress("t", 2) as bar:
        for _ in range(2):
            time.now += 1.0
            bar.advance()
    written: Any = capsys.readouterr().err
    assert written.split("\r\x1b[K") == ["", "t  1/2", "t  2/2", "t  2/2\n"]


def test_clock() -> None:
    assert [clock(seconds) for seconds in (0, 7.4, 67, 3723)] == ["0:00", "0:07", "1:07", "1:02:03"]
