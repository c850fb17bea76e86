"""Shards are downloaded before they are needed, in the order of the draws."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from medix.data.manifest import Manifest
from medix.data.read_ahead import ReadAhead
from medix.data.selectors.selector import EpochSelector
from medix.data.shard_cache import ShardCache
from medix.data.stream import Stream
from tests.support.file_server import Answer, FileServer, serving_files
from tests.support.streams import manifest

SIZE = 100


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving_files({f"/{number}.tar": Answer(bytes([number]) * SIZE) for number in range(8)}) as found:
        yield found


def _remote(server: FileServer, folder: Path) -> Manifest:
    made = manifest(folder, "m", [1] * 8)
    return replace(made, shards=tuple(
        replace(entry, url=f"{server.url}/{i}.tar", bytes=SIZE, sha256=hashlib.sha256(bytes([i]) * SIZE).hexdigest())
        for i, entry in enumerate(made.shards)
    ))  # fmt: skip


def _ahead(server: FileServer, folder: Path, limit: int | None = None, shards: int = 2) -> tuple[ReadAhead, Stream]:
    cache = ShardCache(folder / "cache", limit=limit, attempts=1)
    stream = Stream([_remote(server, folder)], window=2, cache=cache)
    selector = EpochSelector()
    selector.bind(stream)
    return ReadAhead(stream, selector, shards), stream


def test_the_window_and_the_next_shards_are_downloaded_in_order(server: FileServer, tmp_path: Path) -> None:
    ahead, stream = _ahead(server, tmp_path)
    order = stream.order.shard_order(0)
    ahead.look(0)
    ahead.wait()
    assert server.paths == [f"/{number}.tar" for number in order[:4]]
    ahead.look(2)
    ahead.wait()
    assert server.paths == [f"/{number}.tar" for number in order[:6]]


def test_no_more_is_downloaded_than_the_cache_holds(server: FileServer, tmp_path: Path) -> None:
    ahead, _ = _ahead(server, tmp_path, limit=3 * SIZE + 50)
    ahead.look(0)
    ahead.wait()
    assert len(server.paths) == 3


def test_what_is_needed_soon_is_not_removed_for_what_is_needed_later(server: FileServer, tmp_path: Path) -> None:
    """Four fit. The first shard was opened longest ago, but is of the window; another, opened since, makes room."""
    ahead, stream = _ahead(server, tmp_path, limit=4 * SIZE)
    order, shards = stream.order.shard_order(0), stream.shards.shards
    for number in (order[0], order[7], order[6]):
        shards[number].cache.fetch(shards[number].entry)
    ahead.look(0)
    ahead.wait()
    assert [shards[number].is_local for number in order[:4]] == [True] * 4


def test_zero_shards_ahead_downloads_nothing(server: FileServer, tmp_path: Path) -> None:
    ahead, _ = _ahead(server, tmp_path, shards=0)
    ahead.look(0)
    ahead.wait()
    assert server.paths == []


def test_a_shard_that_fails_does_not_keep_later_ones(tmp_path: Path, server: FileServer) -> None:
    """The draw that needs it raises the error."""
    ahead, stream = _ahead(server, tmp_path)
    first, second = stream.order.shard_order(0)[:2]
    assert isinstance(server.answers, dict)
    server.answers[f"/{first}.tar"] = Answer(status=404)
    ahead.look(0)
    ahead.wait()
    assert [stream.shards.shards[number].is_local for number in (first, second)] == [False, True]
    ahead.look(0)
    ahead.wait()
    assert server.paths.count(f"/{first}.tar") == 1, "what failed is not requested again with every batch"


def test_what_was_not_downloaded_is_told_without_its_password(
    tmp_path: Path, server: FileServer, caplog: pytest.LogCaptureFixture
) -> None:
    whole = _remote(server, tmp_path)
    secret = server.url.replace("://", "://me:secret@")
    shards = tuple(replace(one, url=one.url.replace(server.url, secret), sha256="0" * 64) for one in whole.shards)
    stream = Stream([replace(whole, shards=shards)], window=2, cache=ShardCache(tmp_path / "cache", attempts=1))
    selector = EpochSelector()
    selector.bind(stream)
    ahead = ReadAhead(stream, selector, 1)
    with caplog.at_level(logging.INFO):
        ahead.look(0)
        ahead.wait()
    assert "was not downloaded ahead" in caplog.text
    assert "secret" not in caplog.text
