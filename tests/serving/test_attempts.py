"""Attempts at one request. With whole servers they are tested by those who ask: judges and evaluated models."""

import asyncio

import pytest

from medix.serving.address import Address
from medix.serving.attempts import Attempts, GaveUpError, RetryRules
from medix.serving.endpoint import Endpoint
from medix.serving.outcome import Outcome
from medix.serving.pool import ServerPool
from medix.serving.request_error import RequestError
from medix.serving.session import Session

RULES = RetryRules("verdict", timeout=10.0, attempt_timeout=None, retries=2, backoff=0.0)


async def ask(
    rules: RetryRules, *outcomes: Outcome | RequestError | str, servers: int = 1, is_known: bool = True
) -> tuple[str, list[str]]:
    """What the last outcome gives, and the servers that were asked; they have answered before if they are known."""
    addresses = [Address(f"http://127.0.0.1:{port}/v1") for port in range(1, 1 + servers)]
    endpoints = [Endpoint(address) for address in addresses]
    if is_known:
        endpoints[-1].recover()
    session = Session("", addresses, ServerPool(endpoints, 10.0))
    asked: list[str] = []
    left = list(outcomes)

    async def send(endpoint: Endpoint, limit: float) -> str:
        asked.append(endpoint.address.shown[-4])
        outcome = left.pop(0)
        if isinstance(outcome, RequestError):
            raise outcome
        if isinstance(outcome, Outcome):
            raise RequestError(outcome.name.lower(), outcome)
        return outcome

    return await rules.ask(session, Attempts(), send), asked


@pytest.mark.parametrize(
    ("outcomes", "servers", "asked"),
    [
        (("yes",), 1, ["1"]),
        ((Outcome.FAILED, "yes"), 1, ["1", "1"]),
        ((Outcome.FAILED, Outcome.OVERLOADED, "yes"), 2, ["1", "2", "2"]),
        ((Outcome.REFUSED, "yes"), 2, ["1", "2"]),
    ],
)
def test_what_may_pass_is_tried_again_elsewhere_first(outcomes: tuple, servers: int, asked: list[str]) -> None:
    found, at = asyncio.run(ask(RULES, *outcomes, servers=servers))
    assert found == "yes"
    assert len(at) == len(asked)
    assert len(set(at)) == len(set(asked))


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        ((Outcome.DECLINED,), "declined"),
        ((Outcome.REFUSED,), "refused"),
        ((Outcome.FAILED,) * 3, "failed; 3 attempts"),
    ],
)
def test_what_will_not_pass_is_given_up(outcomes: tuple, told: str) -> None:
    with pytest.raises(GaveUpError, match=told):
        asyncio.run(ask(RULES, *outcomes))


@pytest.mark.parametrize(
    "error", [RequestError("gone", is_silence=True), RequestError("busy", Outcome.OVERLOADED, 503)]
)
def test_what_says_nothing_of_the_request_is_no_attempt_of_it(error: RequestError) -> None:
    found, at = asyncio.run(ask(RULES, error, error, error, error, "yes"))
    assert (found, len(at)) == ("yes", 5)


def test_silence_counts_where_no_server_ever_answered() -> None:
    """The address may be wrong: who asks one question does not want to wait for the deadline."""
    gone = RequestError("gone", is_silence=True)
    with pytest.raises(GaveUpError, match="gone; 3 attempts"):
        asyncio.run(ask(RULES, *[gone] * 4, servers=2, is_known=False))
    found, _ = asyncio.run(ask(RULES, *[gone] * 4, "yes", servers=2))
    assert found == "yes", "one of them has answered"


def test_the_deadline_ends_the_asking_of_a_server_without_room() -> None:
    rules = RetryRules("verdict", timeout=0.3, attempt_timeout=None, retries=2, backoff=0.1)
    busy = RequestError("busy", Outcome.OVERLOADED, 503, retry_after=0.0)
    with pytest.raises(GaveUpError, match=r"busy; another attempt .*passes the deadline of 0.3 s"):
        asyncio.run(ask(rules, *[busy] * 9))
