"""A server of files on the loopback that goes wrong on request."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Answer:
    """What one request is answered with.

    Args:
        data: of the file.
        status: of the answer.
        cut: bytes after which the connection is closed.
    """

    data: bytes = b""
    status: int = 200
    cut: int | None = None


class FileServer(ThreadingHTTPServer):
    """Answers in the order of a script, or by path.

    Attributes:
        paths: that were requested with GET.
    """

    daemon_threads = True

    def __init__(self, answers: Sequence[Answer] | Mapping[str, Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.answers = answers
        self.paths: list[str] = []
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Request(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        with self.server.lock:
            answers = self.server.answers
            answer = answers[len(self.server.paths)] if isinstance(answers, Sequence) else answers[self.path]
            self.server.paths.append(self.path)
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.data)))
        self.end_headers()
        with suppress(OSError):  # the client hung up
            self.wfile.write(answer.data[: answer.cut])

    def do_HEAD(self) -> None:
        self.send_response(405)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serving_files(answers: Sequence[Answer] | Mapping[str, Answer]) -> Iterator[FileServer]:
    """A server until the end of the block."""
    server = FileServer(answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
