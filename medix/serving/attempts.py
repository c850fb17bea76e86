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


class GaveUpError(Exception):
    """No further attempt makes sense; the message is the cause."""


@dataclass
class Attempts:
    """The attempts at one request: how many, at which servers, for how long, and what went wrong last."""

    start: float = field(default_factory=time.perf_counter)
    spent: float = 0.0
    made: int = 0
    cause: str = ""
    at: Endpoint | None = None
    tried: tuple[Endpoint, ...] = ()

    def begin(self, endpoint: Endpoint) -> None:
        """An attempt begins; the first one starts the clock."""
        if self.at is None:
            self.start = time.perf_counter()
        self.at = endpoint
        self.tried = (*(other for other in self.tried if other is not endpoint), endpoint)

    @property
    def latency(self) -> float:
        """Seconds since the first attempt began."""
        return time.perf_counter() - self.start


@dataclass(frozen=True)
class RetryRules:
    """How often, and how long.

    A failure that may pass is retried at once at another server that is up, else with exponential backoff and jitter,
    or when ``Retry-After`` says. A refusal of key or model is retried at other servers only.

    Args:
        wanted: what is asked for, in messages.
        timeout: seconds for one request, including retries and pauses, not the time waiting for a free server.
        attempt_timeout: seconds for one attempt; None divides the time left equally among the servers that could still
            be asked.
        retries: further attempts after the first.
        backoff: seconds before the first retry; doubled each time.
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
                wait = self._wait(attempts, error, others)
            if not others:
                attempts.tried = attempts.tried[-1:]  # the one that failed last is the last to be asked again
                await asyncio.sleep(wait)
                attempts.spent += wait

    async def _attempt(
        self, session: Session, attempts: Attempts, send: Callable[[Endpoint, float], Awaitable[T]]
    ) -> T:
        pool = session.pool
        lease = await pool.acquire(attempts.tried, is_first=not attempts.made)
        attempts.begin(lease.endpoint)
        left = (self.timeout - attempts.spent) / (1 + pool.others(attempts.tried))
        limit = left if self.attempt_timeout is None else min(left, self.attempt_timeout)
        began = time.perf_counter()
        with pool.using(lease):
            try:
                return await send(lease.endpoint, limit)
            finally:
                attempts.spent += time.perf_counter() - began

    def _wait(self, attempts: Attempts, error: RequestError, others: int) -> float:
        """Seconds until the next attempt.

        Raises:
            GaveUpError: another attempt makes no sense.
        """
        attempts.made += 1
        before, attempts.cause = attempts.cause, error.cause
        if attempts.spent >= self.timeout * 0.999:
            raise GaveUpError(
                f"no {self.wanted} within {self.timeout:g} s" + (f" (before: {before})" if before else "")
            )
        if not error.outcome.may_pass and not (error.outcome is Outcome.REFUSED and others):
            raise GaveUpError(error.cause)
        if attempts.made > self.retries:
            raise GaveUpError(f"{error.cause}; {attempts.made} attempts")
        if others:
            return 0.0
        wait = self._pause(attempts.made) if error.retry_after is None else error.retry_after
        if attempts.spent + wait > self.timeout:
            # no number of this request, so that one cause is one reason in counts
            asked = "" if error.retry_after is None else f" after the {error.retry_after:g} s that the server asks for"
            raise GaveUpError(f"{error.cause}; another attempt{asked} passes the deadline of {self.timeout:g} s")
        return wait

    def _pause(self, made: int) -> float:
        # a generator of its own: jitter must not move the random state that training is resumed from
        return self.backoff * 2.0 ** (made - 1) * random.SystemRandom().uniform(0.5, 1.5)
