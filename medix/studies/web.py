"""What the applications of all pages share: headers, errors that tell nothing, and bodies that end."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # the address holds the token
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Handler = Callable[[Request], Awaitable[Response]]


async def body_of(request: Request, limit: int) -> bytes:
    """The body, which is read no further than allowed.

    Args:
        request: whose body it is.
        limit: bytes.

    Raises:
        ValueError: it is longer.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise ValueError(f"more than {limit:,} bytes were sent")
    return bytes(body)


class GuardedApp(Starlette):
    """An application whose replies all have the headers above, also those that no handler gives.

    Args:
        routes: what stands at which address; numbers in it are ``{name:place}``.
        exceptions: the replies to further exceptions.
    """

    def __init__(self, routes: Sequence[Route], exceptions: Mapping[Any, Any] | None = None) -> None:
        super().__init__(routes=routes, exception_handlers={404: not_there, **(exceptions or {})})
        self.router.redirect_slashes = False  # the redirection would name the token, and this server as it sees itself

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await super().__call__(scope, receive, guarded)


class _Place(IntegerConvertor):
    """A number of up to nine digits: ``int`` refuses thousands of them with an exception."""

    regex = "[0-9]{1,9}"


register_url_convertor("place", _Place())


async def not_there(request: Request, error: Any) -> Response:  # noqa: ARG001 - the signature of a handler
    """The reply where nothing stands at an address, or not for who asks: the same, whatever is missing."""
    text = "There is nothing here. Open the whole link that you were given."
    return PlainTextResponse(text, 404)
