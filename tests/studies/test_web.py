"""What all pages of a local server share."""

import asyncio

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from medix.studies.web import HEADERS, GuardedApp, body_of

NOTHING = "There is nothing here. Open the whole link that you were given."


async def _handler(request: Request) -> Response:
    if request.path_params["name"] == "fault":
        raise RuntimeError("a fault of ours")
    if request.path_params["name"] == "none":
        raise HTTPException(404)
    try:
        return PlainTextResponse(await body_of(request, 4))
    except ValueError as error:
        return PlainTextResponse(str(error), 400)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "text"),
    [
        ("POST", "/a/1", b"1234", 200, "1234"),
        ("POST", "/a/1", b"12345", 400, "more than 4 bytes were sent"),
        ("POST", "/none/1", b"", 404, NOTHING),
        ("POST", "/x/y", b"", 404, NOTHING),
        ("POST", "/a/1/", b"", 404, NOTHING),  # no redirection, whose address would hold the token
        ("POST", f"/a/{'1' * 5000}", b"", 404, NOTHING),  # int refuses so many digits
        ("GET", "/a/1", b"", 405, "Method Not Allowed"),
        ("POST", "/fault/1", b"", 500, "Internal Server Error"),
    ],
)
def test_every_reply_has_the_headers_and_bodies_end(
    method: str, path: str, body: bytes, status: int, text: str
) -> None:
    app = GuardedApp([Route("/{name}/{number:place}", _handler, methods=["POST"])])

    async def sent() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
            return await client.request(method, path, content=body)

    reply = asyncio.run(sent())
    assert (reply.status_code, reply.text) == (status, text)
    assert {name: reply.headers[name] for name in HEADERS} == HEADERS
