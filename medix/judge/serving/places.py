"""Which server is asked next, and for how long questions wait when none answers."""

import asyncio
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from medix.judge.serving.endpoint import Endpoint, Outcome


class AllDownError(Exception):
    """Every server is set aside, and waiting on makes no sense; the message names each with its cause."""


@dataclass(frozen=True, slots=True)
class Place:
    """A question's place at a server.

    Attributes:
        endpoint: the server.
        began: when it was taken, by the clock of the loop.
        is_probe: whether the question tries whether a server set aside is back.
    """

    endpoint: Endpoint
    began: float
    is_probe: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    place: "asyncio.Future[Place]"
    tried: Collection[Endpoint]


class Places:
    """Gives questions to the server with most places free; lives on one event loop.

    A server that failed often in a row is set aside; after a pause one question tries it again. While all are set aside
    questions wait, for a server that is started again soon loses none of them. Without a verdict for ``patience``
    seconds, or if every server refuses model or key, all questions that wait fail at once, and so do later ones, but
    for the one that tries again and those that come while it does.

    Args:
        endpoints: the servers.
        patience: seconds without a verdict, while there were questions, after which waiting ends.
    """

    def __init__(self, endpoints: Sequence[Endpoint], patience: float) -> None:
        self.endpoints = tuple(endpoints)
        self.patience = patience
        self._waiting: deque[_Waiting] = deque()
        self._questions = 0
        self._quiet_since = 0.0
        self._is_down = False
        self._alarm: asyncio.TimerHandle | None = None

    @contextmanager
    def question(self) -> Iterator[None]:
        """Count a question from beginning to verdict: time in which nobody asks is no time without a verdict."""
        if not self._questions:
            self._quiet_since = self._now()
        self._questions += 1
        try:
            yield
        finally:
            self._questions -= 1

    async def take(self, tried: Collection[Endpoint] = (), *, is_first: bool = True) -> Place:
        """A place at a server, one that the question did not fail at if any is up.

        Raises:
            AllDownError: every server is set aside for too long.
        """
        waiting = _Waiting(asyncio.get_running_loop().create_future(), tried)
        if is_first or self._all_aside():
            # behind the others while all are set aside: each try of a server costs another question an attempt
            self._waiting.append(waiting)
        else:
            self._waiting.appendleft(waiting)
        self._hand_out()
        try:
            return await waiting.place
        except asyncio.CancelledError:
            if waiting.place.done() and not waiting.place.cancelled() and waiting.place.exception() is None:
                self.give_back(waiting.place.result(), Outcome.UNKNOWN)
            elif waiting in self._waiting:
                self._waiting.remove(waiting)
            raise

    def give_back(self, place: Place, outcome: Outcome, cause: str = "") -> None:
        """Leave the place and say how it went."""
        now = self._now()
        place.endpoint.end(outcome, began=place.began, now=now, was_probe=place.is_probe, cause=cause)
        if outcome is Outcome.ANSWERED:
            self._quiet_since, self._is_down = now, False
        self._hand_out()

    def others(self, tried: Collection[Endpoint]) -> int:
        """How many servers are up that the question did not fail at."""
        return sum(endpoint.resumes is None and endpoint not in tried for endpoint in self.endpoints)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _all_aside(self) -> bool:
        return all(endpoint.resumes is not None for endpoint in self.endpoints)

    def _hand_out(self) -> None:
        """Give places to those who wait, in their order; send them away if no server is to be waited for."""
        now = self._now()
        for waiting in tuple(self._waiting):
            if not any(one.is_open(now) for one in self.endpoints):
                break
            endpoint = self._choose(waiting, now)
            if endpoint is None:
                continue
            self._waiting.remove(waiting)
            if not waiting.place.done():  # else called off
                waiting.place.set_result(Place(endpoint, now, endpoint.begin()))
        if self._all_aside():
            self._send_away_if_down(now)
        self._set_alarm()

    def _choose(self, waiting: _Waiting, now: float) -> Endpoint | None:
        able = [endpoint for endpoint in self.endpoints if endpoint.is_open(now)]
        fresh = [endpoint for endpoint in able if endpoint not in waiting.tried]
        if not fresh and self.others(waiting.tried):
            return None  # better a place to come at another server than one at a server that failed
        # a server whose pause is over comes first: one question tells whether it is back
        return max(fresh or able, key=lambda endpoint: (endpoint.resumes is not None, endpoint.free), default=None)

    def _send_away_if_down(self, now: float) -> None:
        """All are set aside: end the waiting if it is time, but for a server that is being tried."""
        refused = all(endpoint.is_refusing for endpoint in self.endpoints)
        self._is_down = self._is_down or refused or now - self._quiet_since >= self.patience
        if not self._is_down or any(one.is_probed or one.is_open(now) for one in self.endpoints):
            return
        causes = "; ".join(f"{one.address.shown}: {one.cause}" for one in self.endpoints)
        since = "" if refused else f" for {now - self._quiet_since:.1f} s"
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.place.done():
                waiting.place.set_exception(AllDownError(f"no verdict from any server{since} ({causes})"))

    def _set_alarm(self) -> None:
        """Look again when a server may be tried, or when patience ends."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if not self._waiting:
            return
        moments = [one.resumes for one in self.endpoints if one.resumes is not None and not one.is_probed]
        if self._all_aside() and not self._is_down:
            moments.append(self._quiet_since + self.patience)
        if moments:
            self._alarm = asyncio.get_running_loop().call_at(min(moments), self._hand_out)
