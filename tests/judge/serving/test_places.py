"""Which server is asked, and when waiting ends; on a loop whose clock the tests turn."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from medix.judge.serving.address import Address
from medix.judge.serving.endpoint import Endpoint, Outcome
from medix.judge.serving.places import AllDownError, Place, Places


class Turned(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next moment something is due."""

    now = 1000.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def run(work: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=Turned) as runner:
        runner.run(work)


def places_of(*limits: int, patience: float = 60.0) -> Places:
    endpoints = [
        Endpoint(Address(f"http://server{number}/v1"), limit, set_aside_after=1, pause=4.0, longest_pause=16.0)
        for number, limit in enumerate(limits)
    ]
    return Places(endpoints, patience)


def now() -> float:
    return asyncio.get_running_loop().time() - Turned.now


def test_questions_go_where_most_places_are_free() -> None:
    """3 and 5 places: to the second until both have 3 free, then in turns."""

    async def work() -> None:
        places = places_of(3, 5)
        taken = [await places.take() for _ in range(8)]
        assert [place.endpoint.address.shown[-4] for place in taken[:2]] == ["1", "1"]
        assert [endpoint.in_use for endpoint in places.endpoints] == [3, 5]

    run(work())


def test_who_waits_longest_is_served_first_and_who_failed_before_goes_ahead() -> None:
    async def work() -> None:
        places, order = places_of(1), []
        held = await places.take()

        async def ask(name: str, is_first: bool) -> None:
            place = await places.take(is_first=is_first)
            order.append(name)
            places.give_back(place, Outcome.ANSWERED)

        tasks = [asyncio.create_task(ask(name, name != "again")) for name in ("first", "second", "again")]
        await asyncio.sleep(0.1)
        places.give_back(held, Outcome.ANSWERED)
        await asyncio.gather(*tasks)
        assert order == ["again", "first", "second"]

    run(work())


def test_a_question_that_failed_waits_for_another_server_rather_than_take_the_same() -> None:
    async def work() -> None:
        places = places_of(2, 1)
        first, other = places.endpoints
        held = [place for place in [await places.take() for _ in range(3)] if place.endpoint is other]
        waiting = asyncio.create_task(places.take(tried=(first,), is_first=False))
        await asyncio.sleep(0.1)
        places.give_back(Place(first, 0.0, False), Outcome.ANSWERED)
        await asyncio.sleep(0.1)
        assert not waiting.done()
        places.give_back(held[0], Outcome.ANSWERED)
        assert (await waiting).endpoint is other

    run(work())


def test_one_question_tries_a_server_whose_pause_is_over_while_another_has_room() -> None:
    async def work() -> None:
        places = places_of(4, 2)
        away, up = places.endpoints
        places.give_back(await places.take(), Outcome.FAILED, "gone")
        assert away.resumes is not None
        assert [(await places.take()).endpoint for _ in range(1)] == [up]
        await asyncio.sleep(4.5)
        tried, later = await places.take(), await places.take()
        assert (tried.endpoint, tried.is_probe) == (away, True)
        assert (later.endpoint, later.is_probe) == (up, False)
        places.give_back(tried, Outcome.ANSWERED)
        assert (await places.take()).endpoint is away

    run(work())


def test_without_a_verdict_for_so_long_all_who_wait_are_sent_away_at_once_with_the_causes() -> None:
    """Tried at 4, 12 and 28 s; at 40 s patience ends, before the next try at 44 s."""

    async def work() -> None:
        places, tries, ends = places_of(1, patience=40.0), [], []

        async def ask() -> None:
            with places.question():
                while True:
                    try:
                        place = await places.take()
                    except AllDownError as error:
                        ends.append((now(), str(error)))
                        return
                    tries.append(now())
                    places.give_back(place, Outcome.FAILED, "gone")

        await asyncio.gather(*(ask() for _ in range(20)))
        assert tries == pytest.approx([0.0, 4.0, 12.0, 28.0])
        assert [moment for moment, _ in ends] == pytest.approx([40.0] * 20)
        assert ends[0][1] == "no verdict from any server for 40.0 s (http://server0/v1: gone)"

    run(work())


def test_a_server_that_comes_back_in_time_loses_nobody() -> None:
    async def work() -> None:
        places = places_of(2, patience=40.0)
        served: list[float] = []

        async def ask() -> None:
            with places.question():
                while True:
                    place = await places.take()
                    is_back = now() > 20
                    places.give_back(place, Outcome.ANSWERED if is_back else Outcome.FAILED)
                    if is_back:
                        return served.append(now())

        await asyncio.gather(*(ask() for _ in range(10)))
        assert served == pytest.approx([28.0] * 10)

    run(work())


async def fails_until_down(places: Places) -> None:
    with places.question():
        while True:
            try:
                place = await places.take()
            except AllDownError:
                return
            places.give_back(place, Outcome.FAILED, "gone")


def test_once_all_are_down_questions_fail_at_once_but_when_a_server_is_due_one_tries_and_others_wait_for_it() -> None:
    async def work() -> None:
        places = places_of(4, patience=40.0)
        await fails_until_down(places)
        down = now()
        with places.question(), pytest.raises(AllDownError):
            await places.take()
        assert now() == down
        await asyncio.sleep(16)
        with places.question():
            probe, *others = [asyncio.create_task(places.take()) for _ in range(3)]
            await asyncio.sleep(0.1)
            assert [task.done() for task in (probe, *others)] == [True, False, False]
            places.give_back(probe.result(), Outcome.ANSWERED)
            assert {(await other).is_probe for other in others} == {False}

    run(work())


def test_after_a_verdict_questions_wait_for_a_server_again() -> None:
    async def work() -> None:
        places = places_of(4, patience=40.0)
        await fails_until_down(places)
        await asyncio.sleep(16)
        with places.question():
            places.give_back(await places.take(), Outcome.ANSWERED)
            places.give_back(await places.take(), Outcome.FAILED, "gone")
            assert (await places.take()).is_probe

    run(work())


def test_waiting_for_a_try_ends_with_it() -> None:
    async def work() -> None:
        places = places_of(4, patience=40.0)
        await fails_until_down(places)
        await asyncio.sleep(16)
        with places.question():
            probe, other = [asyncio.create_task(places.take()) for _ in range(2)]
            await asyncio.sleep(0.1)
            places.give_back(probe.result(), Outcome.FAILED, "still gone")
            with pytest.raises(AllDownError, match="still gone"):
                await other

    run(work())


def test_time_in_which_nobody_asks_is_not_time_without_a_verdict() -> None:
    async def work() -> None:
        places = places_of(1, patience=40.0)
        with places.question():
            places.give_back(await places.take(), Outcome.ANSWERED)
        await asyncio.sleep(1000)
        with places.question():
            places.give_back(await places.take(), Outcome.FAILED, "gone")
            waited = now()
            assert (await places.take()).is_probe
            assert now() - waited == pytest.approx(4.0)

    run(work())


def test_nobody_waits_for_a_server_that_refuses_model_or_key() -> None:
    async def work() -> None:
        places = places_of(1)
        with places.question():
            places.give_back(await places.take(), Outcome.REFUSED, "status 404")
            with pytest.raises(AllDownError, match="status 404"):
                await places.take()
        assert now() == 0.0

    run(work())


def test_who_is_called_off_leaves_no_place_taken() -> None:
    async def work() -> None:
        places = places_of(1)
        held = await places.take()
        waiting = asyncio.create_task(places.take())
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.sleep(0.1)
        given = asyncio.create_task(places.take())
        await asyncio.sleep(0.1)
        places.give_back(held, Outcome.ANSWERED)
        given.cancel()  # between the giving and the taking
        await asyncio.sleep(0.1)
        assert places.endpoints[0].in_use == 0

    run(work())
