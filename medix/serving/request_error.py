"""Why a request brought no answer."""

import json
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from medix.serving.outcome import Outcome


@dataclass(eq=False)
class RequestError(Exception):
    """A request brought no answer.

    Args:
        cause: what happened, for a message; holds no secret.
        outcome: what it says about the server.
        status: of HTTP; 0 where no status came.
        message: the server's own words, in full.
        retry_after: seconds that the server asks to wait; None if it does not say.
    """

    cause: str
    outcome: Outcome = Outcome.FAILED
    status: int = 0
    message: str = ""
    retry_after: float | None = None

    def __str__(self) -> str:
        return self.cause


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
