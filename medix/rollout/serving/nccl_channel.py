"""Weights from GPU to GPU, by vLLM's own transfer. Not tested: it needs GPUs of trainer and servers at once."""

import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, ClassVar, TypeVar

from torch import Tensor

from medix.rollout.serving.channel import PublishedWeights, WeightChannel, Weights
from medix.rollout.serving.server import Server
from medix.serving.client import AsyncClient
from medix.serving.request_error import RequestError
from medix.serving.session import Session
from medix.serving.task_group import run_all

T = TypeVar("T")


class NCCLChannel(WeightChannel):
    """Weights go by NCCL broadcast from the first rank to every worker of every server, as vLLM documents it.

    Written against the interface of vLLM 0.32 and **not tested**, for lack of a machine with the GPUs: use
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
        self._servers: _AllServers | None = None

    def publish(
        self,
        client: AsyncClient,
        version: str,
        weights: Weights,
        sizes: dict[str, int],  # noqa: ARG002  # names and shapes are compared by the broadcast itself
        *,
        limit: float,
        narrowed_to: str | None = None,  # noqa: ARG002  # a receiver casts what it gets; all meet again if that changes
    ) -> PublishedWeights:
        cause = ""
        try:
            if self._engine is None:
                self._servers = _AllServers(client, limit)
                self._source = _source(weights)
                self._engine = self._opened(self._servers, self._source)
            assert self._servers is not None
            self._servers.version = version
            self._engine.send_weights()
        except (RequestError, RuntimeError) as error:
            self.close()
            cause = f"the broadcast of weights failed: {error}"
        return PublishedWeights(version, None, (cause,) * len(client.addresses))

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

    def _opened(self, servers: "_AllServers", source: Any) -> Any:
        from vllm.distributed.weight_transfer.factory import WeightTransferTrainerFactory
        from vllm.distributed.weight_transfer.nccl_engine import NCCLTrainerInitInfo

        where = NCCLTrainerInitInfo(
            master_address=self.host or socket.gethostname(),
            master_port=self.port or _free_port(),
            world_size=1 + sum(servers.count_workers()),
            rank=0,
        )
        return WeightTransferTrainerFactory.trainer_init(where, client=servers, source=source)


class _AllServers:
    """vLLM's four calls, each to all servers at once; the ranks of a server come after those of the ones before it."""

    def __init__(self, client: AsyncClient, limit: float) -> None:
        self.client = client
        self.limit = limit
        self.version = ""
        self._workers: list[int] = []

    def count_workers(self) -> list[int]:
        """Workers of each server."""
        self._workers = self._all(lambda _, server: server.workers())
        return self._workers

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        """The servers join the NCCL group."""

        async def ask(number: int, server: Server) -> None:
            content = {"init_info": {**init_info, "rank_offset": 1 + sum(self._workers[:number])}}
            await server.ask("POST", "/init_weight_transfer_engine", content, limit=self.limit)

        self._all(ask)

    def start_weight_update(self) -> None:
        """Nothing: ``Server.exchange`` begins the update."""

    def update_weights(self, update_info: Any) -> None:
        """The servers receive while the trainer sends."""

        async def ask(_: int, server: Server) -> None:
            async def load() -> None:
                await server.ask("POST", "/update_weights", {"update_info": update_info}, limit=self.limit)

            await server.exchange(self.version, load, limit=self.limit)

        self._all(ask)

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        """Nothing: ``Server.exchange`` ends the update."""

    def _all(self, ask: Callable[[int, Server], Coroutine[Any, Any, T]]) -> list[T]:
        async def each(session: Session) -> list[T]:
            servers = [Server(session, endpoint.address) for endpoint in session.pool.endpoints]
            return await run_all(ask(number, server) for number, server in enumerate(servers))

        return self.client.run(each)


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
