"""Downloads from a server that goes wrong."""

import errno
import hashlib
import socket
from pathlib import Path

import fsspec
import pytest

from medix.data.download import DownloadError, download
from medix.data.machine_error import MachineError
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
        (Answer(status=404), r"there is no such file \(404\).*attempt 1 of 2"),
        (Answer(status=403), r"access is refused; .*403.*attempt 1 of 2"),
    ],
)
def test_a_fault_that_stays_is_named(tmp_path: Path, answer: Answer, told: str) -> None:
    with serving_files([answer] * 2) as server, pytest.raises(DownloadError, match=told):
        _download(f"{server.url}/a.tar", tmp_path / "a.tar", attempts=2)


def test_a_server_that_is_down_is_tried_again(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"attempt 3 of 3") as caught:
        _download(f"http://127.0.0.1:{port}/a.tar", tmp_path / "a.tar", attempts=3)
    assert caught.value.server == "silent"


@pytest.mark.parametrize(
    ("answer", "says"),
    [(Answer(status=503), "fails"), (Answer(DATA, cut=100), "fails"), (Answer(status=404), "answers"),
     (Answer(status=403), "answers"), (Answer(b"other"), "answers")],
)  # fmt: skip
def test_a_fault_of_the_server_is_told_from_one_of_the_file(tmp_path: Path, answer: Answer, says: str) -> None:
    with serving_files([answer]) as server, pytest.raises(DownloadError) as caught:
        _download(f"{server.url}/a.tar", tmp_path / "a.tar", attempts=1)
    assert caught.value.server == says


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_server_that_never_answers_costs_no_more_than_the_time_that_is_given(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes the connection and is silent: one request, and not 60 seconds for each attempt."""
    (tmp_path / "a.tar").touch()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
            monkeypatch.setenv(name, "any")
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        url = f"{address}/a.tar" if scheme == "http" else "s3://bucket/a.tar"
        with pytest.raises(DownloadError, match=r"attempt 1 of 5, after which data\.download_seconds: 0\.3 ") as one:
            download(url, tmp_path / "a.tar", len(DATA), SHA, seconds=0.3)
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert one.value.server == "silent"


@pytest.mark.parametrize(("scheme", "key"), [("http", "client_kwargs"), ("s3", "config_kwargs")])
def test_what_a_user_configures_of_a_protocol_stays(
    scheme: str, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, dict[str, object]] = {}

    def stop(url: str, **settings: dict[str, object]) -> None:
        given.update(settings)
        raise ValueError

    monkeypatch.setitem(fsspec.config.conf, scheme, {key: {"headers": "mine"}})
    monkeypatch.setattr("fsspec.url_to_fs", stop)
    with pytest.raises(DownloadError):
        _download(f"{scheme}://host/a.tar", tmp_path / "a.tar")
    assert given[key]["headers"] == "mine"


@pytest.mark.parametrize(("target", "told"), [("/dev/full", "No space left"), ("missing/a.tar", "No such file")])
def test_a_target_that_cannot_be_written_is_a_fault_of_the_machine(tmp_path: Path, target: str, told: str) -> None:
    with serving_files([Answer(DATA)]) as server, pytest.raises(MachineError, match=rf"{target}: {told}"):
        download(f"{server.url}/a.tar", tmp_path / target, len(DATA), SHA)


def test_a_machine_without_free_descriptors_is_not_a_server_that_is_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    (tmp_path / "a.tar").touch()
    monkeypatch.setattr("fsspec.url_to_fs", fail)
    with pytest.raises(MachineError, match=r"a\.tar: Too many open files; .*ulimit -n"):
        download("http://host/a.tar", tmp_path / "a.tar", len(DATA), SHA)


def test_waiting_does_not_touch_the_random_generators_of_the_training(tmp_path: Path) -> None:
    import random

    state = random.getstate()
    with serving_files([Answer(status=503), Answer(DATA)]) as server:
        _download(f"{server.url}/a.tar", tmp_path / "a.tar")
    assert random.getstate() == state
