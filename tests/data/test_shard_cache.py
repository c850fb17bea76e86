"""A bounded folder of downloads that several readers share."""

import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from medix.data.download import DownloadError
from medix.data.machine_error import MachineError
from medix.data.manifest import ManifestError, ShardEntry
from medix.data.shard_cache import ShardCache, default_cache
from tests.support.file_server import Answer, FileServer, serving_files

SIZE = 1000
NAMES = "abcdef"


def _data(name: str) -> bytes:
    return name.encode() * SIZE


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving_files({f"/{name}.tar": Answer(_data(name)) for name in NAMES}) as found:
        yield found


def _entry(server: FileServer, name: str) -> ShardEntry:
    return ShardEntry(f"{server.url}/{name}.tar", hashlib.sha256(_data(name)).hexdigest(), SIZE, 1)


def _read(cache: ShardCache, entry: ShardEntry) -> bytes:
    descriptor = cache.open(entry)
    try:
        return os.pread(descriptor, 2 * SIZE, 0)
    finally:
        os.close(descriptor)


def _held(cache: ShardCache, server: FileServer) -> str:
    return "".join(name for name in NAMES if cache.has(_entry(server, name)))


def test_a_shard_is_downloaded_once_and_need_not_be_hashed(server: FileServer, tmp_path: Path) -> None:
    cache, entry = ShardCache(tmp_path / "cache"), _entry(server, "a")
    assert _read(cache, entry) == _read(ShardCache(tmp_path / "cache"), entry) == _data("a")
    assert server.paths == ["/a.tar"]
    assert entry.sha256 in (tmp_path / "cache" / "verified.jsonl").read_text()


def test_what_was_opened_least_recently_is_removed_first(server: FileServer, tmp_path: Path) -> None:
    """Three fit. a, b, c, then a again: the fourth removes b, the fifth c."""
    cache = ShardCache(tmp_path, limit=3 * SIZE)
    for name in "abcad":
        assert _read(cache, _entry(server, name)) == _data(name)
    assert _held(cache, server) == "acd"
    _read(cache, _entry(server, "e"))
    assert _held(cache, server) == "ade"
    _read(cache, _entry(server, "b"))
    assert server.paths.count("/b.tar") == 2


def test_a_shard_that_is_open_is_never_removed(
    server: FileServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Another descriptor of the same file, as in another process, keeps it; the limit is exceeded with one warning."""
    cache = ShardCache(tmp_path, limit=2 * SIZE)
    held = [ShardCache(tmp_path, limit=2 * SIZE).open(_entry(server, name)) for name in "ab"]
    with caplog.at_level(logging.WARNING):
        for name in "cd":
            _read(cache, _entry(server, name))
    assert _held(cache, server) == "abd"
    assert [record.getMessage().count("because its shards are open") for record in caplog.records] == [1]
    for descriptor in held:
        os.close(descriptor)
    _read(cache, _entry(server, "e"))
    assert _held(cache, server) == "de"


def test_a_shard_that_is_not_needed_yet_does_not_exceed_the_limit(server: FileServer, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, limit=2 * SIZE)
    held = [cache.open(_entry(server, name)) for name in "ab"]
    cache.fetch(_entry(server, "c"), is_early=True)
    assert _held(cache, server) == "ab"
    assert server.paths == ["/a.tar", "/b.tar"]
    for descriptor in held:
        os.close(descriptor)
    cache.fetch(_entry(server, "c"), is_early=True)
    assert _held(cache, server) == "bc"


def test_a_shard_removed_between_download_and_opening_is_downloaded_again(
    server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, entry = ShardCache(tmp_path), _entry(server, "a")
    opened: list[Path] = []
    real = os.open

    def open_late(path: Path, flags: int, *rest: int) -> int:
        if Path(path).suffix == ".tar" and not opened:
            opened.append(path)
            Path(path).unlink()
        return real(path, flags, *rest)

    monkeypatch.setattr("medix.data.shard_cache.os.open", open_late)
    assert _read(cache, entry) == _data("a")
    assert server.paths == ["/a.tar"] * 2


def test_readers_at_the_same_time_download_a_shard_once(server: FileServer, tmp_path: Path) -> None:
    found: list[bytes] = []
    readers = [
        threading.Thread(target=lambda: found.append(_read(ShardCache(tmp_path, limit=SIZE), _entry(server, "a"))))
        for _ in range(4)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert found == [_data("a")] * 4
    assert server.paths == ["/a.tar"]


def test_what_a_killed_process_left_is_replaced(server: FileServer, tmp_path: Path) -> None:
    cache, entry = ShardCache(tmp_path), _entry(server, "a")
    left = cache.path(entry).with_name(f".partial-{cache.path(entry).name}")
    left.write_bytes(b"half")
    assert _read(cache, entry) == _data("a")
    assert not left.exists()


def test_a_download_that_fails_leaves_nothing(server: FileServer, tmp_path: Path) -> None:
    cache = ShardCache(tmp_path, attempts=1)
    wrong = ShardEntry(f"{server.url}/a.tar", "0" * 64, SIZE, 1)
    with pytest.raises(DownloadError, match="sha256: expected 0000"):
        cache.open(wrong)
    assert not list(tmp_path.glob("*.tar"))


def test_a_server_that_is_down_is_waited_for_once_by_all_processes_and_shards(
    server: FileServer, tmp_path: Path
) -> None:
    """Two caches stand for two ranks. A shard that is there needs no server; a later run asks it again."""
    entries = {name: _entry(server, name) for name in "abc"}
    ranks = [ShardCache(tmp_path, attempts=1) for _ in range(2)]
    ranks[0].fetch(entries["c"])
    server.answers = {}  # no answer to any request
    for rank in ranks:
        for name in "ab":
            with pytest.raises(DownloadError, match=r"^ServerDisconnectedError"):
                rank.fetch(entries[name])
        assert _read(rank, entries["c"]) == _data("c")
    assert server.paths == ["/c.tar"]
    server.answers = {f"/{name}.tar": Answer(_data(name)) for name in "ab"}
    later = ShardCache(tmp_path)
    assert [_read(later, entries[name]) for name in "ab"] == [_data("a"), _data("b")]
    assert _read(ranks[0], entries["a"]) == _data("a")
    assert not list(tmp_path.glob("*.failed"))


@pytest.mark.parametrize("answer", [Answer(status=500), Answer(_data("a"), cut=100)])
def test_a_shard_that_the_server_fails_at_does_not_keep_others(
    server: FileServer, tmp_path: Path, answer: Answer
) -> None:
    assert isinstance(server.answers, dict)
    server.answers["/a.tar"] = answer
    cache = ShardCache(tmp_path, attempts=1)
    for _ in range(2):
        with pytest.raises(DownloadError):
            cache.fetch(_entry(server, "a"))
        assert _read(cache, _entry(server, "b")) == _data("b")
    assert server.paths == ["/a.tar", "/b.tar"]


def test_what_killed_processes_left_is_removed_and_does_not_count(server: FileServer, tmp_path: Path) -> None:
    """What is being downloaded stays: its lock is held."""
    cache = ShardCache(tmp_path, limit=3 * SIZE)
    _read(cache, _entry(server, "a"))
    left, kept = (tmp_path / f".partial-{cache.path(_entry(server, name)).name}" for name in "bc")
    for partial in (left, kept):
        partial.write_bytes(bytes(SIZE))
    with filelock.FileLock(f"{cache.path(_entry(server, 'c'))}.lock"):
        _read(cache, _entry(server, "d"))
        assert (left.exists(), kept.exists()) == (False, True)
    assert _held(cache, server) == "ad"


@pytest.mark.parametrize("place", ["folder", "lock"])
def test_a_folder_that_cannot_be_written_is_a_fault_of_the_machine(
    server: FileServer, tmp_path: Path, place: str
) -> None:
    """No bad shard, which a run may leave out. The user of the tests may write everywhere: names that are taken."""
    cache, entry = ShardCache(tmp_path / "cache"), _entry(server, "a")
    taken = cache.folder if place == "folder" else Path(f"{cache.path(entry)}.lock")
    taken.parent.mkdir(exist_ok=True)
    if place == "folder":
        taken.write_text("")
    else:
        taken.mkdir()
    with pytest.raises(MachineError, match=rf"{tmp_path}/cache.*(Not a directory|Is a directory); .*data\.cache_dir"):
        cache.open(entry)


def test_a_command_in_place_of_an_address_is_refused() -> None:
    with pytest.raises(ManifestError, match="would run a command and is refused"):
        ShardEntry("pipe:curl https://host/a.tar", "0" * 64, 1, 1)


def test_the_default_folder_is_in_the_home_of_the_user() -> None:
    assert ShardCache().folder == default_cache() == Path.home() / ".cache" / "medix" / "shards"
