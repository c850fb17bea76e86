"""A server of completions on the loopback, with weights that are a number, that goes wrong on request."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Act = Callable[["Request"], None]

TOKENS = (40, 41, 42)
"""What every completion says, before its own number."""


class Request(BaseHTTPRequestHandler):
    """One request; the server holds the script."""

    protocol_version = "HTTP/1.1"
    server: "RolloutServer"

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections.add(self.connection)

    def finish(self) -> None:
        with self.server.lock:
            self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_GET(self) -> None:
        self._take({})

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._take(json.loads(data or b"{}"))

    def _take(self, body: dict[str, Any]) -> None:
        server, self.body = self.server, body
        path = self.path.partition("?")[0]
        with server.lock:
            server.paths.append(self.path)
            server.keys.append(self.headers.get("Authorization", ""))
            server.now += 1
            server.most = max(server.most, server.now)
            if path == "/inference/v1/generate":
                server.asked.append(body)
                act = server.acts[min(len(server.asked), len(server.acts)) - 1]
            else:
                act = server.others.get(path, self._answers)
        try:
            act(self)
        except OSError:
            self.close_connection = True  # the engine hung up
        finally:
            with server.lock:
                server.now -= 1

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

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

    def send(self, status: int, body: str, headers: Mapping[str, str] | None = None) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

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


class RolloutServer(ThreadingHTTPServer):
    """Acts in order on requests for completions, the last act for ever.

    Attributes:
        version: of its weights.
        others: acts for other paths.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, acts: Sequence[Act], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Request)
        self.acts = list(acts)
        self.others: dict[str, Act] = {}
        self.version = "default"
        self.room = 4096
        self.asked: list[dict[str, Any]] = []
        self.manifests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.keys: list[str] = []
        self.connections: set[socket.socket] = set()
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.stopping = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """Gone at once: open connections break, new ones are refused."""
        if self.stopping.is_set():
            return
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self.lock:
            for connection in self.connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(*acts: Act, port: int = 0) -> Iterator[RolloutServer]:
    """A server; without acts one that completes whatever it is asked."""
    server = RolloutServer(acts or [completes], port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.kill()
        thread.join()


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


def refuses(status: int, message: str = "no", **headers: str) -> Act:
    """An error of the protocol."""
    body = json.dumps({"error": {"message": message, "code": status}})
    return lambda request: request.send(status, body, headers)


def says(text: str) -> Act:
    """One event, whatever it is, and the end."""

    def act(request: Request) -> None:
        request.begin_stream()
        request.event(text)

    return act


def hangs(request: Request) -> None:
    """Answers nothing."""
    request.server.stopping.wait(600)


@contextmanager
def nobody() -> Iterator[str]:
    """The address of a port that refuses connections and that nobody else is given."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
