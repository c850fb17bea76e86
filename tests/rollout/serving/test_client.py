"""Requests, and what goes wrong with them."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from medix.rollout.serving.client import Client, EngineAddress, ServerFault, connected, run_apart
from medix.rollout.serving.stream import Choice, ChoiceStream
from tests.support.rollout_servers import hangs, nobody, partly, refuses, serving

ASKED = {"token_ids": [1, 2], "sampling_params": {"n": 2}}


def asked(url: str, path: str = "/weight_info", limit: float = 5.0) -> dict[str, Any]:
    async def work() -> dict[str, Any]:
        async with connected("MEDIX_TEST_KEY") as client:
            return await client.ask(EngineAddress(url), "GET", path, limit=limit)

    return run_apart(work)


def completed(url: str, limit: float = 5.0, longest: int = 10_000) -> list[Choice]:
    async def work() -> list[Choice]:
        async with connected("MEDIX_TEST_KEY") as client:
            stream = ChoiceStream(2, longest)
            async with aclosing(client.complete(EngineAddress(url), ASKED, stream, limit=limit)) as choices:
                return [choice async for choice in choices]

    return run_apart(work)


def fault(work: Callable[[], Any]) -> ServerFault:
    with pytest.raises(ServerFault) as caught:
        work()
    return caught.value


def test_an_answer_is_read_and_completions_are_streamed() -> None:
    with serving() as server:
        assert asked(server.url) == {"weight_version": "default"}
        assert [choice.token_ids for choice in completed(server.url)] == [(40, 41, 42, 50), (40, 41, 42, 51)]


def test_a_path_is_asked_below_the_base_and_the_key_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIX_TEST_KEY", "k")
    with serving() as server:
        asked(server.url + "/pool", "/weight_info")
        assert (server.paths, server.keys) == (["/pool/weight_info"], ["Bearer k"])


def test_without_a_key_none_is_sent() -> None:
    with serving() as server:
        asked(server.url)
        assert server.keys == [""]


@pytest.mark.parametrize(
    ("status", "is_own"), [(400, True), (422, True), (413, True), (403, False), (404, False), (500, False)]
)
def test_a_refusal_says_whether_the_request_is_at_fault(status: int, is_own: bool) -> None:
    with serving(refuses(status, "not so")) as server:
        found = fault(lambda: completed(server.url))
    assert (found.cause, found.is_own) == (f"status {status}: not so", is_own)


def test_a_connection_that_brought_an_error_is_not_used_again() -> None:
    """vLLM hangs up behind one."""

    def hangs_up(request: Any) -> None:
        request.send(500, "{}")
        request.server.stopping.wait(0.05)
        request.close_connection = True

    async def work() -> str:
        async with connected("MEDIX_TEST_KEY") as client:
            with pytest.raises(ServerFault, match="status 500"):
                await client.ask(EngineAddress(server.url), "POST", "/pause", limit=5)
            found = await client.ask(EngineAddress(server.url), "POST", "/weight_info", limit=5)
            return str(found["weight_version"])

    with serving() as server:
        server.others = {"/pause": hangs_up}
        assert run_apart(work) == "default"


def test_a_key_that_a_server_repeats_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIX_TEST_KEY", "very-secret")
    with serving(refuses(401, "Bearer very-secret is no key")) as server:
        assert fault(lambda: completed(server.url)).cause == "status 401: Bearer [key] is no key"


def test_nobody_there_is_a_fault_at_once() -> None:
    with nobody() as url:
        begun = time.monotonic()
        assert "ClientConnectorError" in fault(lambda: asked(url)).cause
        assert time.monotonic() - begun < 5


@pytest.mark.parametrize("ask", [asked, completed])
def test_a_server_that_hangs_is_left_when_its_time_is_over(ask: Any) -> None:
    with serving(hangs) as server:
        server.others = {"/weight_info": hangs}
        begun = time.monotonic()
        assert fault(lambda: ask(server.url, limit=0.2)).cause == "no answer within 0.2 s"
        assert time.monotonic() - begun < 3


def test_the_limit_holds_while_a_server_sends_now_and_then() -> None:
    def trickles(request: Any) -> None:
        request.begin_stream()
        while not request.server.stopping.wait(0.05):
            request.wfile.write(b": still here\n\n")
            request.wfile.flush()

    with serving(trickles) as server:
        assert fault(lambda: completed(server.url, limit=0.3)).cause == "no answer within 0.3 s"


def test_half_a_stream_says_how_far_it_came() -> None:
    with serving(partly(1)) as server:
        assert "1 of 2 completions" in fault(lambda: completed(server.url)).cause


def test_a_stream_without_end_is_left() -> None:
    with serving() as server:
        assert "longer than 50 bytes" in fault(lambda: completed(server.url, longest=50)).cause


def test_what_is_no_json_is_a_fault() -> None:
    with serving() as server:
        server.others = {"/weight_info": lambda request: request.send(200, "<html>")}
        assert "not what the protocol asks for" in fault(lambda: asked(server.url)).cause


def test_an_answer_without_fields_has_none() -> None:
    with serving() as server:
        server.others = {"/weight_info": lambda request: request.send(200, "[]")}
        assert asked(server.url) == {}


def test_work_apart_returns_raises_and_leaves_no_thread() -> None:
    before = threading.active_count()

    async def good() -> int:
        await asyncio.sleep(0)
        return 5

    async def bad() -> int:
        raise KeyError("no")

    assert run_apart(good) == 5
    with pytest.raises(KeyError):
        run_apart(bad)
    assert threading.active_count() == before


def test_an_interrupt_calls_the_work_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the thread that waits: the work is cancelled, and the interrupt comes out."""
    from concurrent.futures import Future

    ended: list[str] = []
    started = threading.Event()

    async def long() -> None:
        started.set()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("called off")
            raise

    def interrupted(self: Any, timeout: float | None = None) -> None:
        started.wait(5)
        raise KeyboardInterrupt

    monkeypatch.setattr(Future, "result", interrupted)
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_apart(long)
    assert ended == ["called off"]
    assert time.monotonic() - begun < 5


def test_a_client_holds_what_it_was_given() -> None:
    assert Client(session=None, key="k").without_key("k is k") == "[key] is [key]"  # type: ignore[arg-type]
