"""Which server a request goes to, and how long requests wait when none is up."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from medix.serving.endpoint import Endpoint
from medix.serving.outcome import Outcome
from medix.serving.request_error import RequestError

Prepare = Callable[[Endpoint], Coroutine[Any, Any, None]]
"""Makes a server ready, or looks whether it is: it raises ``RequestError`` where it is not."""

_LONGEST_GRACE = 30.0  # seconds that a preparation may go on once patience has ended


@dataclass(eq=False)
class AllDownError(Exception):
    """Every server is set aside, and waiting has ended.

    Args:
        causes: each server with its cause.
        seconds: that a sign of life was waited for at least, the same for every request; None if every server refuses
            model or key, for which nobody waits.
    """

    causes: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Lease:
    """Permission to send one request to a server.

    Attributes:
        endpoint: the server.
        began: when it was given, by the clock of the loop.
        is_probe: whether the request tries a server set aside.
    """

    endpoint: Endpoint
    began: float
    is_probe: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    lease: "asyncio.Future[Lease]"
    tried: Collection[Endpoint]
    asked: Collection[Endpoint]
    since: float


def _unexpected(error: BaseException) -> RequestError:
    return RequestError(f"{type(error).__name__}: {error}", is_silence=True)


class ServerPool:
    """Gives requests to the server with most capacity free; lives on one event loop.

    A server that failed often in a row is set aside. After a pause it is tried again: inside ``preparing`` by a hook
    that makes it ready, else by ``check``, a harmless question, and by one request only where there is no check. While
    all are set aside requests wait, so that a server that is restarted soon loses none of them. Without a sign of life
    for ``patience`` seconds, or if every server refuses model or key, all requests that wait fail, and so do later
    ones. Only a try that began before the end of patience, or before a later request came, is still waited for, at most
    as long as patience (inside ``preparing``, at most 30 s). However many requests wait, they do not wait for one try
    after another.

    **Whose failure it is.** Failures in a row do not tell a server that is down from requests that fail at any server,
    such as questions whose images crash it: at the end of a task, and when only what failed is asked again, nothing
    else is left. So requests never show that a server is down; the check does. A server that answers it is up, whatever
    else failed there: it is given requests again, and one that fails there each time is given up after its own attempts
    with the server's words (``medix.serving.attempts``), which is its own failure. A server that is silent (there is no
    connection, or no answer in time) stays aside, and no request is spent on it. A refusal of model or key is checked
    at once, for nobody waits for it. A new phase (the first request after a time without any) tries a server that is
    down once, at once.

    One that replies with errors to requests and to the check may be broken, or still starting behind a gateway, or fit
    for other requests than these: one that needs an image fails at the check and at all that have none. So while all
    servers are aside it is given every request that it was not asked before, once, which is never failed for waiting;
    those that failed there wait for a sign of life as ever, and after each check one of them is sent if there is no
    other. A server that fails at everything is thus asked everything once, however long the waiting has ended. One
    that says it has too many requests (429), or takes long to say that it has no room, is silent in this sense.

    A sign of life is an answer, also to the check, or that a request is declined, while there are requests. Inside
    ``preparing`` it is any server that is not set aside, however long its requests take, and a refusal is a failure
    like any other: what answers 404 may be a server that starts.

    Args:
        endpoints: the servers.
        patience: seconds without a sign of life after which waiting ends.

    Attributes:
        check: asks a server a harmless question; called in the background once its pause is over and a request waits.
            None leaves the trying to requests.
    """

    check: Prepare | None = None

    def __init__(self, endpoints: Sequence[Endpoint], patience: float) -> None:
        self.endpoints = tuple(endpoints)
        self.patience = patience
        self._waiting: deque[_Waiting] = deque()
        self._requests = 0
        self._alive = 0.0  # time of the last sign of life
        self._down: float | None = None  # when waiting ended; None while it goes on
        self._tries: dict[Endpoint, float] = {}  # servers that are being tried, and since when
        self._alarm: asyncio.TimerHandle | None = None
        self._prepare: Prepare | None = None
        self._probes: set[asyncio.Task[None]] = set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Count a request from beginning to answer: time in which nobody asks is not time without an answer."""
        if not self._requests:
            self._alive = self._now()
            if self._down is not None:
                self._try_at_once(self.endpoints, self._alive)
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    @asynccontextmanager
    async def preparing(self, prepare: Prepare) -> AsyncIterator[None]:
        """Inside, a server set aside is given no requests until ``prepare`` has succeeded.

        Args:
            prepare: makes a server ready, or raises ``RequestError``; called in the background once its pause is over.
        """
        self._prepare, self._alive, self._down = prepare, self._now(), None
        for endpoint in self.endpoints:
            if not endpoint.is_up:
                endpoint.set_aside(endpoint.cause, self._now())
        self._dispatch()
        try:
            yield
        finally:
            self._prepare = None
            probes, self._probes = self._probes, set()
            for task in probes:
                task.cancel()
            found = await asyncio.gather(*probes, return_exceptions=True)
            self._dispatch()
            for error in found:
                if isinstance(error, Exception) and not isinstance(error, RequestError):
                    raise error

    async def acquire(self, tried: Collection[Endpoint] = (), asked: Collection[Endpoint] = ()) -> Lease:
        """Wait for a server, if any is up for one that the request did not fail at.

        Args:
            tried: servers that the request failed at, as long as others are preferred.
            asked: all servers that the request was sent to; it goes ahead of those that were sent to none.

        Raises:
            AllDownError: every server is set aside for too long.
        """
        now = self._now()
        waiting = _Waiting(asyncio.get_running_loop().create_future(), tried, asked, now)
        if not asked or self._all_aside():
            # behind the others while all are set aside: each probe of a server costs another request an attempt
            self._waiting.append(waiting)
        else:
            self._waiting.appendleft(waiting)
        self._dispatch(now)  # a try that it begins began in time for it
        try:
            return await waiting.lease
        except asyncio.CancelledError:
            if waiting.lease.done() and not waiting.lease.cancelled() and waiting.lease.exception() is None:
                self.release(waiting.lease.result(), Outcome.CANCELLED)
            elif waiting in self._waiting:
                self._waiting.remove(waiting)
            raise

    def release(self, lease: Lease, outcome: Outcome, failure: RequestError | None = None) -> None:
        """The request of a lease has ended; arguments as of ``Endpoint.end``."""
        now, was_down, endpoint = self._now(), self._all_aside(), lease.endpoint
        if self._prepare is not None and not (endpoint.is_up or lease.is_probe or outcome.is_failure):
            outcome = Outcome.CANCELLED  # a late answer is no substitute for being prepared
        if self._prepare is not None and outcome is Outcome.REFUSED:
            outcome = Outcome.FAILED
        if lease.is_probe:
            del self._tries[endpoint]
        was_up = endpoint.is_up
        endpoint.end(outcome, failure, began=lease.began, now=now, was_probe=lease.is_probe)
        if self._prepare is not None:
            endpoint.is_replying = False  # only the hook tries it
        if was_up and endpoint.is_refusing and self._prepare is None and self.check is not None:
            self._try_at_once([endpoint], now)
        if outcome in (Outcome.ANSWERED, Outcome.DECLINED):
            self._alive, self._down = now, None
        elif self._prepare is not None and self._all_aside() and not was_down:
            self._alive = now
        self._dispatch()

    @contextmanager
    def using(self, lease: Lease) -> Iterator[None]:
        """Release the lease at the end of the block, with the outcome that the block's ``RequestError`` names."""
        outcome, failure = Outcome.CANCELLED, None
        try:
            yield
            outcome = Outcome.ANSWERED
        except RequestError as error:
            outcome, failure = error.outcome, error
            raise
        finally:
            self.release(lease, outcome, failure)

    def others(self, tried: Collection[Endpoint]) -> int:
        """How many servers are up that the request did not fail at."""
        return sum(endpoint.is_up and endpoint not in tried for endpoint in self.endpoints)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _all_aside(self) -> bool:
        return not any(endpoint.is_up for endpoint in self.endpoints)

    def _is_open(self, endpoint: Endpoint, now: float, asked: Collection[Endpoint] = ()) -> bool:
        """Whether a request that was sent to the servers asked may be sent now, if only to try the server."""
        if self._hook is None and endpoint.is_due(now):
            return True
        return endpoint.free > 0 and (endpoint.is_up or self._may_answer(endpoint, asked))

    def _may_answer(self, endpoint: Endpoint, asked: Collection[Endpoint]) -> bool:
        """Whether all are aside, and this one replies with errors and was not sent the request."""
        return endpoint.is_replying and endpoint not in asked and self._all_aside()

    @property
    def _hook(self) -> Prepare | None:
        """What tries a server set aside; None for a request."""
        return self.check if self._prepare is None else self._prepare

    def _try_at_once(self, endpoints: Iterable[Endpoint], now: float) -> None:
        """End the pauses of servers that are set aside and not being tried."""
        for endpoint in endpoints:
            if not (endpoint.is_up or endpoint.is_probed):
                endpoint.resumes = now

    def _begin_tries(self, now: float) -> None:
        """Try servers whose pause is over in the background; without preparing only while a request waits."""
        hook = self._hook
        if hook is None or (self._prepare is None and not self._waiting):
            return
        for endpoint in self.endpoints:
            if endpoint.is_due(now):
                lease = self._lease(endpoint, now)
                task = asyncio.get_running_loop().create_task(hook(endpoint))
                self._probes.add(task)
                task.add_done_callback(partial(self._probed, lease))

    def _dispatch(self, now: float | None = None) -> None:
        """Give leases to the requests that wait, in their order; fail them if no server is to be waited for."""
        now = self._now() if now is None else now
        self._begin_tries(now)
        for waiting in tuple(self._waiting):
            if not any(self._is_open(endpoint, now) for endpoint in self.endpoints):
                break
            chosen = self._choose(waiting, now)
            if chosen is None:
                continue
            self._give(waiting, chosen, now)
        if self._all_aside():
            self._fail_if_down(now)
        self._set_alarm(now)

    def _give(self, waiting: _Waiting, endpoint: Endpoint, now: float) -> None:
        self._waiting.remove(waiting)
        if not waiting.lease.done():  # else cancelled
            waiting.lease.set_result(self._lease(endpoint, now))

    def _lease(self, endpoint: Endpoint, now: float) -> Lease:
        lease = Lease(endpoint, now, endpoint.begin(now))
        if lease.is_probe:
            self._tries[endpoint] = now
        return lease

    def _probed(self, lease: Lease, task: "asyncio.Task[None]") -> None:
        if self._prepare is None:  # else its error is raised at the end
            self._probes.discard(task)
        endpoint, error = lease.endpoint, None if task.cancelled() else task.exception()
        if error is None:
            self.release(lease, Outcome.CANCELLED if task.cancelled() else Outcome.ANSWERED)
        else:
            failure = error if isinstance(error, RequestError) else _unexpected(error)
            self.release(lease, failure.outcome if failure.outcome.is_failure else Outcome.FAILED, failure)
        if self._waiting and endpoint.free > 0 and self._may_answer(endpoint, ()):
            self._give(self._waiting[0], endpoint, self._now())  # all that wait were sent to it before

    def _choose(self, waiting: _Waiting, now: float) -> Endpoint | None:
        able = [endpoint for endpoint in self.endpoints if self._is_open(endpoint, now, waiting.asked)]
        fresh = [endpoint for endpoint in able if endpoint not in waiting.tried]
        if not fresh and self.others(waiting.tried):
            return None  # another server is up and busy: wait for it rather than ask one that failed
        # a server whose pause is over comes first: one request tells whether it is back
        return max(fresh or able, key=lambda endpoint: (not endpoint.is_up, endpoint.free), default=None)

    def _fail_if_down(self, now: float) -> None:
        """All are set aside: end the waiting if it is time, but not of those that a try or a server is still for."""
        is_refused = all(endpoint.is_refusing for endpoint in self.endpoints)
        if self._down is None and (is_refused or now - self._alive >= self.patience):
            self._down = now
        if self._down is None:
            return
        causes = "; ".join(f"{one.address.shown}: {one.cause}" for one in self.endpoints)
        for waiting in tuple(self._waiting):
            if now < self._last_moment(waiting) or any(self._may_answer(one, waiting.asked) for one in self.endpoints):
                continue
            self._waiting.remove(waiting)
            if not waiting.lease.done():
                waiting.lease.set_exception(AllDownError(causes, None if is_refused else self.patience))

    def _last_moment(self, waiting: _Waiting) -> float:
        """When a request that waits is failed at the latest, now that waiting has ended."""
        assert self._down is not None
        ended = max(self._down, waiting.since)
        if not any(began <= ended for began in self._tries.values()):
            return ended
        return ended + (self.patience if self._prepare is None else min(self.patience, _LONGEST_GRACE))

    def _set_alarm(self, now: float) -> None:
        """Look again when a server may be tried, or when waiting ends; moments that have passed change nothing."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not self._waiting and self._prepare is None:
            return
        moments = [one.resumes for one in self.endpoints if one.resumes is not None and not one.is_probed]
        if self._all_aside():
            if self._down is None:
                moments.append(self._alive + self.patience)
            else:
                moments += [self._last_moment(waiting) for waiting in self._waiting]
        moments = [moment for moment in moments if moment > now]
        if moments:
            self._alarm = asyncio.get_running_loop().call_at(min(moments), self._dispatch)
