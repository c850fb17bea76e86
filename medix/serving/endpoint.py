"""One server as its clients see it: how many requests it is given, and whether it is up."""

from dataclasses import dataclass, field
from typing import Any

from medix.serving.address import Address
from medix.serving.outcome import Outcome
from medix.serving.request_error import RequestError

_RISE = 4.0
_SOON = 0.5  # seconds; an error of overload that takes longer is one of waiting, such as a gateway's 504
_BUSY = 1.0  # seconds; longest pause of a server that has no room: some requests get an answer if there are many tries
_SHORTEST_PAUSE = 0.05  # seconds after a try that failed, where none is asked for: tries cost nobody an attempt


@dataclass(frozen=True)
class EndpointSettings:
    """How a server is used.

    Args:
        max_concurrency: most requests at the same time.
        set_aside_after: failures in a row after which it is set aside.
        pause: seconds until a server set aside is tried again; doubled each time it fails again; while it says
            that it has no room (429, 503) up to a second, or as long as it says.
        longest_pause: no pause is longer.
    """

    max_concurrency: int = 64
    set_aside_after: int = 5
    pause: float = 0.5
    longest_pause: float = 15.0


@dataclass(eq=False)
class Endpoint:
    """What is known of one server.

    Args:
        address: where it is.
        settings: how it is used.

    Attributes:
        limit: requests it is given at the same time. It is halved when the server is overloaded or runs out of time
            (once for the requests that were under way together), and rises by about four for each round of answers
            (additive increase, multiplicative decrease), between 1 and ``max_concurrency``.
        in_use: requests under way.
        failures: failures in a row.
        resumes: when it is tried again; None unless it is set aside.
        is_probed: whether it is being tried.
        cause: why it failed last.
        is_replying: whether it is set aside and yet replies, with errors such as status 500, so that it may answer what
            it was not asked yet. Silence, 429, a refusal and an error of overload that took long are no such replies.
        is_refusing: whether the last failure was a refusal of model or key, which waiting does not cure.
        has_answered: whether it ever did; silence of one that never did may be a wrong address.
        accepted_fields: optional request fields that it is known to accept; forgotten when it is set aside, for another
            server may come back.
        rejected_fields: optional request fields that it is known to reject.
        example: the last request that it answered, to try it with.
    """

    address: Address
    settings: EndpointSettings = field(default_factory=EndpointSettings)
    limit: float = field(init=False)
    in_use: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    resumes: float | None = field(default=None, init=False)
    is_probed: bool = field(default=False, init=False)
    cause: str = field(default="", init=False)
    is_replying: bool = field(default=False, init=False)
    is_refusing: bool = field(default=False, init=False)
    has_answered: bool = field(default=False, init=False)
    accepted_fields: set[str] = field(default_factory=set, init=False)
    rejected_fields: set[str] = field(default_factory=set, init=False)
    example: Any = field(default=None, init=False)
    _lowered: float = field(default=float("-inf"), init=False)
    _pauses: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.limit = float(self.settings.max_concurrency)

    @property
    def is_up(self) -> bool:
        """Whether it is not set aside."""
        return self.resumes is None

    @property
    def free(self) -> int:
        """Requests that may be added."""
        return max(0, int(self.limit) - self.in_use)

    def is_due(self, now: float) -> bool:
        """Whether it is set aside and may be tried again now."""
        return self.resumes is not None and not self.is_probed and now >= self.resumes

    def begin(self, now: float) -> bool:
        """Count a request; whether it is the one that tries a server set aside."""
        self.in_use += 1
        is_probe = self.is_due(now)
        self.is_probed = self.is_probed or is_probe
        return is_probe

    def end(
        self, outcome: Outcome, failure: RequestError | None = None, *, began: float, now: float, was_probe: bool
    ) -> None:
        """A request has ended.

        Args:
            outcome: what it says.
            failure: why it brought no answer; None if it did, or was cancelled.
            began: when it was sent.
            now: when it ended.
            was_probe: whether it tried the server.
        """
        self.in_use -= 1
        if was_probe:
            self.is_probed = False
        if outcome is Outcome.OVERLOADED and began >= self._lowered:
            self.limit, self._lowered = max(1.0, self.limit / 2), now
        if outcome.is_failure:
            failure = failure or RequestError("", is_silence=True)
            self._fail(outcome, failure, now, was_probe)
            is_soon = outcome is Outcome.FAILED or (outcome is Outcome.OVERLOADED and now - began <= _SOON)
            self.is_replying = failure.is_reply and is_soon and not self.is_up
        elif outcome is not Outcome.CANCELLED:
            self.recover()
            if outcome is Outcome.ANSWERED:
                self.limit = min(float(self.settings.max_concurrency), self.limit + _RISE / self.limit)

    def recover(self) -> None:
        """It is up."""
        self.failures, self._pauses, self.resumes, self.has_answered = 0, 0, None, True
        self.is_refusing = self.is_replying = False

    def set_aside(self, cause: str, now: float) -> None:
        """Give it no request until a pause is over."""
        self.cause, self._pauses = cause, 0
        self.is_refusing = self.is_replying = False
        self.accepted_fields.clear()
        self.resumes = now + self.settings.pause

    def _fail(self, outcome: Outcome, failure: RequestError, now: float, was_probe: bool) -> None:
        self.failures += 1
        self.cause = failure.cause
        if self.is_up and self.failures >= self.settings.set_aside_after:
            self.set_aside(failure.cause, now)
        elif was_probe and not self.is_up:  # an answer meanwhile says more than a try that failed
            self._pauses += 1
            pause = max(self.settings.pause, _SHORTEST_PAUSE) * 2.0**self._pauses
            longest = self.settings.longest_pause
            if (room_after := failure.room_after) is not None:
                pause, longest = max(pause, room_after), min(longest, max(_BUSY, self.settings.pause, room_after))
            self.resumes = now + min(longest, pause)
        self.is_refusing = outcome is Outcome.REFUSED
