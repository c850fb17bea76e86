"""What one request says about the server it was sent to."""

from enum import Enum, auto

_REFUSALS = frozenset((401, 403, 404))
_OVERLOADS = frozenset((408, 429, 503, 504))
_TEMPORARY = frozenset((409, 425))


class Outcome(Enum):
    """What a request says about its server."""

    ANSWERED = auto()
    """It answered as the protocol asks for."""
    OVERLOADED = auto()
    """It did not answer, for lack of time or capacity (408, 429, 503, 504, time-out)."""
    FAILED = auto()
    """It did not answer, for another reason that may pass."""
    REFUSED = auto()
    """It does not accept this key or model (401, 403, 404); another server may."""
    DECLINED = auto()
    """It is up and does not accept this request (400); no other server will."""
    CANCELLED = auto()
    """The request was cancelled."""

    @classmethod
    def of_status(cls, status: int) -> "Outcome":
        """By the HTTP status of an error."""
        if status in _OVERLOADS:
            return cls.OVERLOADED
        if status in _REFUSALS:
            return cls.REFUSED
        return cls.FAILED if status >= 500 or status in _TEMPORARY else cls.DECLINED

    @property
    def may_pass(self) -> bool:
        """Whether the same request may succeed later at the same server."""
        return self in (Outcome.OVERLOADED, Outcome.FAILED)

    @property
    def is_failure(self) -> bool:
        """Whether it counts against the server."""
        return self.may_pass or self is Outcome.REFUSED
