"""What of the NCCL channel needs no GPU: the calls that its servers get, around a stand-in for vLLM's trainer."""

import sys
from collections.abc import Iterator
from contextlib import closing
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from medix.rollout.serving.channel import PublishedWeights
from medix.rollout.serving.nccl_channel import NCCLChannel
from medix.serving.client import AsyncClient
from tests.support.clients import client_of
from tests.support.fault_server import refuses
from tests.support.rollout_servers import serving

PREFIX = "vllm.distributed.weight_transfer"


def weights() -> Iterator[tuple[str, Tensor]]:
    yield "w", torch.zeros(2, 3)


class Trainer:
    """Makes the calls of vLLM's trainer, and sends nothing."""

    made: list["Trainer"]

    def __init__(self, where: Any, client: Any, source: Any) -> None:
        self.where, self.client, self.source = where, client, source
        self.ended = False
        client.init_weight_transfer_engine({"rank_offset": 1, "world_size": where.world_size})

    def send_weights(self) -> None:
        self.client.start_weight_update()
        names = [meta.name for meta in self.source.metadata()]
        assert names == [name for name, _ in self.source]
        self.client.update_weights({"names": names})
        self.client.finish_weight_update()

    def shutdown(self) -> None:
        self.ended = True


@pytest.fixture
def trainers(monkeypatch: pytest.MonkeyPatch) -> list[Trainer]:
    made: list[Trainer] = []

    def trainer_init(where: Any, *, client: Any, source: Any) -> Trainer:
        made.append(Trainer(where, client, source))
        return made[-1]

    contents = {
        f"{PREFIX}.factory": {"WeightTransferTrainerFactory": SimpleNamespace(trainer_init=trainer_init)},
        f"{PREFIX}.nccl_engine": {"NCCLTrainerInitInfo": lambda **named: SimpleNamespace(**named)},
        f"{PREFIX}.base": {
            "ParamMeta": lambda name, dtype, shape: SimpleNamespace(name=name, dtype=dtype, shape=shape),
            "WeightSource": object,
        },
    }
    for name in ("vllm", "vllm.distributed", PREFIX, *contents):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name, found in contents.items():
        sys.modules[name].__dict__.update(found)
    return made


def publish(channel: NCCLChannel, client: AsyncClient, version: str = "v1") -> PublishedWeights:
    return channel.publish(client, version, weights, {}, limit=120)


def test_servers_meet_once_and_have_the_version_afterwards(trainers: list[Trainer]) -> None:
    with serving() as one, serving() as other:
        one.others = {"/get_world_size": lambda request: request.send(200, '{"world_size": 4}')}
        seen: list[tuple[str, int]] = []

        def meets(request: Any) -> None:
            seen.append((request.server.url, request.body["init_info"]["rank_offset"]))
            request._answers(request)

        one.others["/init_weight_transfer_engine"] = other.others["/init_weight_transfer_engine"] = meets
        channel = NCCLChannel(host="trainer", port=29500)
        with closing(client_of(one.url, other.url)) as client:
            assert publish(channel, client) == PublishedWeights("v1", None, ("", ""))
            publish(channel, client, version="v2")
        assert (one.version, other.version) == ("v2", "v2")
        assert [manifest["names"] for manifest in one.manifests] == [["w"], ["w"]]
    assert sorted(seen) == sorted([(one.url, 1), (other.url, 5)])
    [trainer] = trainers
    assert (trainer.where.master_address, trainer.where.master_port, trainer.where.world_size) == ("trainer", 29500, 6)
    channel.close()
    assert trainer.ended


def test_a_broadcast_that_fails_sets_all_servers_aside_and_the_next_one_meets_anew(trainers: list[Trainer]) -> None:
    with serving() as server:
        channel = NCCLChannel()
        with closing(client_of(server.url)) as client:
            server.others = {"/update_weights": refuses(500, "no")}
            assert publish(channel, client).causes == ("the broadcast of weights failed: status 500: no",)
            server.others = {}
            assert publish(channel, client).causes == ("",)
    assert len(trainers) == 2


def test_a_rank_that_does_not_send_makes_as_many_passes(trainers: list[Trainer]) -> None:
    """The sender asks for names and shapes with a pass of its own, the first time only."""
    passes: list[int] = []

    def counted() -> Iterator[tuple[str, Tensor]]:
        passes.append(1)
        yield from weights()

    channel = NCCLChannel()
    channel.join(counted)
    channel.join(counted)
    assert len(passes) == 3
