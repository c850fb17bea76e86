"""One server as its clients see it: how many requests it is given, and whether it is up."""

from dataclasses import dataclass, field

from medix.serving.address import Address
from medix.serving.outcome import Outcome

_RISE = 4.0


@dataclass(frozen=True)
class EndpointSettings:
    """How a server is used.

    Args:
        max_concurrency: most requests at the same time.
        set_aside_after: failures in a row after which it is set aside.
        pause: seconds until a server set aside is tried again; doubled each time it fails again.
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
        is_refusing: whether the last failure was a refusal of model or key, which waiting does not cure.
        accepted_fields: optional request fields that it is known to accept; forgotten when it is set aside, for another
            server may come back.
        rejected_fields: optional request fields that it is known to reject.
    """

    address: Address
    settings: EndpointSettings = field(default_factory=EndpointSettings)
    limit: float = field(init=False)
    in_use: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    resumes: float | None = field(default=None, init=False)
    is_probed: bool = field(default=False, init=False)
    cause: str = field(default="", init=False)
    is_refusing: bool = field(default=False, init=False)
    accepted_fields: set[str] = field(default_factory=set, init=False)
    rejected_fields: set[str] = field(default_factory=set, init=False)
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

    def begin(self) -> bool:
        """Count a request; whether it is the one that tries a server set aside."""
        self.in_use += 1
        if self.is_up:
            return False
        self.is_probed = True
        return True

    def end(self, outcome: Outcome, *, began: float, now: float, was_probe: bool, cause: str) -> None:
        """A request has ended."""
        self.in_use -= 1
        if was_probe:
            self.is_probed = False
        if outcome is Outcome.OVERLOADED and began >= self._lowered:
            self.limit, self._lowered = max(1.0, self.limit / 2), now
        if outcome.is_failure:
            self._fail(outcome, now, was_probe, cause)
        elif outcome is not Outcome.CANCELLED:
            self.recover()
            if outcome is Outcome.ANSWERED:
                self.limit = min(float(self.settings.max_concurrency), self.limit + _RISE / self.limit)

    def recover(self) -> None:
        """It is up."""
        self.failures, self._pauses, self.resumes, self.is_refusing = 0, 0, None, False

    def set_aside(self, cause: str, now: float) -> None:
        """Give it no request until a pause is over."""
        self.cause, self._pauses, self.is_refusing = cause, 0, False
        self.accepted_fields.clear()
        self.resumes = now + self.settings.pause

    def _fail(self, outcome: Outcome, now: float, was_probe: bool, cause: str) -> None:
        self.failures += 1
        self.cause = cause
        if self.is_up and self.failures >= self.settings.set_aside_after:
            self.set_aside(cause, now)
        elif was_probe:
            self._pauses += 1
            self.resumes = now + min(self.settings.longest_pause, self.settings.pause * 2.0**self._pauses)
        self.is_refusing = outcome is Outcome.REFUSED
