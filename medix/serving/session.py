"""HTTP requests to servers that share a key; whatever goes wrong becomes a ``RequestError`` without secrets."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from medix.serving.address import Address
from medix.serving.json_text import clean
from medix.serving.outcome import Outcome
from medix.serving.pool import ServerPool
from medix.serving.request_error import RequestError, read_error, seconds_of
from medix.serving.secrets import Secrets

if TYPE_CHECKING:
    import aiohttp

_CONNECT = 10.0  # seconds; a server that takes longer to open a connection counts as gone
_KEEP = 4.0  # seconds; uvicorn, and so vLLM, closes idle connections after 5: close first, or a request fails
_LONGEST_ANSWER = 2**22  # bytes
_LONGEST_MESSAGE = 400  # characters of a server's own words that are repeated


class Session:
    """Connections to servers, within one event loop; an asynchronous context manager.

    Args:
        key: sent to every server; empty where they want none.
        addresses: the servers, for the secrets in their addresses.
        pool: who may send to which server.
        keep_alive: whether a connection serves several requests.
    """

    _http: "aiohttp.ClientSession"

    def __init__(self, key: str, addresses: Sequence[Address], pool: ServerPool, keep_alive: bool = True) -> None:
        self.pool = pool
        self._keep_alive = keep_alive
        self._key = key
        self._secrets = Secrets([key], [secret for address in addresses for secret in address.secrets])

    async def __aenter__(self) -> "Session":
        import aiohttp

        # the pool bounds the number of connections; time limits are those of the requests
        options: dict[str, Any] = {"keepalive_timeout": _KEEP} if self._keep_alive else {"force_close": True}
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, **options),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.close()
        await asyncio.sleep(0)  # transports close in the next round of the loop

    async def fetch(
        self,
        address: Address,
        method: str,
        path: str,
        content: object = None,
        *,
        limit: float | None = None,
        longest: int = _LONGEST_ANSWER,
    ) -> bytes:
        """The body of an answer.

        Args:
            address: of the server.
            method: ``GET`` or ``POST``.
            path: below the address, with its query.
            content: sent as JSON.
            limit: seconds for all of it.
            longest: bytes after which reading ends: a server that sends without end must not fill the memory.

        Raises:
            RequestError: there is no answer, or an error.
        """
        async with self.attempt(limit), self.request(address, method, path, content) as answer:
            return await _read(answer, longest)

    @asynccontextmanager
    async def request(
        self, address: Address, method: str, path: str, content: object = None
    ) -> "AsyncIterator[aiohttp.ClientResponse]":
        """An answer to be read inside the block; use it within ``attempt``.

        Raises:
            RequestError: the server answers with an error.
        """
        headers = {"Authorization": address.authorization(self._key)} if self._key else {}
        data = None
        if content is not None:
            headers["Content-Type"], data = "application/json", json.dumps(content).encode()
        url, proxy = address.at(path), address.proxy
        # A redirect would put the question to another server than the one that is named.
        async with self._http.request(
            method, url, data=data, headers=headers, proxy=proxy, allow_redirects=False
        ) as answer:
            if 300 <= answer.status < 400:
                target = self.shown(self.without_secrets(answer.headers.get("Location", "")).partition("?")[0])
                cause = f"status {answer.status}: redirects to {target or 'nowhere'}; give the address itself"
                raise RequestError(cause, Outcome.FAILED, answer.status)
            if not answer.ok:
                raise await self._error(answer)
            yield answer

    @asynccontextmanager
    async def attempt(self, limit: float | None = None) -> AsyncIterator[None]:
        """Whatever goes wrong inside becomes a ``RequestError`` with its cause.

        Args:
            limit: seconds for the block.
        """
        import aiohttp

        try:
            async with asyncio.timeout(limit):
                yield
        except (aiohttp.ClientError, OSError) as error:
            # a time-out of the client itself is a connection that does not open; that of the block has no message
            if limit is not None and isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError):
                cause = f"no answer within {round(limit, 3):g} s"
                raise RequestError(cause, Outcome.OVERLOADED, is_silence=True) from error
            said = getattr(error, "os_error", None) or error
            is_silence = isinstance(error, (TimeoutError, aiohttp.ClientConnectorError))
            raise RequestError(f"{type(error).__name__}: {self.shown(str(said))}", is_silence=is_silence) from error
        except ValueError as error:
            raise RequestError(f"what it sent is not what the protocol asks for: {self.shown(str(error))}") from error
        except RecursionError as error:
            raise RequestError("what it sent is nested too deeply") from error

    def shown(self, text: str) -> str:
        """A text of a server as it may be repeated in a message: on one line, short, without secrets.

        Texts are given in full: of a secret that a cut has shortened the rest would be shown.
        """
        text = " ".join(self.without_secrets(text).split())
        return text if len(text) <= _LONGEST_MESSAGE else f"{text[:_LONGEST_MESSAGE]}…"

    def without_secrets(self, text: str) -> str:
        """A text of a server as it may be kept: without keys, which servers repeat, and without lone surrogates."""
        return self._secrets.hidden(clean(text))

    async def _error(self, answer: "aiohttp.ClientResponse") -> RequestError:
        message = read_error(await _read(answer, _LONGEST_ANSWER))
        return RequestError(
            f"status {answer.status}: {self.shown(message)}",
            Outcome.of_status(answer.status),
            status=answer.status,
            message=self.without_secrets(message),
            retry_after=seconds_of(answer.headers.get("Retry-After")),
        )


async def _read(answer: "aiohttp.ClientResponse", longest: int) -> bytes:
    data = bytearray()
    async for part in answer.content.iter_any():
        data += part
        if len(data) > longest:
            raise ValueError(f"it is longer than {longest} bytes")
    return bytes(data)
