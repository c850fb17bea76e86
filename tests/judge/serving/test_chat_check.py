"""Whether a server is up, by a question that no server should fail at."""

from contextlib import suppress
from typing import Any

import pytest

from medix.judge.serving.chat_check import ChatCheck
from medix.judge.serving.chat_completion import complete_chat
from medix.serving.outcome import Outcome
from medix.serving.request_error import RequestError
from medix.serving.session import Session
from tests.support.clients import run
from tests.support.fault_server import Act, refuses
from tests.support.judges import breaks_off, says, sends, serving, without


def checked(act: Act) -> tuple[Outcome, list[dict[str, Any]]]:
    """What the check says of a server, and what it sent."""

    async def work(session: Session) -> Outcome:
        try:
            await ChatCheck("m", 5.0)(session, session.pool.endpoints[0])
        except RequestError as error:
            return error.outcome
        return Outcome.ANSWERED

    with serving(act) as server:
        return run(server.url, work), server.bodies


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        (says("Hello", "length"), Outcome.ANSWERED),
        (refuses(400, "no"), Outcome.ANSWERED),
        (refuses(500), Outcome.FAILED),
        (refuses(503), Outcome.OVERLOADED),
        (refuses(404), Outcome.REFUSED),
        (breaks_off, Outcome.FAILED),
        (sends("<html>"), Outcome.FAILED),
    ],
)
def test_only_an_answer_of_the_model_or_a_request_declined_shows_that_it_is_up(act: Act, outcome: Outcome) -> None:
    found, bodies = checked(act)
    assert found is outcome
    assert bodies[0] == {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}


def test_a_server_that_knows_another_name_of_the_limit_is_asked_with_it() -> None:
    found, bodies = checked(without(says("H"), max_tokens="use max_completion_tokens in place of max_tokens"))
    assert found is Outcome.ANSWERED
    assert "max_completion_tokens" in bodies[-1]


class Question:
    """A question that the server is for."""

    max_tokens = 7
    optional_fields = ()

    def __init__(self, text: str) -> None:
        self.text = text

    def content(self, fields: Any) -> dict[str, Any]:
        return {"model": "m", "messages": [{"role": "user", "content": self.text}], "max_tokens": self.max_tokens}


def fails_at(*texts: str) -> Act:
    def act(request: Any) -> None:
        text = request.body["messages"][0]["content"]
        (refuses(500, "IndexError: images[0]") if text in texts else says("Hello"))(request)

    return act


@pytest.mark.parametrize(
    ("act", "asked", "is_up"),
    [
        (fails_at("Hi"), ["good"], True),
        (fails_at("Hi", "bad"), ["good", "bad"], True),  # what it answered, not what it was asked last
        (fails_at("Hi", "bad"), ["bad", "good", "bad"], True),
        (fails_at("Hi", "bad"), ["bad"], False),
        (fails_at("Hi", "good"), ["good"], False),
        (fails_at("Hi"), [], False),
    ],
)
def test_a_server_that_fails_at_the_check_alone_is_asked_what_it_answered_before(
    act: Act, asked: list[str], is_up: bool
) -> None:
    async def work(session: Session) -> bool:
        endpoint = session.pool.endpoints[0]
        for text in asked:
            with suppress(RequestError):
                await complete_chat(session, endpoint, Question(text), 5.0)
        try:
            await ChatCheck("m", 5.0)(session, endpoint)
        except RequestError:
            return False
        return True

    with serving(act) as server:
        assert run(server.url, work) is is_up
