"""The ways that weights go from the trainer to its servers."""

import asyncio
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from medix.rollout.serving.client import Client, ServerFault, connected, run_apart
from medix.rollout.serving.plugin import BACKEND
from medix.rollout.serving.server import Server
from medix.rollout.serving.weight_folder import WeightFolder

Weights = Callable[[], Iterable[tuple[str, Tensor]]]
"""Gives a fresh pass over names and whole tensors."""

Parcel = dict[str, Any]
"""What a server must be told to take up the present weights again; plain data, the same on every rank."""


class WeightChannel(ABC):
    """How weights reach servers. One rank publishes; any rank restores, where there is a parcel."""

    backend: ClassVar[str]
    """What vLLM calls it."""

    @abstractmethod
    def publish(
        self,
        servers: Sequence[Server],
        version: str,
        weights: Weights,
        sizes: dict[str, int],
        *,
        api_key_env: str,
        limit: float,
    ) -> Parcel | None:
        """Give all servers these weights; the ones that do not take them are set aside, with their cause.

        Args:
            servers: all of them.
            version: names the weights.
            weights: what is published.
            sizes: of the policy, for a server to compare with its model.
            api_key_env: environment variable that holds the servers' key.
            limit: seconds that a server has.

        Returns:
            What ``restore`` needs; None where a server cannot be restored before the next publish.
        """

    async def restore(self, client: Client, server: Server, version: str, parcel: Parcel, *, limit: float) -> None:  # noqa: ARG002
        """Give one server the present weights again.

        Raises:
            ServerFault: it does not take them.
        """
        raise ServerFault("it gets weights again with the next publish")

    def join(self, weights: Weights) -> None:
        """What a rank does that does not publish: it takes its part in gathering sharded weights."""
        for _ in weights():
            pass

    def close(self) -> None:  # noqa: B027  # most hold nothing
        """Give back what is held."""


class FolderChannel(WeightChannel):
    """Weights go through files in a folder that trainer and servers see: any machine, any device, any number of GPUs.

    A version appears in the folder when it is whole; servers compare its files with their SHA-256 before they touch a
    weight. The version stays until the next one, so that a server that is started again gets it at once.

    Args:
        folder: on a file system that all machines share, or, where trainer and servers run on one machine, in its
            memory (``/dev/shm/medix``). None makes one among the temporary files of this machine.
    """

    backend: ClassVar[str] = BACKEND

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder
        self._own: tempfile.TemporaryDirectory[str] | None = None
        self._folder: WeightFolder | None = None

    def publish(
        self,
        servers: Sequence[Server],
        version: str,
        weights: Weights,
        sizes: dict[str, int],
        *,
        api_key_env: str,
        limit: float,
    ) -> Parcel | None:
        folder = self._opened()
        files = folder.write(version, weights())
        parcel: Parcel = {"files": [asdict(file) for file in files], "sizes": sizes}

        async def give_all() -> None:
            async with connected(api_key_env) as client:
                await asyncio.gather(*(self._give(client, server, version, parcel, limit) for server in servers))

        run_apart(give_all)
        folder.keep_only(version)
        return parcel

    async def restore(self, client: Client, server: Server, version: str, parcel: Parcel, *, limit: float) -> None:
        async def load() -> None:
            content = {"update_info": parcel}
            await client.ask(server.address, "POST", "/update_weights", content, limit=limit)

        await server.exchange(client, version, load, limit=limit)

    def close(self) -> None:
        if self._folder is not None:
            self._folder.keep_only(None)
            self._folder = None
        if self._own is not None:
            self._own.cleanup()
            self._own = None

    async def _give(self, client: Client, server: Server, version: str, parcel: Parcel, limit: float) -> None:
        try:
            await self.restore(client, server, version, parcel, limit=limit)
        except ServerFault as fault:
            server.set_aside(fault.cause)
        else:
            server.is_up = True

    def _opened(self) -> WeightFolder:
        if self._folder is None:
            where = self.folder
            if where is None:
                self._own = tempfile.TemporaryDirectory(prefix="medix-weights-")
                where = self._own.name
            self._folder = WeightFolder(Path(where))
        return self._folder
