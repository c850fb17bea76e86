"""One server: how many questions it is given, when it is set aside, what it is known to take."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.serving.address import Address
from medix.judge.serving.chat import ChatReply, ChatRequest, StatusError
from medix.judge.serving.endpoint import Endpoint, Outcome
from tests.support.judges import Act, FaultServer, refuses, says, serving, without

YES_NO = ChatRequest("m", "x", 7, {"choice": ["YES", "NO"]})
EXPLAINED = ChatRequest("m", "x", 7, {"json": {"type": "object"}})


def endpoint_of(max_places: int = 64, url: str = "http://127.0.0.1:9/v1") -> Endpoint:
    return Endpoint(Address(url), max_places, set_aside_after=3, pause=1.0, longest_pause=5.0)


def attempt(endpoint: Endpoint, outcome: Outcome, began: float, now: float) -> None:
    endpoint.end(outcome, began=began, now=now, was_probe=endpoint.begin(), cause="why")


def test_the_limit_is_halved_once_for_questions_that_were_under_way_together() -> None:
    """64, refused at time 1: 32. One more that began before that: still 32. One that began after it: 16."""
    endpoint = endpoint_of()
    for began, now, limit in ((0.0, 1.0, 32.0), (0.5, 1.1, 32.0), (1.2, 1.3, 16.0)):
        attempt(endpoint, Outcome.OVERLOADED, began, now)
        assert endpoint.limit == limit


def test_the_limit_rises_by_four_for_a_round_of_verdicts() -> None:
    """At 8, a verdict adds 4 / 8: 8.5, so still 8 whole places; the next adds 4 / 8.5."""
    endpoint = endpoint_of()
    endpoint.limit = 8.0
    attempt(endpoint, Outcome.ANSWERED, 0.0, 1.0)
    assert (endpoint.limit, endpoint.free) == (8.5, 8)
    attempt(endpoint, Outcome.ANSWERED, 0.0, 1.0)
    assert endpoint.limit == pytest.approx(8.5 + 4 / 8.5)


@given(st.lists(st.sampled_from(list(Outcome)), max_size=60), st.integers(1, 64))
def test_the_limit_stays_between_one_and_the_bound_and_places_add_up(outcomes: list[Outcome], bound: int) -> None:
    endpoint = endpoint_of(bound)
    for moment, outcome in enumerate(outcomes):
        attempt(endpoint, outcome, float(moment), float(moment))
        assert 1.0 <= endpoint.limit <= bound
        assert endpoint.in_use == 0


def test_only_lack_of_time_or_room_lowers_the_limit() -> None:
    for outcome in Outcome:
        endpoint = endpoint_of()
        attempt(endpoint, outcome, 0.0, 0.0)
        assert (endpoint.limit < 64) == (outcome is Outcome.OVERLOADED)


def test_pauses_double_to_their_limit_and_an_answer_ends_them() -> None:
    """Set aside by the third failure at time 0; tried again after 1, then 2, 4 and 5 (not 8) seconds."""
    endpoint, now = endpoint_of(), 0.0
    for _ in range(2):
        attempt(endpoint, Outcome.FAILED, 0.0, now)
    assert endpoint.is_open(now)
    attempt(endpoint, Outcome.FAILED, 0.0, now)
    for pause in (1.0, 2.0, 4.0, 5.0, 5.0):
        assert endpoint.resumes == now + pause
        assert not endpoint.is_open(now + pause - 0.01)
        now += pause
        assert endpoint.is_open(now)
        attempt(endpoint, Outcome.FAILED, now, now)
    now += 5
    attempt(endpoint, Outcome.ANSWERED, now, now)
    assert (endpoint.resumes, endpoint.failures) == (None, 0)
    for _ in range(3):
        attempt(endpoint, Outcome.FAILED, now, now)
    assert endpoint.resumes == now + 1.0


def test_one_question_at_a_time_tries_a_server_set_aside() -> None:
    endpoint = endpoint_of()
    for _ in range(3):
        attempt(endpoint, Outcome.FAILED, 0.0, 0.0)
    assert endpoint.is_open(1.0)
    assert endpoint.begin()
    assert not endpoint.is_open(1.0)


def test_late_failures_do_not_lengthen_the_pause() -> None:
    endpoint = endpoint_of()
    probes = [endpoint.begin() for _ in range(10)]
    for was_probe in probes:
        endpoint.end(Outcome.FAILED, began=0.0, now=0.0, was_probe=was_probe, cause="why")
    assert endpoint.resumes == 1.0


@pytest.mark.parametrize("outcome", [Outcome.ANSWERED, Outcome.DECLINED])
def test_whatever_a_server_answers_shows_that_it_is_up(outcome: Outcome) -> None:
    endpoint = endpoint_of()
    for _ in range(2):
        attempt(endpoint, Outcome.FAILED, 0.0, 0.0)
    attempt(endpoint, outcome, 0.0, 0.0)
    attempt(endpoint, Outcome.FAILED, 0.0, 0.0)
    assert endpoint.resumes is None


def asked(
    acts: tuple[Act, ...], do: Callable[[Callable[..., Awaitable[ChatReply]], FaultServer], Awaitable[Any]]
) -> Any:
    """What comes of asking an endpoint in front of a server with these acts."""

    async def run(server: FaultServer) -> Any:
        endpoint = endpoint_of(url=server.url)
        async with aiohttp.ClientSession() as session:
            return await do(lambda request: endpoint.ask(session, request, "key"), server)

    with serving(*acts) as server:
        return asyncio.run(run(server))


def test_a_server_that_names_what_it_refuses_loses_only_that() -> None:
    """As OpenAI's servers do: three unknown fields, then two parameters of reasoning models; probabilities stay."""
    server_of = without(
        says("YES"),
        structured_outputs="Unrecognized request argument supplied: structured_outputs",
        chat_template_kwargs="Unrecognized request argument supplied: chat_template_kwargs",
        max_tokens="Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        temperature="Unsupported value: 'temperature' does not support 0.0",
    )

    async def do(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        assert (await ask(YES_NO)).text == "YES"
        last = server.bodies[-1]
        assert last.keys() == {"model", "messages", "max_completion_tokens", "logprobs", "top_logprobs"}
        assert len(server.bodies) == 5
        await ask(YES_NO)
        assert server.bodies[5:] == [last]

    asked((server_of,), do)


def test_probabilities_that_are_forbidden_are_given_up_and_another_403_is_a_refusal() -> None:
    async def forbidden(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        await ask(YES_NO)
        assert ["logprobs" in body for body in server.bodies] == [True, False]

    asked((refuses(403, "You are not allowed to request logprobs from this model"), says("YES")), forbidden)

    async def refused(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        with pytest.raises(StatusError, match="no access"):
            await ask(YES_NO)
        assert len(server.bodies) == 1

    asked((refuses(403, "no access"),), refused)


def test_a_wish_that_was_granted_before_is_not_given_up_for_a_question_that_is_bad() -> None:
    async def do(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        await ask(YES_NO)
        with pytest.raises(StatusError, match="context too long"):
            await ask(YES_NO)
        assert len(server.bodies) == 2

    asked((says("YES"), refuses(400, "context too long")), do)


def test_constraints_are_learnt_by_their_kind() -> None:
    """Words are taken, a schema is not: the schema alone is given up, and words are still constrained."""

    async def do(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        for request in (YES_NO, EXPLAINED, EXPLAINED, YES_NO):
            await ask(request)
        assert ["structured_outputs" in body for body in server.bodies] == [True, True, False, False, True]
        assert all("logprobs" in body for body in server.bodies)

    asked((says("YES"), refuses(400, "no"), says("YES")), do)


def test_what_comes_back_after_failures_may_be_another_server_and_take_less() -> None:
    async def run(server: FaultServer) -> None:
        endpoint = endpoint_of(url=server.url)
        async with aiohttp.ClientSession() as session:
            await endpoint.ask(session, YES_NO, "key")
            for _ in range(3):
                attempt(endpoint, Outcome.FAILED, 0.0, 0.0)
            assert (await endpoint.ask(session, YES_NO, "key")).text == "YES"
        assert "logprobs" not in server.bodies[-1]

    with serving(says("YES"), refuses(400, "logprobs"), says("YES")) as server:
        asyncio.run(run(server))


def test_a_server_that_sends_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medix.judge.serving.endpoint._LONGEST_REPLY", 1000)
    monkeypatch.setattr("medix.judge.serving.endpoint._LONGEST_TOKEN", 10)

    async def do(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        with pytest.raises(ValueError, match=f"longer than {1000 + 10 * YES_NO.max_tokens} bytes"):
            await ask(YES_NO)

    asked((says("YES" * 1000),), do)
