"""A server of completions on the loopback, with weights that are a number, that goes wrong on request."""

import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.support.fault_server import Act, LoopbackRequest, LoopbackServer, running

TOKENS = (40, 41, 42)
"""What every completion says, before its own number."""


class Request(LoopbackRequest):
    """One request."""

    server: "RolloutServer"

    def do_GET(self) -> None:
        self.play({})

    @staticmethod
    def _answers(request: "Request") -> None:
        """Everything but completions, as vLLM does it."""
        server, path = request.server, request.path.partition("?")[0]
        if path == "/update_weights":
            server.manifests.append(request.body["update_info"])
        elif path == "/update_weight_version":
            server.version = request.body["new_version"]
        content: dict[str, Any] = {}
        if path == "/weight_info":
            content = {"weight_version": server.version}
        elif path == "/v1/models":
            content = {"data": [{"id": "tiny", "max_model_len": server.room}]}
        elif path == "/get_world_size":
            content = {"world_size": 1}
        request.send(200, json.dumps(content))

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True

    def event(self, content: Any) -> None:
        text = content if isinstance(content, str) else json.dumps(content)
        self.wfile.write(f"data: {text}\n\n".encode())
        self.wfile.flush()


class RolloutServer(LoopbackServer):
    """Acts in order on requests for completions.

    Attributes:
        version: of its weights.
        others: acts for other paths.
        asked: requests for completions.
        manifests: of the weights that it was told to load.
    """

    def __init__(self, acts: Sequence[Act], port: int = 0) -> None:
        super().__init__(Request, acts, port)
        self.others: dict[str, Act] = {}
        self.version = "default"
        self.room = 4096
        self.asked: list[dict[str, Any]] = []
        self.manifests: list[dict[str, Any]] = []
        self.paths: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def note(self, request: Request) -> Act:
        path = request.path.partition("?")[0]
        self.paths.append(request.path)
        if path != "/inference/v1/generate":
            return self.others.get(path, Request._answers)
        self.asked.append(request.body)
        return self.act(len(self.asked) - 1)


@contextmanager
def serving(*acts: Act, port: int = 0) -> Iterator[RolloutServer]:
    """A server; without acts one that completes whatever it is asked."""
    with running(RolloutServer(acts or [completes], port)) as server:
        yield server


def chunk(index: int, tokens: Sequence[int], finish: str | None = None, **further: Any) -> dict[str, Any]:
    """A part of one completion, every log-probability -0.5."""
    content = [{"token_id": token, "logprob": -0.5} for token in tokens]
    choice = {"index": index, "token_ids": list(tokens), "logprobs": {"content": content}, "finish_reason": finish}
    return {"choices": [choice | further]}


def completes(request: Request) -> None:
    """Every completion in two parts: its first token, then the rest."""
    partly(None)(request)


def partly(count: int | None, *, versions: Sequence[str] | None = None, prompt: list[int] | None = None) -> Act:
    """Only so many completions, then the connection is gone; all of them for None.

    Args:
        count: completions that are finished.
        versions: of the weights, as the server tells them; its own if not given.
        prompt: what the server says that it completed; what it was asked if not given.
    """

    def act(request: Request) -> None:
        request.begin_stream()
        numbers = range(request.body["sampling_params"]["n"])
        said = [request.server.version] if versions is None else versions
        spans = [{"version": version, "start": 0, "end": 1} for version in said]
        first = {"prompt_token_ids": request.body["token_ids"] if prompt is None else prompt}
        for number in numbers:
            request.event(chunk(number, TOKENS[:1]) | (first if number == 0 else {}))
        for number in numbers[:count]:
            tokens = (*TOKENS[1:], 50 + number)
            request.event(chunk(number, tokens, "stop" if number else "length", weight_versions=spans))
        if count is None:
            request.event("[DONE]")
        else:
            request.connection.shutdown(socket.SHUT_RDWR)

    return act


def says(text: str) -> Act:
    """One event, whatever it is, and the end."""

    def act(request: Request) -> None:
        request.begin_stream()
        request.event(text)

    return act
