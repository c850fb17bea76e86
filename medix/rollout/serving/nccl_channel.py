"""Weights from GPU to GPU, by vLLM's own transfer. Not tested: it needs GPUs of trainer and servers at once."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from torch import Tensor

from medix.rollout.serving.channel import Parcel, WeightChannel, Weights
from medix.rollout.serving.client import Client, ServerFault, connected, run_apart
from medix.rollout.serving.server import Server


class NCCLChannel(WeightChannel):
    """Weights go by NCCL broadcast from the first rank to every worker of every server, as vLLM documents it.

    Written against the interface of vLLM 0.32 and **not tested**, for want of a machine with the GPUs: take
    ``FolderChannel`` where it is fast enough. All servers take part in a broadcast, so that one that fails ends it for
    all, and one that returns gets weights with the next publish only. The servers are started with
    ``--channel nccl``.

    Args:
        host: address of the trainer's machine as the servers see it; None takes the name of this machine.
        port: where they meet; 0 takes a free one.
    """

    backend: ClassVar[str] = "nccl"

    def __init__(self, host: str | None = None, port: int = 0) -> None:
        self.host = host
        self.port = port
        self._engine: Any = None
        self._source: Any = None
        self._fan: _Fan | None = None

    def publish(
        self,
        servers: Sequence[Server],
        version: str,
        weights: Weights,
        sizes: dict[str, int],  # noqa: ARG002  # names and shapes are compared by the broadcast itself
        *,
        api_key_env: str,
        limit: float,
    ) -> Parcel | None:
        try:
            if self._engine is None:
                self._fan = _Fan(servers, api_key_env, limit)
                self._source = _source(weights)
                self._engine = self._opened(self._fan, self._source)
            assert self._fan is not None
            self._fan.version = version
            self._engine.send_weights()
        except (ServerFault, RuntimeError) as error:
            self.close()
            for server in servers:
                server.set_aside(f"the broadcast of weights failed: {error}")
        return None

    def join(self, weights: Weights) -> None:
        # The sender asks for names and shapes once, with a pass of its own, and then sends with another.
        if self._source is None:
            self._source = _source(weights)
        self._source.metadata()
        super().join(weights)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.shutdown()
            self._engine = None
        self._source = None

    def _opened(self, fan: "_Fan", source: Any) -> Any:
        from vllm.distributed.weight_transfer.factory import WeightTransferTrainerFactory
        from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

        workers = fan.count_workers()
        where = NCCLTrainerInitInfo(
            master_address=self.host or socket.gethostname(),
            master_port=self.port or _free_port(),
            world_size=1 + sum(workers),
            rank=0,
        )
        return WeightTransferTrainerFactory.trainer_init(where, client=fan, source=source)


class _Fan:
    """vLLM's four calls, each to all servers at once; the ranks of a server come after those of the ones before it."""

    def __init__(self, servers: Sequence[Server], api_key_env: str, limit: float) -> None:
        self.servers = tuple(servers)
        self.api_key_env = api_key_env
        self.limit = limit
        self.version = ""
        self._workers: list[int] = []

    def count_workers(self) -> list[int]:
        """Workers of each server."""

        async def ask(client: Client, server: Server) -> int:
            return await server.workers(client)

        self._workers = self._all(ask)
        return self._workers

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        """The servers join the group of NCCL."""
        starts = [1 + sum(self._workers[:number]) for number in range(len(self.servers))]
        offsets = dict(zip(self.servers, starts, strict=True))

        async def ask(client: Client, server: Server) -> None:
            content = {"init_info": {**init_info, "rank_offset": offsets[server]}}
            await client.ask(server.address, "POST", "/init_weight_transfer_engine", content, limit=self.limit)

        self._all(ask)

    def start_weight_update(self) -> None:
        """Nothing: the exchange begins with what is sent."""

    def update_weights(self, update_info: Any) -> None:
        """The servers receive while the trainer sends."""

        async def ask(client: Client, server: Server) -> None:
            async def load() -> None:
                content = {"update_info": update_info}
                await client.ask(server.address, "POST", "/update_weights", content, limit=self.limit)

            await server.exchange(client, self.version, load, limit=self.limit)
            server.is_up = True

        self._all(ask)

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        """Nothing: the exchange ended it."""

    def _all(self, ask: Any) -> list[Any]:
        async def each() -> list[Any]:
            async with connected(self.api_key_env) as client:
                return list(await asyncio.gather(*(ask(client, server) for server in self.servers)))

        return run_apart(each)


def _source(weights: Weights) -> Any:
    """vLLM's view of what is published."""
    from vllm.distributed.weight_transfer.base import ParamMeta, WeightSource

    class Published(WeightSource):  # type: ignore[misc]
        def __init__(self) -> None:
            self._metadata: list[Any] | None = None

        def metadata(self) -> list[Any]:
            if self._metadata is None:
                self._metadata = [ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in weights()]
            return self._metadata

        def __iter__(self) -> Iterator[tuple[str, Tensor]]:
            return iter(weights())

    return Published()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
