"""A server on the loopback that goes wrong on request."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Act = Callable[[Any], None]
"""Answers one request."""

S = TypeVar("S", bound="LoopbackServer")


class LoopbackRequest(BaseHTTPRequestHandler):
    """One request; its server holds the script."""

    protocol_version = "HTTP/1.1"
    server: "LoopbackServer"

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
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.play(json.loads(data or b"{}"))

    def play(self, body: dict[str, Any]) -> None:
        """Note the request, and do what the script says."""
        server, self.body = self.server, body
        with server.lock:
            server.keys.append(self.headers.get("Authorization", ""))
            server.now += 1
            server.most = max(server.most, server.now)
            act = server.note(self)
        try:
            act(self)
        except OSError:
            self.close_connection = True  # the client hung up
        finally:
            with server.lock:
                server.now -= 1

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def send(self, status: int, body: str, headers: Mapping[str, str] | None = None) -> None:
        data = body.encode()
        self.send_response(status)
        lines = {"Content-Type": "application/json", "Content-Length": str(len(data))} | dict(headers or {})
        for name, value in lines.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class LoopbackServer(ThreadingHTTPServer):
    """Acts in order, the last one for ever.

    Attributes:
        keys: the authorization of each request.
        now: requests under way.
        most: of them at the same time so far.
        stopping: set when the server stops.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, request: type[LoopbackRequest], acts: Sequence[Act], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), request)
        self.acts = list(acts)
        self.keys: list[str] = []
        self.connections: set[socket.socket] = set()
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.stopping = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def note(self, request: Any) -> Act:
        """Keep what was asked; gives the act that answers it."""
        raise NotImplementedError

    def act(self, number: int) -> Act:
        """The act of a request, counted from 0."""
        return self.acts[min(number, len(self.acts) - 1)]

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
def running(server: S) -> Iterator[S]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.kill()
        thread.join()


@contextmanager
def nobody(path: str = "") -> Iterator[str]:
    """The address of a port that refuses connections and that nobody else is given."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}{path}"


def refuses(status: int, message: str = "no", **headers: str) -> Act:
    """An error of the protocol."""
    body = json.dumps({"error": {"message": message, "code": status}})
    return lambda request: request.send(
        status, body, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def together(count: int, act: Act, limit: float = 120.0) -> Act:
    """Holds requests until ``count`` of them were under way at the same time, or for ``limit`` seconds."""

    def hold(request: LoopbackRequest) -> None:
        end = time.monotonic() + limit
        while request.server.most < count and time.monotonic() < end and not request.server.stopping.wait(0.005):
            pass
        act(request)

    return hold


def hangs(request: LoopbackRequest) -> None:
    """Answers nothing."""
    request.server.stopping.wait(600)
