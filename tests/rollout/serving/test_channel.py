"""Weights on their way to servers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medix.rollout.serving.channel import FolderChannel, WeightChannel
from medix.rollout.serving.client import EngineAddress, ServerFault, connected, run_apart
from medix.rollout.serving.server import Server
from medix.rollout.serving.weight_folder import from_plain, read
from tests.support.rollout_servers import refuses, serving

WEIGHT = torch.arange(4.0)


def weights() -> Iterator[tuple[str, Tensor]]:
    yield "w", WEIGHT


def publish(channel: WeightChannel, *urls: str, version: str = "v1") -> tuple[Any, list[Server]]:
    servers = [Server(EngineAddress(url), 4) for url in urls]
    parcel = channel.publish(servers, version, weights, {"depth": 3}, api_key_env="MEDIX_TEST_KEY", limit=5)
    return parcel, servers


def test_servers_are_told_files_that_hold_the_weights(tmp_path: Path) -> None:
    with serving() as one, serving() as other:
        parcel, _ = publish(FolderChannel(str(tmp_path)), one.url, other.url)
        assert one.parcels == other.parcels == [parcel]
        assert (one.version, other.version) == ("v1", "v1")
    assert parcel["sizes"] == {"depth": 3}
    assert torch.equal(dict(read(from_plain(parcel["files"])))["w"], WEIGHT)


def test_a_server_that_does_not_take_them_is_set_aside_and_the_others_are_not(tmp_path: Path) -> None:
    with serving() as bad, serving() as good:
        bad.others = {"/update_weights": refuses(500, "no")}
        _, (first, second) = publish(FolderChannel(str(tmp_path)), bad.url, good.url)
        assert (first.is_up, first.cause, second.is_up) == (False, "status 500: no", True)
        bad.others = {}
        first.set_aside("earlier")
        assert publish(FolderChannel(str(tmp_path)), bad.url)[1][0].is_up


def test_a_parcel_restores_a_server_from_any_process(tmp_path: Path) -> None:
    """Another rank, which wrote nothing itself, and knows the parcel alone."""
    with serving() as server:
        parcel, [one] = publish(FolderChannel(str(tmp_path)), server.url)
        server.version = "default"

        async def work() -> None:
            async with connected("MEDIX_TEST_KEY") as client:
                await FolderChannel().restore(client, one, "v1", parcel, limit=5)

        run_apart(work)
        assert (server.version, len(server.parcels)) == ("v1", 2)


def test_only_the_present_version_is_kept_and_nothing_after_closing(tmp_path: Path) -> None:
    channel = FolderChannel(str(tmp_path))
    with serving() as server:
        publish(channel, server.url)
        publish(channel, server.url, version="v2")
    assert [path.name for path in tmp_path.iterdir()] == ["v2"]
    channel.close()
    assert list(tmp_path.iterdir()) == []


def test_without_a_folder_one_is_made_and_removed() -> None:
    channel = FolderChannel()
    with serving() as server:
        parcel, _ = publish(channel, server.url)
        path = Path(parcel["files"][0]["path"])
        assert path.exists()
        channel.close()
        assert not path.parent.parent.exists()
        publish(channel, server.url)  # and made again
        channel.close()


def test_a_channel_that_cannot_restore_says_when_weights_come() -> None:
    class Once(WeightChannel):
        backend = "once"

        def publish(self, *arguments: Any, **named: Any) -> None:
            return None

    async def work() -> None:
        async with connected("MEDIX_TEST_KEY") as client:
            await Once().restore(client, Server(EngineAddress("http://h:1"), 1), "v", {}, limit=1)

    with pytest.raises(ServerFault, match="with the next publish"):
        run_apart(work)


def test_a_rank_that_does_not_publish_takes_part_in_gathering() -> None:
    passed: list[str] = []

    def gathering() -> Iterator[tuple[str, Tensor]]:
        for name, weight in weights():
            passed.append(name)
            yield name, weight

    FolderChannel().join(gathering)
    assert passed == ["w"]
