"""A judge server on the loopback that goes wrong on request."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Act = Callable[["Request"], None]


class Request(BaseHTTPRequestHandler):
    """One request; its server holds the script."""

    protocol_version = "HTTP/1.1"
    server: "FaultServer"

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

    def __init__(self, acts: list[Act]) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.acts = acts
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.stopping = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


@contextmanager
def serving(*acts: Act) -> Iterator[FaultServer]:
    server = FaultServer(list(acts))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()


def says(text: str | None, finish_reason: str = "stop", **message: Any) -> Act:
    """An ordinary reply."""
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
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
    request.server.stopping.wait(30)


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


def slowly(act: Act, seconds: float) -> Act:
    def later(request: Request) -> None:
        time.sleep(seconds)
        act(request)

    return later
