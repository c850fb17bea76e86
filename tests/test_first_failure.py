"""The rank whose connection broke tells of the error that broke it; two processes do so in test_ranks_training."""

import os
import signal
import socket
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from torch import distributed

from medix import first_failure, stop_signal
from medix.distributed import OtherRankError, fail_together
from medix.first_failure import told_by_all
from medix.stop_signal import Stopped, StopRequested

CLOSED = RuntimeError("[../gloo/transport/tcp/pair.cc] Connection closed by peer [127.0.0.1]:5")


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two ranks that meet in a store of this process; what was ended is listed."""
    store, found = distributed.HashStore(), list[str]()
    monkeypatch.setattr(first_failure, "_store", lambda: store)
    monkeypatch.setattr(first_failure, "_PATIENCE", timedelta(seconds=0.2))
    monkeypatch.setattr(first_failure, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "destroy_process_group", lambda: found.append("connections"))
    return found


def test_a_broken_connection_gives_way_to_the_error_that_broke_it(ended: list[str]) -> None:
    with pytest.raises(ValueError, match="sample 't5' has 12039 tokens"), told_by_all():
        raise ValueError("sample 't5' has 12039 tokens")
    assert ended == ["connections"], "those who wait in a collective operation must not wait for the end of the process"
    told = "rank 0 stopped, and all others with it: ValueError: sample 't5'"
    with pytest.raises(OtherRankError, match=told), told_by_all():
        raise CLOSED


def test_the_first_error_is_the_cause_and_the_second_rank_keeps_its_own(ended: list[str]) -> None:
    for text in ("first", "second"):
        with pytest.raises(ValueError, match=text), told_by_all():
            raise ValueError(text)
    assert ended == ["connections"]
    with pytest.raises(OtherRankError, match="first"), told_by_all():
        raise CLOSED


class MuteError(RuntimeError):
    def __str__(self) -> str:
        raise KeyError("no text")


@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize(
    ("error", "told"),
    [(ValueError("bad \udc80 file"), r"bad \\udc80 file"), (MuteError(), r"cannot be read: KeyError")],
)
def test_an_error_without_readable_text_reaches_the_others(error: Exception, told: str) -> None:
    with pytest.raises(type(error)), told_by_all():
        raise error
    with pytest.raises(OtherRankError, match=told), told_by_all():
        raise CLOSED


ADVISED = RuntimeError(
    "[../gloo/transport/tcp/pair.cc:538] Read error [127.0.0.1]:20870: Connection reset by peer. This is typically "
    "caused by a remote worker hanging or bugs in the application. Check the logs of the remote worker before "
    "reporting an error. GLHF! 🏖️"
)
LATE = RuntimeError("[../gloo/transport/tcp/buffer.cc:78] Timed out waiting 3000ms for recv operation to complete")


@pytest.mark.usefixtures("ended")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CLOSED, r"rank 1 broke its connection and left no error \(Connection closed by peer .*look at its output"),
        (ADVISED, r"\(Read error \[127.0.0.1\]:20870: Connection reset by peer\): look at its output"),
        (LATE, r"rank 1 took longer than the time limit of the ranks and left no error \(Timed out waiting 3000ms"),
    ],
)
def test_a_rank_that_left_no_error_is_named(error: Exception, told: str) -> None:
    with pytest.raises(OtherRankError, match=told), told_by_all():
        raise error


def test_without_the_store_the_rank_that_held_it_is_named(ended: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("Broken pipe")

    monkeypatch.setattr(first_failure, "_store", Gone)
    told = "the rank that holds the store of the ranks, usually 0, broke"
    with pytest.raises(OtherRankError, match=told), told_by_all():
        raise CLOSED
    assert not ended


def test_a_signal_that_ended_another_rank_ends_this_one_as_a_signal(
    ended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_failure, "rank", lambda: 1)
    with pytest.raises(StopRequested), told_by_all():
        raise StopRequested  # without a number: SIGTERM
    assert ended == ["connections"]
    with pytest.raises(Stopped, match=r"^$") as caught, told_by_all():  # rank 0 has the last word
        raise CLOSED
    assert caught.value.number == signal.SIGTERM
    monkeypatch.setattr(first_failure, "rank", lambda: 0)
    with pytest.raises(Stopped, match="stopped by SIGTERM, which rank 1 received"), told_by_all():
        raise CLOSED


def test_a_signal_that_the_ranks_know_of_is_not_told_again(ended: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_signal, "is_agreed", lambda: True)
    with pytest.raises(StopRequested), told_by_all():
        raise StopRequested
    assert not ended


def test_what_the_ranks_know_already_is_not_told_again(ended: list[str]) -> None:
    with pytest.raises(ValueError, match="broken"), told_by_all(), fail_together():
        raise ValueError("broken")
    with pytest.raises(OtherRankError, match="rank 1"), told_by_all():
        raise OtherRankError("rank 1 stopped")
    assert not ended


def test_alone_an_error_is_the_error() -> None:
    with pytest.raises(RuntimeError, match="closed by peer"), told_by_all():
        raise CLOSED


RANK = """
import os, sys, time
import torch
from datetime import timedelta
from torch import distributed
from medix import first_failure
from medix.distributed import OtherRankError
from medix.first_failure import told_by_all

distributed.init_process_group("gloo", timeout=timedelta(seconds=120))
held = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))  # it holds the group
first_failure._PATIENCE = timedelta(seconds=100)
begin = time.monotonic()
try:
    with told_by_all():
        if distributed.get_rank() == 0:
            raise ValueError("my loss divides by nothing")
        distributed.all_reduce(torch.ones(3))
except OtherRankError as error:
    print(error)
except ValueError as error:
    print("own:", error)
print(time.monotonic() - begin < 50)
"""


def test_rank_0_ends_the_others_at_once_although_something_holds_the_group() -> None:
    """It holds the store, so that its end would leave nothing to read; 50 s are reached by a hang alone."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", RANK], cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
        )
        for rank in range(2)
    ]  # fmt: skip
    said = [rank.communicate(timeout=300)[0].splitlines() for rank in ranks]
    cause = "rank 0 stopped, and all others with it: ValueError: my loss divides by nothing"
    assert said == [["own: my loss divides by nothing", "True"], [cause, "True"]]
