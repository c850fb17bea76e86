"""A bounded folder of downloads that several readers share."""

import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from medix.data.download import DownloadError
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


def test_a_command_in_place_of_an_address_is_refused() -> None:
    with pytest.raises(ManifestError, match="would run a command and is refused"):
        ShardEntry("pipe:curl https://host/a.tar", "0" * 64, 1, 1)


def test_the_default_folder_is_in_the_home_of_the_user() -> None:
    assert ShardCache().folder == default_cache() == Path.home() / ".cache" / "medix" / "shards"
