"""Which server is asked, and when waiting ends; on a loop whose clock the tests turn."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import pytest

from medix.serving.address import Address
from medix.serving.endpoint import Endpoint, EndpointSettings
from medix.serving.outcome import Outcome
from medix.serving.pool import AllDownError, Lease, ServerPool
from medix.serving.request_error import RequestError


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


def pool_of(*limits: int, patience: float = 60.0) -> ServerPool:
    endpoints = [
        Endpoint(Address(f"http://server{number}/v1"), EndpointSettings(limit, 1, pause=4.0, longest_pause=16.0))
        for number, limit in enumerate(limits)
    ]
    return ServerPool(endpoints, patience)


def silence(cause: str) -> RequestError:
    return RequestError(cause, is_silence=True)


def now() -> float:
    return asyncio.get_running_loop().time() - Turned.now


def test_questions_go_where_most_capacity_is_free() -> None:
    """3 and 5 leases: to the second until both have 3 free, then in turns."""

    async def work() -> None:
        pool = pool_of(3, 5)
        taken = [await pool.acquire() for _ in range(8)]
        assert [lease.endpoint.address.shown[-4] for lease in taken[:2]] == ["1", "1"]
        assert [endpoint.in_use for endpoint in pool.endpoints] == [3, 5]

    run(work())


def test_who_waits_longest_is_served_first_and_who_failed_before_goes_ahead() -> None:
    async def work() -> None:
        pool, order = pool_of(1), []
        held = await pool.acquire()

        async def ask(name: str, is_first: bool) -> None:
            lease = await pool.acquire(asked=() if is_first else pool.endpoints)
            order.append(name)
            pool.release(lease, Outcome.ANSWERED)

        tasks = [asyncio.create_task(ask(name, name != "again")) for name in ("first", "second", "again")]
        await asyncio.sleep(0.1)
        pool.release(held, Outcome.ANSWERED)
        await asyncio.gather(*tasks)
        assert order == ["again", "first", "second"]

    run(work())


def test_a_question_that_failed_waits_for_another_server_rather_than_take_the_same() -> None:
    async def work() -> None:
        pool = pool_of(2, 1)
        first, other = pool.endpoints
        held = [lease for lease in [await pool.acquire() for _ in range(3)] if lease.endpoint is other]
        waiting = asyncio.create_task(pool.acquire((first,), (first,)))
        await asyncio.sleep(0.1)
        pool.release(Lease(first, 0.0, False), Outcome.ANSWERED)
        await asyncio.sleep(0.1)
        assert not waiting.done()
        pool.release(held[0], Outcome.ANSWERED)
        assert (await waiting).endpoint is other

    run(work())


def test_one_question_tries_a_server_whose_pause_is_over_while_another_has_room() -> None:
    async def work() -> None:
        pool = pool_of(4, 2)
        away, up = pool.endpoints
        pool.release(await pool.acquire(), Outcome.FAILED, silence("gone"))
        assert away.resumes is not None
        assert [(await pool.acquire()).endpoint for _ in range(1)] == [up]
        await asyncio.sleep(4.5)
        tried, later = await pool.acquire(), await pool.acquire()
        assert (tried.endpoint, tried.is_probe) == (away, True)
        assert (later.endpoint, later.is_probe) == (up, False)
        pool.release(tried, Outcome.ANSWERED)
        assert (await pool.acquire()).endpoint is away

    run(work())


def test_without_an_answer_for_so_long_all_who_wait_are_sent_away_at_once_with_the_causes() -> None:
    """Tried at 4, 12 and 28 s; at 40 s patience ends, before the next try at 44 s."""

    async def work() -> None:
        pool, tries = pool_of(1, patience=40.0), []
        ends: list[tuple[float, AllDownError]] = []

        async def ask() -> None:
            with pool.request():
                while True:
                    try:
                        lease = await pool.acquire()
                    except AllDownError as error:
                        ends.append((now(), error))
                        return
                    tries.append(now())
                    pool.release(lease, Outcome.FAILED, silence("gone"))

        await asyncio.gather(*(ask() for _ in range(20)))
        assert tries == pytest.approx([0.0, 4.0, 12.0, 28.0])
        assert [moment for moment, _ in ends] == pytest.approx([40.0] * 20)
        assert (ends[0][1].causes, ends[0][1].seconds) == ("http://server0/v1: gone", 40.0)

    run(work())


def test_a_server_that_comes_back_in_time_loses_nobody() -> None:
    async def work() -> None:
        pool = pool_of(2, patience=40.0)
        served: list[float] = []

        async def ask() -> None:
            with pool.request():
                while True:
                    lease = await pool.acquire()
                    is_back = now() > 20
                    pool.release(lease, Outcome.ANSWERED if is_back else Outcome.FAILED)
                    if is_back:
                        return served.append(now())

        await asyncio.gather(*(ask() for _ in range(10)))
        assert served == pytest.approx([28.0] * 10)

    run(work())


async def fails_until_down(pool: ServerPool) -> None:
    with pool.request():
        while True:
            try:
                lease = await pool.acquire()
            except AllDownError:
                return
            pool.release(lease, Outcome.FAILED, silence("gone"))


def test_once_all_are_down_questions_fail_at_once_but_when_a_server_is_due_one_tries_and_others_wait_for_it() -> None:
    async def work() -> None:
        pool = pool_of(4, patience=40.0)
        with pool.request():
            await fails_until_down(pool)
            down = now()
            with pytest.raises(AllDownError):
                await pool.acquire()
            assert now() == down
            await asyncio.sleep(16)
        with pool.request():
            probe, *others = [asyncio.create_task(pool.acquire()) for _ in range(3)]
            await asyncio.sleep(0.1)
            assert [task.done() for task in (probe, *others)] == [True, False, False]
            pool.release(probe.result(), Outcome.ANSWERED)
            assert {(await other).is_probe for other in others} == {False}

    run(work())


@pytest.mark.parametrize("count", [20, 200])
def test_servers_that_hang_take_no_longer_the_more_questions_wait(count: int) -> None:
    """An attempt takes 30 s at one and 39 s at the other, so that tries overlap for ever; patience ends at 40 s.

    The first is tried from 34 s to 64 s, the second from 43 s on, after the end of patience: at 64 s all that wait are
    failed. In a later round both are tried at once, and those that wait are failed when these tries have ended.
    """

    async def work() -> None:
        pool = pool_of(1, 1, patience=40.0)
        attempts = 0

        async def ask() -> None:
            nonlocal attempts
            with pool.request(), contextlib.suppress(AllDownError):
                lease = await pool.acquire()
                attempts += 1
                await asyncio.sleep(30 if lease.endpoint is pool.endpoints[0] else 39)
                pool.release(lease, Outcome.OVERLOADED, silence("no answer"))

        await asyncio.gather(*(ask() for _ in range(count)))
        assert (attempts, now()) == (4, pytest.approx(43.0 + 39.0))
        await asyncio.sleep(100)
        begun = now()
        await asyncio.gather(*(ask() for _ in range(count)))
        assert attempts <= 8
        assert now() - begun <= 39 + 39

    run(work())


def test_a_server_whose_pause_is_over_does_not_wake_the_pool_again_and_again() -> None:
    """A request that failed there waits for the other server, which is busy for 100 s."""

    async def work() -> None:
        pool = pool_of(1, 1)
        failed, busy = await pool.acquire(), await pool.acquire()
        pool.release(failed, Outcome.FAILED, silence("gone"))
        waiting = asyncio.create_task(pool.acquire([failed.endpoint], [failed.endpoint]))
        await asyncio.sleep(3)
        rounds = 0

        def counted() -> None:
            nonlocal rounds
            rounds += 1
            assert rounds < 10
            dispatch()

        dispatch = pool._dispatch
        pool._dispatch = counted  # type: ignore[method-assign]
        await asyncio.sleep(97)
        pool.release(busy, Outcome.ANSWERED)
        assert (await waiting).endpoint is busy.endpoint
        assert now() == pytest.approx(100.0)

    run(work())


def test_after_an_answer_questions_wait_for_a_server_again() -> None:
    async def work() -> None:
        pool = pool_of(4, patience=40.0)
        await fails_until_down(pool)
        await asyncio.sleep(16)
        with pool.request():
            pool.release(await pool.acquire(), Outcome.ANSWERED)
            pool.release(await pool.acquire(), Outcome.FAILED, silence("gone"))
            assert (await pool.acquire()).is_probe

    run(work())


def test_waiting_for_a_try_ends_with_it() -> None:
    async def work() -> None:
        pool = pool_of(4, patience=40.0)
        await fails_until_down(pool)
        await asyncio.sleep(16)
        with pool.request():
            probe, other = [asyncio.create_task(pool.acquire()) for _ in range(2)]
            await asyncio.sleep(0.1)
            pool.release(probe.result(), Outcome.FAILED, silence("still gone"))
            with pytest.raises(AllDownError, match="still gone"):
                await other

    run(work())


def test_time_in_which_nobody_asks_is_not_time_without_an_answer() -> None:
    async def work() -> None:
        pool = pool_of(1, patience=40.0)
        with pool.request():
            pool.release(await pool.acquire(), Outcome.ANSWERED)
        await asyncio.sleep(1000)
        with pool.request():
            pool.release(await pool.acquire(), Outcome.FAILED, silence("gone"))
            waited = now()
            assert (await pool.acquire()).is_probe
            assert now() - waited == pytest.approx(4.0)

    run(work())


def test_nobody_waits_for_a_server_that_refuses_model_or_key() -> None:
    async def work() -> None:
        pool = pool_of(1)
        with pool.request():
            pool.release(await pool.acquire(), Outcome.REFUSED, silence("status 404"))
            with pytest.raises(AllDownError, match="status 404"):
                await pool.acquire()
        assert now() == 0.0

    run(work())


def test_who_is_cancelled_leaves_no_lease_taken() -> None:
    async def work() -> None:
        pool = pool_of(1)
        held = await pool.acquire()
        waiting = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0.1)
        waiting.cancel()
        await asyncio.sleep(0.1)
        given = asyncio.create_task(pool.acquire())
        await asyncio.sleep(0.1)
        pool.release(held, Outcome.ANSWERED)
        given.cancel()  # between the giving and the taking
        await asyncio.sleep(0.1)
        assert pool.endpoints[0].in_use == 0

    run(work())


# Servers that are prepared before they are used again ----------------------------------------------------------------


async def never(endpoint: Endpoint) -> None:
    raise RequestError("still gone")


async def at_once(endpoint: Endpoint) -> None:
    """It is ready when it is first tried."""


async def fail(pool: ServerPool, cause: str = "gone") -> None:
    pool.release(await pool.acquire(), Outcome.FAILED, silence(cause))


def test_a_server_that_is_set_aside_gets_nothing_until_it_is_prepared() -> None:
    """Tried at 4, 12 and 28 s; two requests that failed there begin one series of tries."""

    async def work() -> None:
        pool, tries = pool_of(2, 1), []
        first, other = pool.endpoints

        async def at_the_third(endpoint: Endpoint) -> None:
            tries.append(now())
            if len(tries) < 3:
                raise RequestError(f"not yet {len(tries)}")

        async with pool.preparing(at_the_third):
            for lease in [await pool.acquire(), await pool.acquire(tried=[other])]:
                assert lease.endpoint is first
                pool.release(lease, Outcome.FAILED, silence("gone"))
            lease = await pool.acquire()
            assert lease.endpoint is other
            waiting = asyncio.create_task(pool.acquire())
            await asyncio.sleep(27)
            assert not waiting.done()
            assert (await waiting).endpoint is first
            assert (tries, first.cause) == (pytest.approx([4.0, 12.0, 28.0]), "not yet 2")

    run(work())


def test_all_that_wait_are_failed_when_patience_ends_counted_from_the_last_server_that_went() -> None:
    """The requests took 100 s, longer than patience; both servers went then. Patience of 10 s ends at 110 s."""

    async def work() -> None:
        pool = pool_of(1, 1, patience=10.0)
        async with pool.preparing(never):
            leases = [await pool.acquire(), await pool.acquire()]
            await asyncio.sleep(100)
            for lease in leases:
                pool.release(lease, Outcome.FAILED, silence("gone"))
            found = await asyncio.gather(pool.acquire(), pool.acquire(), return_exceptions=True)
            assert now() == pytest.approx(110.0)
        for error in found:
            assert isinstance(error, AllDownError)
            assert error.causes == "http://server0/v1: still gone; http://server1/v1: still gone"

    run(work())


def test_a_server_that_is_prepared_in_time_serves_those_that_wait_and_patience_begins_anew() -> None:
    async def work() -> None:
        pool = pool_of(1, patience=5.0)
        async with pool.preparing(at_once):
            for _ in range(3):
                await fail(pool)
            assert now() == pytest.approx(8.0)
            assert not (await pool.acquire()).is_probe

    run(work())


def test_a_server_that_was_set_aside_before_is_prepared_after_a_first_pause() -> None:
    async def work() -> None:
        pool = pool_of(1)
        pool.endpoints[0].set_aside("did not load its weights", asyncio.get_running_loop().time() + 100)
        async with pool.preparing(at_once):
            await pool.acquire()
            assert now() == pytest.approx(4.0)

    run(work())


def test_a_late_answer_does_not_bring_a_server_back_that_has_to_be_prepared() -> None:
    async def work() -> None:
        pool = pool_of(2)
        async with pool.preparing(never):
            failed, late = await pool.acquire(), await pool.acquire()
            pool.release(failed, Outcome.FAILED, silence("other weights"))
            pool.release(late, Outcome.ANSWERED)
            assert not pool.endpoints[0].is_up
        assert pool.endpoints[0].in_use == 0

    run(work())


@pytest.mark.parametrize("outcome", [Outcome.DECLINED, Outcome.FAILED])
def test_a_preparation_that_fails_in_any_way_leaves_a_server_aside(outcome: Outcome) -> None:
    async def work() -> None:
        async def fails(endpoint: Endpoint) -> None:
            raise RequestError("no such file", outcome)

        pool = pool_of(1)
        async with pool.preparing(fails):
            await fail(pool)
            await asyncio.sleep(5)
            assert (pool.endpoints[0].is_up, pool.endpoints[0].cause) == (False, "no such file")

    run(work())


def test_a_preparation_under_way_is_cancelled_at_the_end() -> None:
    async def work() -> None:
        async def hangs(endpoint: Endpoint) -> None:
            await asyncio.sleep(10_000)

        pool = pool_of(1)
        async with pool.preparing(hangs):
            await fail(pool)
            await asyncio.sleep(5)
            assert pool.endpoints[0].is_probed
        [endpoint] = pool.endpoints
        assert (endpoint.is_probed, endpoint.in_use, endpoint.is_up) == (False, 0, False)
        assert now() == pytest.approx(5.0)

    run(work())


def test_an_error_of_a_preparation_that_is_no_servers_is_raised_at_the_end() -> None:
    async def work() -> None:
        async def fails(endpoint: Endpoint) -> None:
            raise KeyError("a mistake")

        pool = pool_of(1)
        async with pool.preparing(fails):
            await fail(pool)
            await asyncio.sleep(5)

    with pytest.raises(KeyError, match="a mistake"):
        run(work())


def test_tries_of_several_servers_that_hang_in_turns_do_not_stretch_patience() -> None:
    """Each try takes 30 s, a pause at most 16 s: from 24 s on one is always under way, and patience ends at 140 s.

    The tries under way then are those of 110 to 140 s and of 134 to 164 s.
    """

    async def work() -> None:
        async def hangs(endpoint: Endpoint) -> None:
            await asyncio.sleep(30)
            raise RequestError("no answer within 30 s", Outcome.OVERLOADED)

        pool = pool_of(1, 1, patience=120.0)
        async with pool.preparing(hangs):
            first, second = await pool.acquire(), await pool.acquire()
            pool.release(first, Outcome.FAILED, silence("gone"))
            await asyncio.sleep(20)
            pool.release(second, Outcome.FAILED, silence("gone"))
            with pytest.raises(AllDownError) as caught:
                await asyncio.wait_for(pool.acquire(), 10_000)
            assert 140.0 <= now() <= 170.0
            assert caught.value.seconds == 120.0

    run(work())


@pytest.mark.parametrize(("patience", "end"), [(120.0, 150.0), (10.0, 20.0), (2.0, 2.0)])
def test_a_preparation_that_takes_very_long_is_waited_for_a_little_longer_than_patience(
    patience: float, end: float
) -> None:
    """It begins at 4 s: after an end of patience at 2 s, and then nobody waits for it."""

    async def work() -> None:
        async def loads(endpoint: Endpoint) -> None:
            await asyncio.sleep(600)

        pool = pool_of(1, patience=patience)
        async with pool.preparing(loads):
            await fail(pool)
            with pytest.raises(AllDownError):
                await pool.acquire()
            assert now() == pytest.approx(end)

    run(work())


def test_a_preparation_that_began_within_patience_may_end_after_it() -> None:
    async def work() -> None:
        async def loads(endpoint: Endpoint) -> None:
            await asyncio.sleep(29)

        pool = pool_of(1, patience=30.0)
        async with pool.preparing(loads):
            await fail(pool)
            await pool.acquire()
            assert now() == pytest.approx(33.0)

    run(work())


def test_a_refusal_of_a_server_that_has_to_be_prepared_is_a_failure_like_any_other() -> None:
    """As from another program on the port while the server starts: it answers 404, then 403, and is back at 28 s."""

    async def work() -> None:
        left = [404, 403]

        async def refuses_twice(endpoint: Endpoint) -> None:
            if left:
                status = left.pop(0)
                raise RequestError(f"status {status}", Outcome.of_status(status), status=status)

        pool = pool_of(1)
        async with pool.preparing(refuses_twice):
            pool.release(await pool.acquire(), Outcome.REFUSED, silence("status 401"))
            await asyncio.sleep(5)
            assert pool.endpoints[0].cause == "status 404"
            await pool.acquire()
            assert now() == pytest.approx(28.0)

    run(work())


def test_a_refusal_from_before_does_not_end_a_wait_for_a_server_that_is_prepared() -> None:
    async def work() -> None:
        pool = pool_of(1)
        pool.release(await pool.acquire(), Outcome.REFUSED, silence("status 401"))
        async with pool.preparing(at_once):
            await pool.acquire()
            assert now() == pytest.approx(4.0)

    run(work())
