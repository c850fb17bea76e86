"""Downloads from a server that goes wrong."""

import hashlib
import socket
from pathlib import Path

import pytest

from medix.data.download import DownloadError, download
from tests.support.file_server import Answer, serving_files

DATA = bytes(range(256)) * 20
SHA = hashlib.sha256(DATA).hexdigest()


def _download(url: str, target: Path, attempts: int = 4) -> list[float]:
    """The seconds that were waited."""
    waits: list[float] = []
    target.touch()
    download(url, target, len(DATA), SHA, attempts, waits.append)
    return waits


def test_faults_that_pass_are_tried_again_after_longer_waits(tmp_path: Path) -> None:
    """A refusal, an answer cut short, a wrong byte, then the file: waits of up to 1, 2 and 4 seconds, at least half."""
    faults = [Answer(status=503), Answer(DATA, cut=100), Answer(b"x" + DATA[1:]), Answer(DATA)]
    with serving_files(faults) as server:
        waits = _download(f"{server.url}/a.tar", tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == DATA
    assert [limit / 2 <= wait <= limit for limit, wait in zip((1, 2, 4), waits, strict=True)] == [True] * 3
    assert len(server.paths) == 4


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (Answer(DATA[:-1]), rf"size: expected {len(DATA)} bytes, found {len(DATA) - 1} \(attempt 2 of 2\)"),
        (Answer(DATA + b"1"), r"found more \(attempt 2 of 2\)"),
        (Answer(b"1" + DATA[1:]), rf"sha256: expected {SHA}, found .*attempt 2 of 2"),
        (Answer(status=500), r"500.*attempt 2 of 2"),
        (Answer(status=404), r"FileNotFoundError.*attempt 1 of 2"),
        (Answer(status=403), r"403.*attempt 1 of 2"),
    ],
)
def test_a_fault_that_stays_is_named(tmp_path: Path, answer: Answer, told: str) -> None:
    with serving_files([answer] * 2) as server, pytest.raises(DownloadError, match=told):
        _download(f"{server.url}/a.tar", tmp_path / "a.tar", attempts=2)


def test_a_server_that_is_down_is_tried_again(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"attempt 3 of 3"):
        _download(f"http://127.0.0.1:{port}/a.tar", tmp_path / "a.tar", attempts=3)


def test_a_full_disk_is_not_tried_again(tmp_path: Path) -> None:
    with serving_files([Answer(DATA)]) as server, pytest.raises(OSError, match="No space left") as caught:
        download(f"{server.url}/a.tar", Path("/dev/full"), len(DATA), SHA)
    assert not isinstance(caught.value, DownloadError)


def test_waiting_does_not_touch_the_random_generators_of_the_training(tmp_path: Path) -> None:
    import random

    state = random.getstate()
    with serving_files([Answer(status=503), Answer(DATA)]) as server:
        _download(f"{server.url}/a.tar", tmp_path / "a.tar")
    assert random.getstate() == state
