"""The rank whose connection broke tells of the error that broke it; two processes do so in test_ranks_training."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed
from torch._C._distributed_c10d import HashStore

from medix import first_failure, stop_signal
from medix.distributed import OtherRankError, fail_together
from medix.first_failure import told_by_all
from medix.stop_signal import Stopped, StopRequested

CLOSED = RuntimeError("[../gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:5")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> HashStore:
    """Two ranks, one after the other, that meet in a store of this process."""
    store = HashStore()
    monkeypatch.setattr(first_failure, "_store", lambda: store)
    monkeypatch.setattr(first_failure, "_PATIENCE", timedelta(seconds=1))
    monkeypatch.setattr(first_failure, "_PAUSE", 0.01)
    monkeypatch.setattr(first_failure, "world_size", lambda: 2)
    return store


@pytest.mark.usefixtures("store")
def test_a_broken_connection_gives_way_to_the_error_that_broke_it() -> None:
    with pytest.raises(ValueError, match="sample 't5' has 12039 tokens"), told_by_all(2):
        raise ValueError("sample 't5' has 12039 tokens")
    told = "rank 0 stopped, and all others with it: ValueError: sample 't5'"
    with pytest.raises(OtherRankError, match=told), told_by_all(2):
        raise CLOSED


@pytest.mark.usefixtures("store")
def test_the_first_error_is_the_cause_and_the_second_rank_keeps_its_own() -> None:
    with pytest.raises(ValueError, match="first"), told_by_all(2):
        raise ValueError("first")
    with pytest.raises(ValueError, match="second") as caught, told_by_all(2):
        raise ValueError("second")
    assert caught.value.__notes__ == ["rank 0 stopped, and all others with it: ValueError: first"]
    with pytest.raises(OtherRankError, match="first"), told_by_all(2):
        raise CLOSED


class MuteError(RuntimeError):
    def __str__(self) -> str:
        raise KeyError("no text")


class EndOfLicence(BaseException):
    """As a library of a user may raise."""


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("bad \udc80 file"), r"bad \\udc80 file"),
        (MuteError(), r"cannot be read: KeyError"),
        (SystemExit(3), "SystemExit: 3"),
        (EndOfLicence("today"), "EndOfLicence: today"),
        (AssertionError(), r"AssertionError: \(it says nothing; raised in .*test_first_failure.py:\d+\)"),
        (RuntimeError("the socket of my reward timed out"), "RuntimeError: the socket of my reward timed out"),
        (RuntimeError("NCCL, gloo: connection refused by peer"), "RuntimeError: NCCL, gloo"),
        (ConnectionResetError(104, "Connection reset by peer"), "ConnectionResetError: .* reset by peer"),
    ],
)
def test_an_error_reaches_the_others_whatever_it_says(error: BaseException, told: str) -> None:
    with pytest.raises(type(error)), told_by_all(2):
        raise error
    with pytest.raises(OtherRankError, match=told), told_by_all(2):
        raise CLOSED


ADVISED = RuntimeError(
    "[../gloo/transport/tcp/pair.cc:538] Read error [127.0.0.1]:20870: Connection reset by peer. This is typically "
    "caused by a remote worker hanging or bugs in the application. Check the logs of the remote worker before "
    "reporting an error. GLHF! 🏖️"
)
MET = RuntimeError("Gloo connectFullMesh failed with [/third_party/gloo/transport/tcp/pair.cc:144] no error")
LATE = RuntimeError("[../gloo/transport/tcp/buffer.cc:78] Timed out waiting 3000ms for recv operation to complete")


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CLOSED, r"rank 1 broke its connection and left no error \(Connection closed by peer .*look at its output"),
        (ADVISED, r"\(Read error \[127.0.0.1\]:20870: Connection reset by peer\): look at its output"),
        (MET, r"rank 1 broke its connection and left no error \(no error\)"),
        (distributed.DistBackendError("NCCL error: a. b\nLast error: c"), r"error \(NCCL error: a. b\nLast error: c\)"),
        (distributed.DistNetworkError("my server is down"), r"broke its .* left no error \(my server is down\): look"),
        (distributed.DistStoreError("wait timeout after 5ms, keys: /x"), r"rank 1 took longer .*\(wait timeout after"),
        (RuntimeError("Application timeout caused pair closure"), r"rank 1 took longer .*\(Application timeout"),
        (LATE, r"rank 1 took longer than the time limit of the ranks and left no error \(Timed out waiting 3000ms"),
    ],
)
def test_a_rank_that_left_no_error_is_named(error: Exception, told: str) -> None:
    with pytest.raises(OtherRankError, match=told), told_by_all(2):
        raise error


@pytest.mark.usefixtures("store")
def test_memory_that_cannot_be_had_is_no_broken_connection() -> None:
    """Its text begins with a place in a source as well."""
    with (
        pytest.raises(RuntimeError, match=r"^\[enforce fail at .*not enough memory|^\[enforce fail at .*allocate"),
        told_by_all(2),
    ):
        torch.empty(2**60)


@pytest.mark.usefixtures("store")
def test_without_the_store_the_rank_that_held_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def __getattr__(self, name: str) -> object:
            raise RuntimeError("Broken pipe")

    monkeypatch.setattr(first_failure, "_store", Gone)
    told = "the rank that holds the store of the ranks, usually 0, broke"
    with pytest.raises(OtherRankError, match=told), told_by_all(2):
        raise CLOSED


@pytest.mark.usefixtures("store")
def test_a_signal_that_ended_another_rank_ends_this_one_as_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_failure, "rank", lambda: 1)
    with pytest.raises(StopRequested), told_by_all(2):
        raise StopRequested  # without a number: SIGTERM
    with pytest.raises(Stopped, match=r"^$") as caught, told_by_all(2):  # rank 0 has the last word
        raise CLOSED
    assert caught.value.number == signal.SIGTERM
    monkeypatch.setattr(first_failure, "rank", lambda: 0)
    with pytest.raises(Stopped, match="stopped by SIGTERM, which rank 1 received"), told_by_all(2):
        raise CLOSED


@pytest.mark.usefixtures("store")
def test_ctrl_c_as_an_error_ends_the_others_as_the_signal_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning exits with 1 by it."""
    monkeypatch.setattr(first_failure, "rank", lambda: 1)
    end = SystemExit(1)
    end.__context__ = KeyboardInterrupt()
    with pytest.raises(SystemExit), told_by_all(2):
        raise end
    monkeypatch.setattr(first_failure, "rank", lambda: 0)
    with pytest.raises(Stopped, match=r"stopped by Ctrl-C \(SIGINT\), which rank 1 received"), told_by_all(2):
        raise CLOSED


@pytest.mark.usefixtures("store")
def test_the_signal_of_a_launcher_that_saw_the_error_of_another_rank_gives_way_to_the_error() -> None:
    with pytest.raises(ValueError, match="broken"), told_by_all(2):
        raise ValueError("broken")
    told = "rank 0 stopped, and all others with it: ValueError: broken"
    with pytest.raises(OtherRankError, match=told), told_by_all(2):
        raise StopRequested


def test_a_signal_that_the_ranks_know_of_is_not_told_again(store: HashStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stop_signal, "is_agreed", lambda: True)
    with pytest.raises(StopRequested), told_by_all(2):
        raise StopRequested
    assert not store.check([first_failure._KEY])


def test_what_the_ranks_know_already_is_not_told_again(store: HashStore) -> None:
    with pytest.raises(ValueError, match="broken"), told_by_all(2), fail_together():
        raise ValueError("broken")
    with pytest.raises(OtherRankError, match="rank 1"), told_by_all(2):
        raise OtherRankError("rank 1 stopped")
    with pytest.raises(RuntimeError, match="in other words"), told_by_all(2):
        raise RuntimeError("in other words") from OtherRankError("rank 1 stopped")
    assert not store.check([first_failure._KEY])


@pytest.mark.parametrize("ranks", [1, 2])
def test_where_no_rank_was_met_an_error_is_the_error(ranks: int) -> None:
    with pytest.raises(RuntimeError, match="closed by peer"), told_by_all(ranks):
        raise CLOSED


RANK = """
import socket, sys, threading
import torch
from datetime import timedelta
import torch
from torch import distributed
from torch._C._distributed_c10d import HashStore
from medix import first_failure
from medix.distributed import OtherRankError
from medix.first_failure import told_by_all

fails, computes = sys.argv[1] == "fails", sys.argv[2] == "computes"
distributed.init_process_group("gloo", timeout=timedelta(seconds=120))
held = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 2))  # it holds the group
first_failure._PATIENCE = timedelta(seconds=100)
try:
    with told_by_all(2):
        if distributed.get_rank() == 0:
            logger = socket.create_connection(("127.0.0.1", int(sys.argv[3])))
            if fails:
                raise RuntimeError("the socket of my reward timed out")
        elif computes:
            sys.stdin.read()  # until rank 0 has gone
        distributed.all_reduce(torch.ones(3))
except OtherRankError as error:
    print(error)
except RuntimeError as error:
    print("own:", error)
print([one.name for one in threading.enumerate() if "medix" in one.name])
if distributed.get_rank() == 0:
    logger.sendall(b"the last loss")
distributed.destroy_process_group()  # as Lightning does at exit: without, torch itself may abort
"""


@pytest.fixture
def logs() -> Iterator[socket.socket]:
    """A server in which a user's callback logs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(300)
        yield server


def start(logs: socket.socket, *words: str) -> list[subprocess.Popen[str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    asked: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", RANK, *words, str(logs.getsockname()[1])],
            cwd=Path(__file__).parents[1], text=True, **asked,
            env={**os.environ, "RANK": str(rank), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port},
        )
        for rank in range(2)
    ]  # fmt: skip


@pytest.mark.parametrize("other", ["waits", "computes"])
def test_the_error_of_rank_0_is_the_last_word_of_the_other_whatever_it_does(logs: socket.socket, other: str) -> None:
    """Rank 0 holds the store, ends before rank 1 comes out of a computation, and logs at its end; something holds the
    process group. Only a rank that did not hear would keep rank 0 for 100 s."""
    ranks = start(logs, "fails", other)
    first, _ = ranks[0].communicate(timeout=90)
    second, _ = ranks[1].communicate(timeout=90)
    text = "the socket of my reward timed out"
    cause = f"rank 0 stopped, and all others with it: RuntimeError: {text}"
    assert [first.splitlines(), second.splitlines()] == [[f"own: {text}", "[]"], [cause, "[]"]]
    with logs.accept()[0] as connection:
        assert connection.recv(99) == b"the last loss"


def test_ranks_that_end_well_say_nothing_and_keep_no_thread(logs: socket.socket) -> None:
    said = [rank.communicate(timeout=300) for rank in start(logs, "ends", "waits")]
    assert said == [("[]\n", "")] * 2
