"""How a server's weights are exchanged, step by step."""

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from medix.rollout.serving.client import Client, EngineAddress, ServerFault, connected, run_apart
from medix.rollout.serving.server import Server
from tests.support.rollout_servers import RolloutServer, refuses, serving


def run(server: RolloutServer, work: Callable[[Server, Client], Coroutine[Any, Any, Any]]) -> Any:
    async def apart() -> Any:
        async with connected("MEDIX_TEST_KEY") as client:
            return await work(Server(EngineAddress(server.url), 4), client)

    return run_apart(apart)


async def exchange(server: Server, client: Client) -> None:
    async def load() -> None:
        await client.ask(server.address, "POST", "/update_weights", {"update_info": {"files": []}}, limit=5)

    await server.exchange(client, "v1", load, limit=5)


def test_a_server_says_what_it_is() -> None:
    async def look(server: Server, client: Client) -> tuple[str, int | None, int]:
        return await server.version(client), await server.context_length(client), await server.workers(client)

    with serving() as server:
        assert run(server, look) == ("default", 4096, 1)


def test_a_server_that_lists_no_model_has_no_known_room() -> None:
    with serving() as server:
        server.others = {"/v1/models": lambda request: request.send(200, '{"data": []}')}
        assert run(server, lambda one, client: one.context_length(client)) is None


def test_a_server_without_versions_is_told_how_to_start() -> None:
    with serving() as server:
        server.others = {"/weight_info": lambda request: request.send(200, "{}")}
        with pytest.raises(ServerFault, match="python -m medix rollout serve"):
            run(server, lambda one, client: one.version(client))


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
        with pytest.raises(ServerFault, match="no memory left"):
            run(server, exchange)
        assert server.version == "medix-unfinished"


@pytest.mark.parametrize("cache", ["prefix", "mm", "encoder"])
def test_a_cache_that_stays_is_a_fault(cache: str) -> None:
    with serving() as server:
        server.others = {f"/reset_{cache}_cache": lambda request: request.send(200, '{"success": false}')}
        with pytest.raises(ServerFault, match=f"could not empty its {cache} cache"):
            run(server, exchange)


def test_a_server_that_says_another_version_afterwards_is_at_fault() -> None:
    with serving() as server:
        server.others = {"/weight_info": lambda request: request.send(200, '{"weight_version": "other"}')}
        with pytest.raises(ServerFault, match="given weights v1 and says that it has other: does another run use it"):
            run(server, exchange)
