"""How weights get from the trainer to the servers."""

import os
import stat
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from medix.rollout.serving.plugin import BACKEND
from medix.rollout.serving.server import Server
from medix.rollout.serving.weight_folder import WeightFolder
from medix.serving.client import AsyncClient
from medix.serving.endpoint import Endpoint
from medix.serving.request_error import RequestError
from medix.serving.session import Session
from medix.serving.task_group import run_all

Weights = Callable[[], Iterable[tuple[str, Tensor]]]
"""Gives a fresh pass over names and whole tensors."""

WeightManifest = dict[str, Any]
"""What a server must be told to load the present weights again; plain data, the same on every rank."""


@dataclass(frozen=True)
class PublishedWeights:
    """The weights that the servers have; the same on every rank.

    Args:
        version: what the servers call them.
        manifest: what a server must be told to load them again; None where it cannot.
        causes: one per server, why it did not load them; empty for those that did.
    """

    version: str
    manifest: WeightManifest | None
    causes: tuple[str, ...]


class WeightChannel(ABC):
    """How weights reach servers. One rank publishes; any rank restores, where there is a manifest."""

    backend: ClassVar[str]
    """What vLLM calls it."""

    @abstractmethod
    def publish(
        self,
        client: AsyncClient,
        version: str,
        weights: Weights,
        sizes: dict[str, int],
        *,
        limit: float,
        narrowed_to: str | None = None,
    ) -> PublishedWeights:
        """Give all servers these weights.

        Args:
            client: of the servers.
            version: names the weights.
            weights: what is published.
            sizes: of the policy, for a server to compare with its model.
            limit: seconds that a server has.
            narrowed_to: dtype to which wider weights were rounded, for a server to compare with its own; None if they
                are those of the policy.
        """

    async def restore(self, server: Server, version: str, manifest: WeightManifest, *, limit: float) -> None:  # noqa: ARG002
        """Give one server the present weights again.

        Raises:
            RequestError: it does not load them.
        """
        raise RequestError("it gets weights again with the next publish")

    def join(self, weights: Weights) -> None:
        """What a rank does that does not publish: it takes its part in gathering sharded weights."""
        for _ in weights():
            pass

    def close(self) -> None:  # noqa: B027  # most hold nothing
        """Release what is held."""


class FolderChannel(WeightChannel):
    """Weights go through files in a folder that trainer and servers see: any machine, any device, any number of GPUs.

    A version appears in the folder when it is complete; servers compare its files with their SHA-256 before they change
    a weight. The version stays until the next one, so that a server that is restarted gets it at once.

    Args:
        folder: on a file system that all machines share, or, where trainer and servers run on one machine, in its
            memory (``/dev/shm/medix``). None takes one for this user among the temporary files of this machine.
    """

    backend: ClassVar[str] = BACKEND

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder
        self._folder: WeightFolder | None = None

    def publish(
        self,
        client: AsyncClient,
        version: str,
        weights: Weights,
        sizes: dict[str, int],
        *,
        limit: float,
        narrowed_to: str | None = None,
    ) -> PublishedWeights:
        folder = self._opened()
        files = folder.write(version, weights())
        manifest: WeightManifest = {"files": [asdict(file) for file in files], "sizes": sizes}
        if narrowed_to is not None:
            manifest["narrowed_to"] = narrowed_to

        async def give(session: Session, endpoint: Endpoint) -> str:
            try:
                await self.restore(Server(session, endpoint.address), version, manifest, limit=limit)
            except RequestError as error:
                return error.cause
            return ""

        async def give_all(session: Session) -> list[str]:
            return await run_all(give(session, endpoint) for endpoint in session.pool.endpoints)

        causes = client.run(give_all)
        folder.keep_only(version)
        return PublishedWeights(version, manifest, tuple(causes))

    async def restore(self, server: Server, version: str, manifest: WeightManifest, *, limit: float) -> None:
        async def load() -> None:
            await server.ask("POST", "/update_weights", {"update_info": manifest}, limit=limit)

        await server.exchange(version, load, limit=limit)

    def close(self) -> None:
        if self._folder is not None:
            self._folder.keep_only(None)
            self._folder = None

    def _opened(self) -> WeightFolder:
        if self._folder is None:
            self._folder = WeightFolder(_of_this_user() if self.folder is None else Path(self.folder))
        return self._folder


def _of_this_user() -> Path:
    """A folder of this user alone among temporary files: the same for all runs, so that one finds what others left."""
    folder = Path(tempfile.gettempdir()) / f"medix-weights-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"engine.weights: {folder} is not a folder of this user; name one in weights.folder")
    return folder
