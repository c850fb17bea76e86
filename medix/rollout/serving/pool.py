"""Which server a prompt goes to, and what becomes of servers that fail."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from medix.rollout.serving.client import ServerFault
from medix.rollout.serving.server import Server

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0


class AllDownError(Exception):
    """No server has been up for too long; the message names each with its cause."""


class Pool:
    """The servers of one rollout; lives on one event loop.

    A server that fails is set aside and brought back in the background: it is asked again and again, and is used again
    once it answers and has the present weights.

    Args:
        servers: all of them.
        patience: seconds without any server that is up, after which waiting ends.
        bring_back: makes a server fit for use, or raises ``ServerFault``.
        first_pause: seconds until a server set aside is asked again; doubled each time.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        patience: float,
        bring_back: Callable[[Server], Awaitable[None]],
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self.servers = tuple(servers)
        self.patience = patience
        self.bring_back = bring_back
        self.first_pause = first_pause
        self._changed = asyncio.Event()
        self._returning: dict[Server, asyncio.Task[None]] = {}
        self._down_since: float | None = None
        for server in self.servers:
            server.in_use = 0
            if not server.is_up:
                self.set_aside(server, server.cause)

    async def place(self, tried: Collection[Server] = ()) -> Server:
        """A server with a place free; one that is not among ``tried`` if any such is up.

        Raises:
            AllDownError: none is up, for too long.
        """
        while True:
            up = [server for server in self.servers if server.is_up]
            able = [server for server in up if server not in tried] or up
            free = [server for server in able if server.in_use < server.places]
            if free:
                return min(free, key=lambda server: server.in_use)
            self._changed.clear()
            left = None
            if self._down_since is not None:
                left = self._down_since + self.patience - time.monotonic()
                if left <= 0:
                    causes = "; ".join(f"{server.shown}: {server.cause}" for server in self.servers)
                    raise AllDownError(f"no server has been up for {self.patience:g} s ({causes})")
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                continue  # looks at the time again, and gives up

    @contextmanager
    def using(self, server: Server) -> Iterator[None]:
        """Hold a place."""
        server.in_use += 1
        try:
            yield
        finally:
            server.in_use -= 1
            self._tell()

    def set_aside(self, server: Server, cause: str) -> None:
        """Give it no more prompts until it is fit for use."""
        server.set_aside(cause)
        if server not in self._returning:
            self._returning[server] = asyncio.get_running_loop().create_task(self._return(server))
        if self._down_since is None and not any(one.is_up for one in self.servers):
            self._down_since = time.monotonic()
        self._tell()

    async def close(self) -> None:
        """Bring nothing back any more."""
        tasks = list(self._returning.values())
        for task in tasks:
            task.cancel()
        for found in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(found, Exception):
                raise found

    async def _return(self, server: Server) -> None:
        pause = self.first_pause
        while not server.is_up:
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            try:
                await self.bring_back(server)
            except ServerFault as fault:
                server.cause = fault.cause
                continue
            server.is_up, self._down_since = True, None
        del self._returning[server]
        self._tell()

    def _tell(self) -> None:
        # All that wait look again; each then clears the event before it waits on.
        self._changed.set()
