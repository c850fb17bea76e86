"""A judge server on the loopback that goes wrong on request."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.fault_server import Act, LoopbackRequest, LoopbackServer, refuses, running


class Request(LoopbackRequest):
    """One question."""

    server: "FaultServer"


class FaultServer(LoopbackServer):
    """Answers questions by its acts.

    Attributes:
        bodies: what was asked.
    """

    def __init__(self, acts: list[Act], port: int = 0) -> None:
        super().__init__(Request, acts, port)
        self.bodies: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def note(self, request: Request) -> Act:
        self.bodies.append(request.body)
        return self.act(len(self.bodies) - 1)


@contextmanager
def serving(*acts: Act, port: int = 0) -> Iterator[FaultServer]:
    """A server, on the port of one that was killed if that is given."""
    with running(FaultServer(list(acts), port)) as server:
        yield server


def says(text: str | None, finish_reason: str = "stop", logprobs: Any = None, **message: Any) -> Act:
    """An ordinary reply."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
    choice |= {} if logprobs is None else {"logprobs": logprobs}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return lambda request: request.send(200, json.dumps(body))


def streams(*parts: str | dict[str, Any], finish_reason: str | None = "stop", ends: bool = True) -> Act:
    """A reply in parts, texts or deltas, as server-sent events."""

    def act(request: Request) -> None:
        assert request.body["stream"] is True
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Connection", "close")
        request.end_headers()
        deltas = [{"role": "assistant", "content": ""}, *({"content": p} if isinstance(p, str) else p for p in parts)]
        choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        if finish_reason is not None:
            choices.append({"index": 0, "delta": {}, "finish_reason": finish_reason})
        events = [json.dumps({"choices": [choice]}) for choice in choices] + (["[DONE]"] if ends else [])
        for event in events:
            request.wfile.write(f": alive\r\n\r\ndata: {event}\r\n\r\n".encode())
            request.wfile.flush()
        request.close_connection = True

    return act


def sends(body: str, content_type: str = "application/json") -> Act:
    """Any body with status 200."""
    return lambda request: request.send(200, body, {"Content-Type": content_type})


def trickles(request: Request) -> None:
    """Sends a byte now and then, so that no single read times out."""
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "10000")
    request.end_headers()
    while not request.server.stopping.wait(0.05):
        request.wfile.write(b" ")
        request.wfile.flush()


def breaks_off(request: Request) -> None:
    """Half a reply, then the connection is gone."""
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "10000")
    request.end_headers()
    request.wfile.write(b'{"id": "1", "choices": [{"mess')
    request.wfile.flush()
    request.connection.shutdown(socket.SHUT_RDWR)
    request.close_connection = True


def only_plain(reply: str) -> Act:
    """A server that knows neither constrained replies nor template arguments."""

    def act(request: Request) -> None:
        if "structured_outputs" in request.body or "chat_template_kwargs" in request.body:
            refuses(400, "Unrecognized request argument supplied")(request)
        else:
            says(reply)(request)

    return act


def without(reply: Act, **refusals: str) -> Act:
    """A server that refuses some fields of a request, each with its message."""

    def act(request: Request) -> None:
        for field, message in refusals.items():
            if field in request.body:
                return refuses(400, message)(request)
        return reply(request)

    return act


def bears(limit: int, reply: Act) -> Act:
    """A server that says 429 to requests beyond so many at the same time."""

    def act(request: Request) -> None:
        (reply if request.server.now <= limit else refuses(429))(request)

    return act


def slowly(act: Act, seconds: float) -> Act:
    def later(request: Request) -> None:
        time.sleep(seconds)
        act(request)

    return later
