"""Weights on their way to servers."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medix.rollout.serving.channel import FolderChannel, PublishedWeights, WeightChannel
from medix.rollout.serving.server import Server
from medix.rollout.serving.weight_folder import from_plain, read
from medix.serving.request_error import RequestError
from medix.serving.session import Session
from tests.support.clients import client_of, run
from tests.support.fault_server import refuses
from tests.support.rollout_servers import serving

WEIGHT = torch.arange(4.0)


def weights() -> Iterator[tuple[str, Tensor]]:
    yield "w", WEIGHT


def publish(channel: WeightChannel, *urls: str, version: str = "v1") -> PublishedWeights:
    with closing(client_of(*urls)) as client:
        return channel.publish(client, version, weights, {"depth": 3}, limit=120)


def files_of(published: PublishedWeights) -> list[dict[str, Any]]:
    assert published.manifest is not None
    found: list[dict[str, Any]] = published.manifest["files"]
    return found


def test_servers_are_told_files_that_hold_the_weights(tmp_path: Path) -> None:
    with serving() as one, serving() as other:
        published = publish(FolderChannel(str(tmp_path)), one.url, other.url)
        assert one.manifests == other.manifests == [published.manifest]
        assert (one.version, other.version) == ("v1", "v1")
    assert published.manifest is not None
    assert published.manifest["sizes"] == {"depth": 3}
    assert torch.equal(dict(read(from_plain(files_of(published))))["w"], WEIGHT)


def test_servers_are_told_to_which_dtype_weights_were_rounded(tmp_path: Path) -> None:
    with serving() as server, closing(client_of(server.url)) as client:
        channel = FolderChannel(str(tmp_path))
        channel.publish(client, "v1", weights, {"depth": 3}, limit=120, narrowed_to="bfloat16")
        channel.publish(client, "v2", weights, {"depth": 3}, limit=120)
    assert [manifest.get("narrowed_to") for manifest in server.manifests] == ["bfloat16", None]


def test_a_server_that_does_not_load_them_has_a_cause_and_the_others_have_none(tmp_path: Path) -> None:
    with serving() as bad, serving() as good:
        bad.others = {"/update_weights": refuses(500, "no")}
        assert publish(FolderChannel(str(tmp_path)), bad.url, good.url).causes == ("status 500: no", "")
        bad.others = {}
        assert publish(FolderChannel(str(tmp_path)), bad.url).causes == ("",)


def test_a_manifest_restores_a_server_from_any_process(tmp_path: Path) -> None:
    """Another rank, which wrote nothing itself, and knows the manifest alone."""
    with serving() as server:
        manifest = publish(FolderChannel(str(tmp_path)), server.url).manifest
        assert manifest is not None
        server.version = "default"

        async def work(session: Session) -> None:
            one = Server(session, session.pool.endpoints[0].address)
            await FolderChannel().restore(one, "v1", manifest, limit=120)

        run(server.url, work)
        assert (server.version, len(server.manifests)) == ("v1", 2)


def test_only_the_present_version_is_kept_and_nothing_after_closing(tmp_path: Path) -> None:
    channel = FolderChannel(str(tmp_path))
    with serving() as server:
        publish(channel, server.url)
        publish(channel, server.url, version="v2")
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["v2"]
    channel.close()
    assert list(tmp_path.glob("[!.]*")) == []


def test_without_a_folder_one_of_this_user_alone_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    channel = FolderChannel()
    with serving() as server:
        path = Path(files_of(publish(channel, server.url))[0]["path"])
        assert path.exists()
        channel.close()
        assert not path.parent.exists()
        publish(channel, server.url)  # and made again
        channel.close()
    [folder] = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(folder)
    folder.symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="is not a folder of this user; name one in"):
        channel._opened()


def test_a_channel_that_cannot_restore_says_when_weights_come() -> None:
    class Once(WeightChannel):
        backend = "once"

        def publish(self, *arguments: Any, **named: Any) -> PublishedWeights:
            raise NotImplementedError

    async def work(session: Session) -> None:
        await Once().restore(Server(session, session.pool.endpoints[0].address), "v", {}, limit=1)

    with pytest.raises(RequestError, match="with the next publish"):
        run("http://127.0.0.1:1", work)


def test_a_rank_that_does_not_publish_takes_part_in_gathering() -> None:
    passed: list[str] = []

    def gathering() -> Iterator[tuple[str, Tensor]]:
        for name, weight in weights():
            passed.append(name)
            yield name, weight

    FolderChannel().join(gathering)
    assert passed == ["w"]
