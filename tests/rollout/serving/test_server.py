"""How a server's weights are exchanged, step by step."""

import json
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest
import torch

from medix.rollout.serving.server import Server
from medix.rollout.serving.stream import Choice, ChoiceStream
from medix.serving.outcome import Outcome
from medix.serving.request_error import RequestError
from tests.support import clients
from tests.support.fault_server import hangs, refuses
from tests.support.rollout_servers import RolloutServer, partly, serving


def run(server: RolloutServer, work: Callable[[Server], Coroutine[Any, Any, Any]]) -> Any:
    return clients.run(server.url, lambda session: work(Server(session, session.pool.endpoints[0].address)))


async def exchange(server: Server) -> None:
    async def load() -> None:
        await server.ask("POST", "/update_weights", {"update_info": {"files": []}})

    await server.exchange("v1", load, limit=120)


def test_a_server_says_what_it_is() -> None:
    async def look(server: Server) -> tuple[str, int | None, int]:
        return await server.version(), await server.context_length(), await server.workers()

    with serving() as server:
        assert run(server, look) == ("default", 4096, 1)


@pytest.mark.parametrize(
    ("described", "dtype"),
    [
        ("kv_cache_dtype=auto, dtype=torch.bfloat16, max_seq_len=8, quantization=None", torch.bfloat16),
        ("dtype=torch.float32, quantization=None", torch.float32),
        ("dtype=torch.bfloat16, quantization=fp8", None),
        ("dtype=torch.nothing, quantization=None", None),
        ("model='m'", None),
        ({"dtype": "torch.bfloat16"}, None),
        (None, None),
    ],
)
def test_a_server_says_in_which_dtype_its_weights_are(described: object, dtype: torch.dtype | None) -> None:
    with serving() as server:
        server.others = {"/server_info": lambda request: request.send(200, json.dumps({"vllm_config": described}))}
        assert run(server, Server.dtype) == dtype


def test_a_server_that_lists_no_model_has_no_known_room() -> None:
    with serving() as server:
        server.others = {"/v1/models": lambda request: request.send(200, '{"data": []}')}
        assert run(server, Server.context_length) is None


def test_a_server_without_versions_is_told_how_to_start() -> None:
    with serving() as server:
        server.others = {"/weight_info": lambda request: request.send(200, "{}")}
        with pytest.raises(RequestError, match="python -m medix rollout serve"):
            run(server, Server.version)


def test_it_holds_no_version_while_weights_are_exchanged() -> None:
    """Whoever is killed in the middle leaves a server that nobody takes for one with these weights."""
    seen: list[str] = []

    def loads(request: Any) -> None:
        seen.append(request.server.version)
        request._answers(request)

    with serving() as server:
        server.others = {"/update_weights": loads}
        run(server, exchange)
        assert (seen, server.version) == (["medix-unfinished"], "v1")


def test_an_exchange_that_fails_leaves_no_version() -> None:
    with serving() as server:
        server.others = {"/update_weights": refuses(500, "no memory left")}
        with pytest.raises(RequestError, match="no memory left"):
            run(server, exchange)
        assert server.version == "medix-unfinished"


@pytest.mark.parametrize("cache", ["prefix", "mm", "encoder"])
def test_a_cache_that_stays_is_a_fault(cache: str) -> None:
    with serving() as server:
        server.others = {f"/reset_{cache}_cache": lambda request: request.send(200, '{"success": false}')}
        with pytest.raises(RequestError, match=f"could not empty its {cache} cache"):
            run(server, exchange)


def test_a_server_that_says_another_version_afterwards_is_at_fault() -> None:
    with serving() as server:
        server.others = {"/weight_info": lambda request: request.send(200, '{"weight_version": "other"}')}
        with pytest.raises(RequestError, match="given weights v1 and reports other: does another run use it"):
            run(server, exchange)


# Completions ---------------------------------------------------------------------------------------------------------

ASKED = {"token_ids": [1, 2], "sampling_params": {"n": 2}}


def completed(server: RolloutServer, limit: float = 120, longest: int = 10_000) -> list[Choice]:
    async def work(one: Server) -> list[Choice]:
        async with aclosing(one.complete(ASKED, ChoiceStream(2, longest), limit=limit)) as choices:
            return [choice async for choice in choices]

    return run(server, work)


def test_completions_are_streamed() -> None:
    with serving() as server:
        assert [choice.token_ids for choice in completed(server)] == [(40, 41, 42, 50), (40, 41, 42, 51)]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, Outcome.DECLINED),
        (422, Outcome.DECLINED),
        (413, Outcome.DECLINED),
        (403, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (500, Outcome.FAILED),
    ],
)
def test_a_refusal_says_whether_the_request_is_at_fault(status: int, outcome: Outcome) -> None:
    with serving(refuses(status, "not so")) as server, pytest.raises(RequestError) as caught:
        completed(server)
    assert (caught.value.cause, caught.value.outcome) == (f"status {status}: not so", outcome)


def test_the_limit_holds_for_a_server_that_hangs_or_sends_now_and_then() -> None:
    def trickles(request: Any) -> None:
        request.begin_stream()
        while not request.server.stopping.wait(0.05):
            request.wfile.write(b": still here\n\n")
            request.wfile.flush()

    for act in (hangs, trickles):
        with serving(act) as server, pytest.raises(RequestError, match=r"^no answer within 0\.3 s$"):
            completed(server, limit=0.3)


def test_half_a_stream_says_how_far_it_came() -> None:
    with serving(partly(1)) as server, pytest.raises(RequestError, match="1 of 2 completions"):
        completed(server)


def test_a_stream_without_end_is_left() -> None:
    with serving() as server, pytest.raises(RequestError, match="longer than 50 bytes"):
        completed(server, longest=50)


def test_what_is_no_json_is_an_error_and_an_answer_without_fields_has_none() -> None:
    with serving() as server:
        server.others = {"/weight_info": lambda request: request.send(200, "<html>")}
        with pytest.raises(RequestError, match="not what the protocol asks for"):
            run(server, Server.version)
        server.others = {"/weight_info": lambda request: request.send(200, "[]")}
        assert run(server, lambda one: one.ask("GET", "/weight_info")) == {}
