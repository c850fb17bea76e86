"""The moments at which runs are killed."""

import signal
from collections import Counter
from itertools import islice
from pathlib import Path
from random import Random

from tools.soak.moment import PHASES, Moment, moments


def test_every_phase_and_signal_is_as_frequent_as_any_other() -> None:
    drawn = list(islice(moments(Random(3), 2), 2 * len(PHASES) * 10))
    assert set(Counter((moment.phase, moment.signal) for moment in drawn).values()) == {10}
    assert {moment.rank for moment in drawn} == {None, 0, 1}
    assert all(0 <= moment.after <= 1 and 1 <= moment.occurrence <= 3 for moment in drawn)


def test_one_process_has_no_rank_to_choose_and_the_seed_decides() -> None:
    drawn = list(islice(moments(Random(3), 1), 20))
    assert {moment.rank for moment in drawn} == {None}
    assert drawn == list(islice(moments(Random(3), 1), 20))
    assert drawn != list(islice(moments(Random(4), 1), 20))


def test_a_moment_is_read_as_it_was_written(tmp_path: Path) -> None:
    moment = Moment("update", 2, 0.25, "SIGTERM", 1)
    moment.write(tmp_path / "moment.json")
    assert Moment.read(tmp_path / "moment.json") == moment
    assert moment.number == signal.SIGTERM
