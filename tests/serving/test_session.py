"""Requests, and what goes wrong with them."""

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from medix.serving.outcome import Outcome
from medix.serving.request_error import RequestError
from medix.serving.session import Session
from tests.support.clients import KEY, run
from tests.support.fault_server import hangs, nobody, refuses
from tests.support.rollout_servers import serving

PATH = "/weight_info"


def fetched(url: str, path: str = PATH, limit: float = 120, longest: int = 1000) -> bytes:
    async def work(session: Session) -> bytes:
        [endpoint] = session.pool.endpoints
        return await session.fetch(endpoint.address, "GET", path, limit=limit, longest=longest)

    return run(url, work)


def error(url: str, limit: float = 120, longest: int = 1000) -> RequestError:
    with pytest.raises(RequestError) as caught:
        fetched(url, limit=limit, longest=longest)
    return caught.value


def test_an_answer_is_read() -> None:
    with serving() as server:
        assert fetched(server.url) == b'{"weight_version": "default"}'


def test_a_path_is_asked_below_the_base_and_the_key_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "k")
    with serving() as server:
        fetched(server.url + "/pool")
        assert (server.paths, server.keys) == (["/pool/weight_info"], ["Bearer k"])


def test_without_a_key_none_is_sent() -> None:
    with serving() as server:
        fetched(server.url)
        assert server.keys == [""]


def test_an_error_has_status_words_and_when_to_come_again() -> None:
    with serving() as server:
        server.others = {PATH: refuses(429, "too\n many " + "x" * 1000, Retry_After="7")}
        found = error(server.url)
    assert (found.status, found.outcome, found.retry_after) == (429, Outcome.OVERLOADED, 7.0)
    assert found.cause.startswith("status 429: too many xxx")
    assert len(found.cause) < 450
    assert len(found.message) > 1000


def test_an_answer_that_is_nested_too_deeply_is_an_error_of_its_server() -> None:
    async def work(session: Session) -> None:
        async with session.attempt(120):
            json.loads(await session.fetch(session.pool.endpoints[0].address, "GET", PATH, longest=10**6))

    with serving() as server:
        server.others = {PATH: lambda request: request.send(200, "[" * 200_000)}
        with pytest.raises(RequestError, match="what it sent is nested too deeply") as caught:
            run(server.url, work)
    assert caught.value.outcome is Outcome.FAILED


def test_without_keep_alive_a_connection_that_brought_an_error_is_not_used_again() -> None:
    """vLLM hangs up behind one."""

    def hangs_up(request: Any) -> None:
        request.send(500, "{}")
        request.server.stopping.wait(0.05)
        request.close_connection = True

    async def work(session: Session) -> bytes:
        [endpoint] = session.pool.endpoints
        with pytest.raises(RequestError, match="status 500"):
            await session.fetch(endpoint.address, "POST", "/pause")
        return await session.fetch(endpoint.address, "POST", PATH)

    with serving() as server:
        server.others = {"/pause": hangs_up}
        assert b"default" in run(server.url, work)


def test_a_connection_is_used_again_where_it_is_kept_alive() -> None:
    async def work(session: Session) -> None:
        [endpoint] = session.pool.endpoints
        for _ in range(3):
            await session.fetch(endpoint.address, "POST", PATH)
        assert len(server.connections) == 1

    with serving() as server:
        run(server.url, work, keep_alive=True)


def test_a_key_that_a_server_repeats_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "very-secret")
    with serving() as server:
        server.others = {PATH: refuses(401, "Bearer very-secret is no key")}
        assert error(server.url).cause == "status 401: Bearer [key] is no key"


def test_a_key_at_the_end_of_what_is_shown_is_not_told_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "very-secret")
    with serving() as server:
        server.others = {PATH: refuses(401, "x" * 396 + "very-secret")}
        assert "very" not in error(server.url).cause


def test_nobody_there_is_an_error() -> None:
    with nobody() as url:
        found = error(url)
    assert "ClientConnectorError" in found.cause
    assert (found.outcome, found.is_reply) == (Outcome.FAILED, False)


def test_a_server_that_hangs_is_left_when_its_time_is_over() -> None:
    with serving() as server:
        server.others = {PATH: hangs}
        found = error(server.url, limit=0.2)
    assert (found.cause, found.outcome, found.is_reply) == ("no answer within 0.2 s", Outcome.OVERLOADED, False)


def test_an_error_and_a_connection_that_the_server_ends_are_replies_and_too_many_requests_are_not() -> None:
    def ends(request: Any) -> None:
        request.connection.shutdown(socket.SHUT_RDWR)

    replies = {refuses(500): True, refuses(503): True, ends: True, refuses(429): False}
    with serving() as server:
        for act, is_reply in replies.items():
            server.others = {PATH: act}
            assert error(server.url).is_reply is is_reply


def test_an_answer_without_end_is_left() -> None:
    with serving() as server:
        server.others = {PATH: lambda request: request.send(200, "x" * 1001)}
        assert "longer than 1000 bytes" in error(server.url).cause


def test_a_redirect_is_an_error_and_not_followed() -> None:
    """The server that is named must answer; another one might be anybody's."""
    asked: list[str] = []

    class Redirect(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(307)
            self.send_header("Location", "/elsewhere?key=secret")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirect)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        found = error(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert found.cause == "status 307: redirects to /elsewhere; give the address itself"
    assert asked == [PATH]
