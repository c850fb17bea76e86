"""Why a request brought no answer."""

import json
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from medix.serving.outcome import Outcome

_TOO_MANY = 429
_NO_ROOM = frozenset((_TOO_MANY, 503))


@dataclass(eq=False)
class RequestError(Exception):
    """A request brought no answer.

    Args:
        cause: what happened, for a message; holds no secret.
        outcome: what it says about the server.
        status: of HTTP; 0 where no status came.
        message: the server's own words, in full.
        retry_after: seconds that the server asks to wait; None if it does not say.
        is_silence: whether the server said nothing: there was no connection, or no answer in time.
    """

    cause: str
    outcome: Outcome = Outcome.FAILED
    status: int = 0
    message: str = ""
    retry_after: float | None = None
    is_silence: bool = False

    def __str__(self) -> str:
        return self.cause

    @property
    def is_reply(self) -> bool:
        """Whether the server replied to this request: not silence, nor 429, which it says of too many requests."""
        return not self.is_silence and self.status != _TOO_MANY

    @property
    def room_after(self) -> float | None:
        """Seconds that a server without room (429, 503) asks to wait, 0 if it does not say; None for other errors."""
        return (self.retry_after or 0.0) if self.status in _NO_ROOM else None

    @property
    def tells_of_request(self) -> bool:
        """Whether it may be due to this request: not where there is no connection, or no room for any."""
        is_gone = self.is_silence and self.outcome is not Outcome.OVERLOADED
        return not is_gone and self.room_after is None


def error_message(content: Any) -> str | None:
    """The message in an error body: ``{"error": {"message": …}}``, or ``message``, ``detail`` or ``error`` alone."""
    if isinstance(content, dict):
        found = content.get("error", content)
        if isinstance(found, dict):
            found = found.get("message") or found.get("detail")
        if found:
            return found if isinstance(found, str) else json.dumps(found)
    return None


def read_error(data: bytes) -> str:
    """The message in an error body of any form; the body itself where none is found."""
    try:
        found = error_message(json.loads(data))
    except (ValueError, RecursionError):
        found = None
    return found or data.decode("utf-8", "replace")


def seconds_of(retry_after: str | None) -> float | None:
    """The header ``Retry-After``, a number or a date, in seconds from now; None for anything else."""
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
