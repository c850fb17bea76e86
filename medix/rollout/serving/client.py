"""Requests to servers of completions: what goes wrong has a cause and says whether another server may do better."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from medix.judge.serving.address import Address
from medix.judge.serving.chat import StatusError
from medix.rollout.serving.stream import Choice, ChoiceStream, StreamError

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

_CONNECT = 10.0  # seconds; a server that takes longer to open a connection is away
_LONGEST_ANSWER = 2**22  # bytes, of anything but completions
_LONGEST_MESSAGE = 400  # letters of a server's own words that are repeated
_OWN_FAULT = frozenset((400, 413, 422))


class EngineAddress(Address):
    """Where a server of completions is, without a path: ``http://127.0.0.1:8086``."""

    key_argument: ClassVar[str] = "engine.api_key_env"


class ServerFault(Exception):  # noqa: N818  # a fault of the server, told to the engine and not raised to a user
    """A request brought nothing.

    Args:
        cause: what happened, for a message.
        is_own: whether the request is at fault, and no other server will take it.
    """

    def __init__(self, cause: str, *, is_own: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.is_own = is_own


class Client:
    """Speaks to any number of servers, within one event loop.

    Args:
        session: the connections.
        key: sent to every server; empty where they want none.
    """

    def __init__(self, session: "aiohttp.ClientSession", key: str) -> None:
        self.session = session
        self.key = key

    async def ask(
        self, address: Address, method: str, path: str, content: object = None, *, limit: float
    ) -> dict[str, Any]:
        """One request, one answer.

        Args:
            address: of the server.
            method: ``GET`` or ``POST``.
            path: with its query.
            content: sent as JSON.
            limit: seconds for all of it.

        Raises:
            ServerFault: there is no answer, or the answer is no.
        """
        async with self._faults(limit):
            async with self._request(address, method, path, content) as answer:
                data = await _read(answer, _LONGEST_ANSWER)
            found = json.loads(data or b"{}")
        return found if isinstance(found, dict) else {}

    async def complete(
        self, address: Address, content: dict[str, Any], stream: ChoiceStream, *, limit: float
    ) -> AsyncGenerator[Choice, None]:
        """Completions of one prompt, as they are finished.

        Args:
            address: of the server.
            content: the request.
            stream: takes in what comes.
            limit: seconds for all of it.

        Raises:
            ServerFault: not all came.
        """
        async with self._faults(limit), self._request(address, "POST", "/inference/v1/generate", content) as answer:
            async for data in answer.content.iter_any():
                for choice in stream.feed(data):
                    yield choice
                if stream.is_done:
                    break
            stream.close()

    @asynccontextmanager
    async def _request(
        self, address: Address, method: str, path: str, content: object
    ) -> "AsyncIterator[aiohttp.ClientResponse]":
        headers = {"Authorization": address.authorization(self.key)} if self.key else {}
        url = address.at(path)
        async with self.session.request(method, url, json=content, headers=headers, proxy=address.proxy) as answer:
            if not answer.ok:
                raise StatusError.of(answer.status, await _read(answer, _LONGEST_ANSWER))
            yield answer

    @asynccontextmanager
    async def _faults(self, limit: float) -> AsyncIterator[None]:
        """Whatever goes wrong inside becomes a fault with its cause."""
        import aiohttp

        try:
            async with asyncio.timeout(limit):
                yield
        except StatusError as error:
            words = self.without_key(_short(error.message))
            raise ServerFault(f"status {error.status}: {words}", is_own=error.status in _OWN_FAULT) from error
        except (aiohttp.ClientError, OSError) as error:
            # The client's own time limit is that of a connection; ours is raised without words.
            if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                raise ServerFault(f"no answer within {limit:g} s") from error
            said = getattr(error, "os_error", None) or error
            raise ServerFault(self.without_key(f"{type(error).__name__}: {_short(str(said))}")) from error
        except (StreamError, ValueError) as error:
            raise ServerFault(f"what it sent is not what the protocol asks for: {_short(str(error))}") from error

    def without_key(self, text: str) -> str:
        """Servers repeat keys in their messages."""
        return text.replace(self.key, "[key]") if self.key else text


@asynccontextmanager
async def connected(api_key_env: str) -> AsyncIterator[Client]:
    """A client, whose connections close at the end of the block.

    Args:
        api_key_env: environment variable that holds the key; not set where servers want none.
    """
    import aiohttp

    session = aiohttp.ClientSession(
        # A connection per request: requests are few and long, and vLLM hangs up behind an error of its own, which the
        # next request on the same connection would meet.
        connector=aiohttp.TCPConnector(limit=0, force_close=True),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    async with session:
        yield Client(session, os.environ.get(api_key_env, "").strip())


def run_apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on an event loop and thread of its own, and wait: notebooks have a loop on the thread that asks.

    An interrupt of the thread that waits calls the coroutine off.
    """
    loop = asyncio.new_event_loop()
    task: asyncio.Task[Any] | None = None

    async def begun() -> T:
        nonlocal task
        task = asyncio.current_task()
        return await work()

    with ThreadPoolExecutor(1, thread_name_prefix="medix-rollout") as pool:
        running = pool.submit(_run, loop, begun)
        try:
            return running.result()
        except BaseException:
            if not running.done() and task is not None:
                loop.call_soon_threadsafe(task.cancel)
            raise


def _run(loop: asyncio.AbstractEventLoop, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(work())


async def _read(answer: "aiohttp.ClientResponse", longest: int) -> bytes:
    data = bytearray()
    async for part in answer.content.iter_any():
        data += part
        if len(data) > longest:
            raise StreamError(f"it is longer than {longest} bytes")
    return bytes(data)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"
