"""Attempts at one request: at which servers, how often, with which pauses, until a deadline."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from medix.serving.endpoint import Endpoint
from medix.serving.outcome import Outcome
from medix.serving.pool import AllDownError
from medix.serving.request_error import RequestError
from medix.serving.session import Session

T = TypeVar("T")

_LONGEST_PAUSE = 5.0  # seconds: within a deadline of minutes, a request that nine of ten are refused is asked often


class GaveUpError(Exception):
    """No further attempt makes sense; the message is the cause."""


@dataclass
class Attempts:
    """The attempts at one request: how many, at which servers, for how long, and what went wrong last.

    ``made`` counts failures, and ``own`` those of them that may be due to the request.
    """

    start: float = field(default_factory=time.perf_counter)
    spent: float = 0.0
    made: int = 0
    own: int = 0
    was_up: bool = True
    cause: str = ""
    at: Endpoint | None = None
    tried: tuple[Endpoint, ...] = ()
    asked: set[Endpoint] = field(default_factory=set)

    def begin(self, endpoint: Endpoint) -> None:
        """An attempt begins; the first one starts the clock."""
        if self.at is None:
            self.start = time.perf_counter()
        self.at, self.was_up = endpoint, endpoint.is_up
        self.asked.add(endpoint)
        self.tried = (*(other for other in self.tried if other is not endpoint), endpoint)

    @property
    def latency(self) -> float:
        """Seconds since the first attempt began."""
        return time.perf_counter() - self.start


@dataclass(frozen=True)
class RetryRules:
    """How often, and how long.

    A failure that may pass is retried at once at another server that is up, else with exponential backoff and jitter,
    or when ``Retry-After`` says. A refusal of key or model is retried at other servers only. Only failures that may be
    due to the request count as attempts: not where there is no connection, where the server has no room (429, 503), nor
    while it is set aside. Then the deadline decides, and the patience of the pool. Where no server has ever answered,
    a missing connection counts: the address may be wrong.

    Args:
        wanted: what is asked for, in messages.
        timeout: seconds for one request, including retries and pauses, not the time waiting for a free server.
        attempt_timeout: seconds for one attempt; None divides the time left equally among the servers that could still
            be asked.
        retries: further attempts after the first.
        backoff: seconds before the first retry; doubled each time, up to 5 s.
    """

    wanted: str
    timeout: float
    attempt_timeout: float | None
    retries: int
    backoff: float

    async def ask(self, session: Session, attempts: Attempts, send: Callable[[Endpoint, float], Awaitable[T]]) -> T:
        """An answer, after as many attempts as it takes and is allowed.

        Args:
            session: whose servers are asked.
            attempts: is filled in.
            send: makes one attempt at a server, within seconds.

        Raises:
            GaveUpError: there is none; the message is the cause.
        """
        try:
            with session.pool.request():
                return await self._ask(session, attempts, send)
        except AllDownError as error:
            since = "" if error.seconds is None else f" for {error.seconds:g} s"
            raise GaveUpError(f"no {self.wanted} from any server{since} ({error.causes})") from error

    async def _ask(self, session: Session, attempts: Attempts, send: Callable[[Endpoint, float], Awaitable[T]]) -> T:
        while True:
            try:
                return await self._attempt(session, attempts, send)
            except RequestError as error:
                others = session.pool.others(attempts.tried)
                is_known = any(endpoint.has_answered for endpoint in session.pool.endpoints)
                wait = self._wait(attempts, error, others, is_known=is_known)
            if not others:
                attempts.tried = attempts.tried[-1:]  # the one that failed last is the last to be asked again
                await asyncio.sleep(wait)
                attempts.spent += wait

    async def _attempt(
        self, session: Session, attempts: Attempts, send: Callable[[Endpoint, float], Awaitable[T]]
    ) -> T:
        pool = session.pool
        lease = await pool.acquire(attempts.tried, attempts.asked)
        attempts.begin(lease.endpoint)
        left = (self.timeout - attempts.spent) / (1 + pool.others(attempts.tried))
        limit = left if self.attempt_timeout is None else min(left, self.attempt_timeout)
        began = time.perf_counter()
        with pool.using(lease):
            try:
                return await send(lease.endpoint, limit)
            finally:
                attempts.spent += time.perf_counter() - began

    def _wait(self, attempts: Attempts, error: RequestError, others: int, *, is_known: bool) -> float:
        """Seconds until the next attempt.

        Args:
            attempts: those that were made.
            error: how the last one failed.
            others: servers that are up and were not tried.
            is_known: whether any server has ever answered.

        Raises:
            GaveUpError: another attempt makes no sense.
        """
        attempts.made += 1
        is_nobody = error.is_silence and not is_known
        attempts.own += is_nobody or (attempts.was_up and error.tells_of_request)
        before, attempts.cause = attempts.cause, error.cause
        if attempts.spent >= self.timeout * 0.999:
            raise GaveUpError(
                f"no {self.wanted} within {self.timeout:g} s" + (f" (before: {before})" if before else "")
            )
        if not error.outcome.may_pass and not (error.outcome is Outcome.REFUSED and others):
            raise GaveUpError(error.cause)
        if attempts.own > self.retries:
            raise GaveUpError(f"{error.cause}; {attempts.own} attempts")
        if others:
            return 0.0
        wait = self._pause(attempts.made) if error.retry_after is None else max(error.retry_after, self.backoff)
        if attempts.spent + wait > self.timeout:
            # no number of this request, so that one cause is one reason in counts
            asked = "" if error.retry_after is None else f" after the {error.retry_after:g} s that the server asks for"
            raise GaveUpError(f"{error.cause}; another attempt{asked} passes the deadline of {self.timeout:g} s")
        return wait

    def _pause(self, made: int) -> float:
        # a generator of its own: jitter must not move the random state that training is resumed from
        pause = min(self.backoff * 2.0 ** min(made - 1, 30), max(_LONGEST_PAUSE, self.backoff))
        return pause * random.SystemRandom().uniform(0.5, 1.5)
