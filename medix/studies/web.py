"""What the applications of all pages share: headers, errors that tell nothing, and bodies that end."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

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


def guarded(handler: Handler) -> Handler:
    """The handler, with the headers that every reply has."""

    @functools.wraps(handler)
    async def answer(request: Request) -> Response:
        response = await handler(request)
        response.headers.update(HEADERS)
        return response

    return answer


async def not_there(request: Request, error: Any) -> Response:  # noqa: ARG001 - the signature of a handler
    """The reply where nothing stands at an address, or not for who asks: the same, whatever is missing."""
    text = "There is nothing here. Open the whole link that you were given."
    return PlainTextResponse(text, 404, headers=HEADERS)
