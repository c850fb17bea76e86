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


async def ask(rules: RetryRules, *outcomes: Outcome | str, servers: int = 1) -> tuple[str, list[str]]:
    """What the last outcome gives, and the servers that were asked."""
    addresses = [Address(f"http://127.0.0.1:{port}/v1") for port in range(1, 1 + servers)]
    session = Session("", addresses, ServerPool([Endpoint(address) for address in addresses], 10.0))
    asked: list[str] = []
    left = list(outcomes)

    async def send(endpoint: Endpoint, limit: float) -> str:
        asked.append(endpoint.address.shown[-4])
        outcome = left.pop(0)
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
