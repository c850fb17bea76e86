"""A judge server on the loopback that goes wrong on request."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Act = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request; its server holds the script."""

    protocol_version = "HTTP/1.1"
    server: "FaultServer"

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections.add(self.connection)

    def finish(self) -> None:
        with self.server.lock:
            self.server.connections.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.body: dict[str, Any] = json.loads(self.rfile.read(length))
        with self.server.lock:
            self.server.bodies.append(self.body)
            self.server.keys.append(self.headers.get("Authorization", ""))
            number = len(self.server.bodies) - 1
            self.server.now += 1
            self.server.most = max(self.server.most, self.server.now)
        try:
            acts = self.server.acts
            acts[min(number, len(acts) - 1)](self)
        except OSError:
            self.close_connection = True  # the judge hung up
        finally:
            with self.server.lock:
                self.server.now -= 1

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def send(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        data = body.encode()
        self.send_response(status)
        for name, value in (
            {"Content-Type": "application/json", "Content-Length": str(len(data))} | (headers or {})
        ).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class FaultServer(ThreadingHTTPServer):
    """Acts in order, the last one for ever."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, acts: list[Act], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Request)
        self.connections: set[socket.socket] = set()
        self.acts = acts
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def kill(self) -> None:
        """Gone at once: open connections break, new ones are refused."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self.lock:
            for connection in self.connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


@contextmanager
def serving(*acts: Act, port: int = 0) -> Iterator[FaultServer]:
    """A server, on the port of one that was killed if that is given."""
    server = FaultServer(list(acts), port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if not server.stopping.is_set():
            server.stopping.set()
            server.shutdown()
            server.server_close()
        thread.join()


@contextmanager
def nobody() -> Iterator[str]:
    """The address of a port that refuses connections and that nobody else is given."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


def says(text: str | None, finish_reason: str = "stop", logprobs: Any = None, **message: Any) -> Act:
    """An ordinary reply."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
    choice |= {} if logprobs is None else {"logprobs": logprobs}
    body = {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return lambda request: request.send(200, json.dumps(body))


def refuses(status: int, message: str = "no", **headers: str) -> Act:
    """An error of the protocol."""
    body = json.dumps({"error": {"message": message, "code": status}})
    return lambda request: request.send(
        status, body, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def sends(body: str, content_type: str = "application/json") -> Act:
    """Any body with status 200."""
    return lambda request: request.send(200, body, {"Content-Type": content_type})


def hangs(request: Request) -> None:
    """Answers nothing."""
    request.server.stopping.wait(600)


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
