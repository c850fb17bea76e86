"""What all pages of a local server share."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from medix.studies.web import HEADERS, body_of, guarded, not_there


async def _handler(request: Request) -> Response:
    if request.path_params["name"] == "none":
        raise HTTPException(404)
    try:
        return PlainTextResponse(await body_of(request, 4))
    except ValueError as error:
        return PlainTextResponse(str(error), 400)


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/a", b"1234", 200, "1234"),
        ("/a", b"12345", 400, "more than 4 bytes were sent"),
        ("/none", b"", 404, "There is nothing here. Open the whole link that you were given."),
        ("/x/y", b"", 404, "There is nothing here. Open the whole link that you were given."),
    ],
)
def test_every_reply_has_the_headers_and_bodies_end(path: str, body: bytes, status: int, text: str) -> None:
    app = Starlette(routes=[Route("/{name}", guarded(_handler), methods=["POST"])], exception_handlers={404: not_there})

    async def sent() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://page") as client:
            return await client.post(path, content=body)

    reply = asyncio.run(sent())
    assert (reply.status_code, reply.text) == (status, text)
    assert {name: reply.headers[name] for name in HEADERS} == HEADERS
