"""Whose failure it is: a server that is down, or questions that fail at any; on a loop whose clock the tests turn."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from medix.serving.address import Address
from medix.serving.endpoint import Endpoint, EndpointSettings
from medix.serving.outcome import Outcome
from medix.serving.pool import AllDownError, Lease, ServerPool
from medix.serving.request_error import RequestError
from tests.serving.test_pool import now, pool_of, run

ATTEMPTS = 5


class Server:
    """A server of which the test says what it fails at, and when it is up.

    Args:
        bad: the questions that it always fails at.
        failure: how it fails, with a reply.
        is_up: whether it is up, by the time.
        checked: what its check raises while it is up.
        slow: seconds until it fails.
    """

    def __init__(
        self,
        bad: range,
        failure: Outcome = Outcome.FAILED,
        is_up: Callable[[float], bool] = lambda _: True,
        checked: RequestError | None = None,
        slow: float = 0.0,
    ) -> None:
        self.bad = bad
        self.failure = failure
        self.is_up = is_up
        self.checked = checked
        self.slow = slow
        self.asked: Counter[int] = Counter()
        self.checks: list[float] = []

    async def check(self, endpoint: Endpoint) -> None:
        self.checks.append(now())
        await asyncio.sleep(0.1)
        if not self.is_up(now()):
            raise RequestError("gone", is_silence=True)
        if self.checked is not None:
            raise self.checked

    async def ask(self, pool: ServerPool, question: int) -> str:
        """What becomes of a question that is attempted five times."""
        with pool.request():
            for made in range(ATTEMPTS):
                try:
                    lease: Lease = await pool.acquire(asked=pool.endpoints[:made])
                except AllDownError:
                    return "down"
                self.asked[question] += 1
                await asyncio.sleep(0.01)
                is_up = self.is_up(now())
                is_failure = question in self.bad or not is_up
                await asyncio.sleep(self.slow * is_failure)
                failure = RequestError("crashed", self.failure, is_silence=not is_up) if is_failure else None
                pool.release(lease, failure.outcome if failure else Outcome.ANSWERED, failure)
                if not is_failure:
                    return "answered"
                if self.failure is Outcome.REFUSED:
                    break
                await asyncio.sleep(0.1)
            return "own failure"

    async def task(self, pool: ServerPool, questions: range) -> Counter[str]:
        return Counter(await asyncio.gather(*(self.ask(pool, number) for number in questions)))


@pytest.mark.parametrize("failure", [Outcome.FAILED, Outcome.OVERLOADED, Outcome.REFUSED])
@pytest.mark.parametrize(
    ("questions", "bad"),
    [(range(100), range(97, 100)), (range(100), range(80, 100)), (range(50), range(50)), (range(64), range(32))],
)
def test_questions_that_always_fail_are_given_up_after_their_own_attempts_and_all_others_are_answered(
    questions: range, bad: range, failure: Outcome
) -> None:
    """Also where nothing but these is asked, as when a command is given again; a later task is answered as ever.

    In the last case none is answered before 32 have failed. A pause of 4 s follows each failure and lets all that wait
    through: five times five rounds at most, and the servers of eight places take no longer.
    """

    async def work() -> None:
        pool, server = pool_of(8, patience=30.0), Server(bad, failure)
        pool.check = server.check
        for part in (questions, bad, range(1000, 1100)):
            found = await server.task(pool, part)
            known = len(set(part) & set(bad))
            assert found == Counter({"own failure": known, "answered": len(part) - known})
        assert max(server.asked.values()) <= 2 * ATTEMPTS

    run(work())


def test_a_server_that_is_gone_is_noticed_in_time_whatever_failed_before_and_a_new_phase_tries_once() -> None:
    """Gone from 10 s: tried at pauses of 4, 8 and 16 s, no request is spent on tries, and patience ends after 40 s."""

    async def work() -> None:
        pool, server = pool_of(4, patience=40.0), Server(range(90, 100), is_up=lambda time: not 10 <= time < 500)
        pool.check = server.check
        await server.task(pool, range(40))
        await asyncio.sleep(10 - now())
        assert await server.task(pool, range(40, 80)) == Counter(down=40)
        assert 50 <= now() <= 52
        assert sum(server.asked[number] for number in range(40, 80)) <= 4
        assert len(server.checks) <= 4
        for later in (100, 200):
            await asyncio.sleep(later - now())
            tried = len(server.checks)
            assert await server.task(pool, range(40, 80)) == Counter(down=40)
            assert now() < later + 1
            assert len(server.checks) == tried + 1
        await asyncio.sleep(500 - now())
        assert await server.task(pool, range(40, 120)) == Counter({"answered": 70, "own failure": 10})

    run(work())


def test_who_asks_one_by_one_of_a_server_that_hangs_waits_for_no_try_longer_than_patience() -> None:
    async def work() -> None:
        async def hangs(endpoint: Endpoint) -> None:
            await asyncio.sleep(10.0)
            raise RequestError("no answer", Outcome.OVERLOADED, is_silence=True)

        pool, server = pool_of(1, patience=10.0), Server(range(0), is_up=lambda _: False)
        pool.check = hangs
        for _ in range(5):
            began = now()
            assert (await server.task(pool, range(1))).keys() == {"down"}
            assert now() - began <= 20.5

    run(work())


def test_a_server_that_comes_back_loses_nobody() -> None:
    async def work() -> None:
        pool, server = pool_of(4, patience=40.0), Server(range(0), is_up=lambda time: not 1 <= time < 20)
        pool.check = server.check
        await asyncio.sleep(1)
        assert await server.task(pool, range(20)) == Counter(answered=20)

    run(work())


def test_an_answer_during_a_try_that_fails_keeps_the_server_up() -> None:
    async def work() -> None:
        settings = EndpointSettings(4, set_aside_after=2, pause=4.0)
        pool = ServerPool([Endpoint(Address("http://server/v1"), settings)], 60.0)
        server = Server(range(0), is_up=lambda _: False)
        pool.check = server.check
        with pool.request():
            late, *failed = [await pool.acquire() for _ in range(3)]
            for lease in failed:
                pool.release(lease, Outcome.FAILED)
            waiting = asyncio.create_task(pool.acquire())
            await asyncio.sleep(4.05)
            pool.release(late, Outcome.ANSWERED)
            assert (await waiting).endpoint.is_up
            await asyncio.sleep(1)
            assert (pool.endpoints[0].is_up, len(server.checks)) == (True, 1)

    run(work())


def test_nobody_who_waits_is_no_reason_to_try() -> None:
    async def work() -> None:
        pool, server = pool_of(1), Server(range(0))
        pool.check = server.check
        pool.release(await pool.acquire(), Outcome.FAILED)
        await asyncio.sleep(1000)
        assert server.checks == []

    run(work())


def test_a_model_that_is_refused_is_checked_at_once_and_told_at_once() -> None:
    async def work() -> None:
        async def refuses(endpoint: Endpoint) -> None:
            raise RequestError("status 404", Outcome.REFUSED, 404)

        pool = pool_of(1)
        pool.check = refuses
        with pool.request():
            pool.release(await pool.acquire(), Outcome.REFUSED, RequestError("status 404"))
            with pytest.raises(AllDownError, match="status 404"):
                await pool.acquire()
        assert now() == 0.0

    run(work())


# Servers that reply with errors, also to the check -------------------------------------------------------------------

BROKEN = RequestError("status 500", status=500)
STARTS = RequestError("status 503", Outcome.OVERLOADED, status=503)


@pytest.mark.parametrize(("failure", "checked"), [(Outcome.FAILED, BROKEN), (Outcome.OVERLOADED, STARTS)])
@pytest.mark.parametrize(
    "tasks", [(range(100), range(100, 220)), (range(220),), (range(220), range(220)), (range(3), range(100, 103))]
)
def test_a_server_that_fails_at_the_check_and_at_the_first_questions_answers_all_others(
    tasks: tuple[range, ...], failure: Outcome, checked: RequestError
) -> None:
    """Questions 0 to 99 have no image; those after them are answered, in the same task, a later one, and again."""

    async def work() -> None:
        pool, server = pool_of(8, patience=8.0), Server(range(100), failure, checked=checked)
        pool.check = server.check
        for task in tasks:
            found = await server.task(pool, task)
            assert found["answered"] == sum(number >= 100 for number in task)
            assert found.total() == len(task)
        assert set(server.asked) == {number for task in tasks for number in task}

    run(work())


@pytest.mark.parametrize(("failure", "checked"), [(Outcome.FAILED, BROKEN), (Outcome.OVERLOADED, STARTS)])
def test_a_server_that_fails_at_everything_is_asked_everything_once_and_takes_patience_and_no_more(
    failure: Outcome, checked: RequestError
) -> None:
    """After each check (at 4, 12, 28 and 44 s; without room every 4 s) one more is sent. Patience of 40 s ends.

    A later task waits for none.
    """

    async def work() -> None:
        pool, server = pool_of(8, patience=40.0), Server(range(500), failure, checked=checked)
        pool.check = server.check
        assert await server.task(pool, range(500)) == Counter(down=500)
        assert now() <= 45.0
        assert set(server.asked) == set(range(500))
        assert server.asked.total() <= 500 + (8 if checked is BROKEN else 16)
        later = now()
        assert await server.task(pool, range(500)) == Counter(down=500)
        assert now() - later <= 6.0
        assert server.asked.total() <= 1000 + (12 if checked is BROKEN else 20)

    run(work())


@pytest.mark.parametrize("failure", [Outcome.FAILED, Outcome.OVERLOADED])
def test_a_gateway_whose_server_starts_costs_each_question_few_attempts_and_loses_none(failure: Outcome) -> None:
    """It replies with errors for 30 s; its check fails ever after, as of a model that needs an image."""

    async def work() -> None:
        pool, server = pool_of(8, patience=60.0), Server(range(0), failure, checked=BROKEN)
        pool.check = server.check
        server.bad = range(300)
        asyncio.get_running_loop().call_later(30.0, setattr, server, "bad", range(0))
        assert await server.task(pool, range(300)) == Counter(answered=300)
        assert now() <= 50.0

    run(work())


def test_a_server_that_replies_to_the_check_and_keeps_questions_waiting_is_not_asked_one_after_another() -> None:
    """Each of the first 8 takes 10 s, as a gateway's 504; the limit falls. Then nobody is kept longer than patience."""

    async def work() -> None:
        pool, server = pool_of(8, patience=40.0), Server(range(500), Outcome.OVERLOADED, checked=STARTS, slow=10.0)
        pool.check = server.check
        assert await server.task(pool, range(500)) == Counter(down=500)
        assert now() <= 60.0
        later = now()
        assert await server.task(pool, range(500)) == Counter(down=500)
        assert now() - later <= 20.0

    run(work())
