"""Why a request brought no answer."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from medix.serving.outcome import Outcome
from medix.serving.request_error import RequestError, read_error, seconds_of


def test_an_error_is_its_cause() -> None:
    error = RequestError("status 400: no", Outcome.DECLINED, status=400, message="no", retry_after=3.0)
    assert (str(error), error.cause, error.outcome.may_pass) == ("status 400: no", "status 400: no", False)
    assert RequestError("gone").outcome is Outcome.FAILED


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"error": {"message": "no such model"}}', "no such model"),
        ('{"message": "no such model"}', "no such model"),
        ('{"detail": "no such model"}', "no such model"),
        ('{"error": "no such model"}', "no such model"),
        ('{"detail": [{"loc": 1}]}', '[{"loc": 1}]'),
        ("<html>no such model", "<html>no such model"),
        ("[" * 100_000, "[["),
    ],
)
def test_the_words_of_an_error_are_found_in_every_form(body: str, words: str) -> None:
    assert words in read_error(body.encode())


def test_retry_after_is_a_number_or_a_date() -> None:
    assert seconds_of("3") == 3.0
    assert seconds_of("-1") == 0.0
    found = seconds_of(format_datetime(datetime.now(UTC) + timedelta(hours=1)))
    assert found is not None
    assert 3000 < found <= 3600
    assert seconds_of(None) is seconds_of("soon") is None


@pytest.mark.parametrize(
    ("error", "room_after", "tells"),
    [
        (RequestError("busy", Outcome.OVERLOADED, 503, retry_after=3.0), 3.0, False),
        (RequestError("busy", Outcome.OVERLOADED, 429), 0.0, False),
        (RequestError("no connection", is_silence=True), None, False),
        (RequestError("no answer within 3 s", Outcome.OVERLOADED, is_silence=True), None, True),
        (RequestError("broken off"), None, True),
        (RequestError("error", status=500, retry_after=3.0), None, True),
    ],
)
def test_only_some_errors_may_be_due_to_the_request(error: RequestError, room_after: float | None, tells: bool) -> None:
    assert (error.room_after, error.tells_of_request) == (room_after, tells)


@pytest.mark.parametrize(
    "header",
    [
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
        "Mon, 01 Jan 2024 00:00:00 +9999",
        "Mon, 01 Jan 0001 00:00:00 +0100",
        "Mon, 99 Jan 99999 00:00:00 GMT",
    ],
)
def test_a_date_that_cannot_be_is_no_time_or_none_to_wait(header: str) -> None:
    assert seconds_of(header) in (None, 0.0)
