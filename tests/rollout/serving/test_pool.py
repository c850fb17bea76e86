"""Places at servers, and servers that come back."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from medix.rollout.serving.client import EngineAddress, ServerFault
from medix.rollout.serving.pool import AllDownError, Pool
from medix.rollout.serving.server import Server


def servers(count: int, places: int = 2) -> list[Server]:
    return [Server(EngineAddress(f"http://127.0.0.1:{1000 + n}"), places) for n in range(count)]


async def never(server: Server) -> None:
    raise ServerFault("still gone")


async def at_once(server: Server) -> None:
    """It is back when it is first asked."""


def pool(of: list[Server], bring_back: Callable[[Server], Awaitable[None]] = never, patience: float = 0.2) -> Pool:
    return Pool(of, patience, bring_back, first_pause=0.02)


def run(work: Callable[[], Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work(), 10))


def test_the_server_with_fewest_prompts_is_next() -> None:
    async def work() -> None:
        one, other = of = servers(2)
        made = pool(of)
        assert await made.place() is one
        with made.using(one):
            assert await made.place() is other

    run(work)


def test_who_finds_no_place_waits_for_one() -> None:
    async def work() -> None:
        [one] = of = servers(1, places=1)
        made = pool(of)
        with made.using(one):
            waiting = asyncio.ensure_future(made.place())
            await asyncio.sleep(0.01)
            assert not waiting.done()
        assert await waiting is one

    run(work)


def test_a_server_that_failed_at_a_prompt_is_the_last_to_get_it_again() -> None:
    async def work() -> None:
        one, other = of = servers(2)
        made = pool(of)
        with made.using(other):
            assert await made.place(tried=[one]) is other
        assert await made.place(tried=[one, other]) is one

    run(work)


def test_a_server_that_is_set_aside_gets_nothing_until_it_is_back() -> None:
    async def work() -> None:
        one, other = of = servers(2)
        asked = 0

        async def at_the_third(server: Server) -> None:
            nonlocal asked
            asked += 1
            if asked < 3:
                raise ServerFault(f"not yet {asked}")

        made = pool(of, at_the_third)
        made.set_aside(one, "gone")
        made.set_aside(one, "gone again")  # by another prompt
        assert await made.place() is other
        with made.using(other):
            assert await made.place() is other
        while not one.is_up:
            await asyncio.sleep(0.01)
        assert (asked, one.cause) == (3, "not yet 2")
        await made.close()

    run(work)


def test_all_that_wait_are_sent_away_when_patience_ends() -> None:
    async def work() -> None:
        one, other = of = servers(2)
        made = pool(of)
        made.set_aside(one, "first")
        made.set_aside(other, "second")
        begun = time.monotonic()
        found = await asyncio.gather(made.place(), made.place(), return_exceptions=True)
        assert 0.15 < time.monotonic() - begun < 2
        assert [str(error) for error in found] == [
            "no server has been up for 0.2 s (http://127.0.0.1:1000: still gone; http://127.0.0.1:1001: still gone)"
        ] * 2
        assert all(isinstance(error, AllDownError) for error in found)
        await made.close()

    run(work)


def test_a_server_that_is_back_in_time_serves_those_that_wait() -> None:
    async def work() -> None:
        [one] = of = servers(1)
        made = pool(of, at_once, patience=5)
        made.set_aside(one, "gone")
        assert await made.place() is one
        made.set_aside(one, "gone")  # patience begins anew
        assert await made.place() is one
        await made.close()

    run(work)


def test_a_server_that_was_set_aside_before_is_brought_back() -> None:
    async def work() -> None:
        [one] = of = servers(1)
        one.set_aside("did not take its weights")
        made = pool(of, at_once, patience=5)
        assert await made.place() is one

    run(work)


def test_an_error_that_is_no_servers_is_not_lost() -> None:
    async def work() -> None:
        [one] = of = servers(1)

        async def fails(server: Server) -> None:
            raise KeyError("a mistake")

        made = pool(of, fails)
        made.set_aside(one, "gone")
        await asyncio.sleep(0.05)
        with pytest.raises(KeyError, match="a mistake"):
            await made.close()

    run(work)
