"""Optional request fields are dropped as the server rejects them, and what it accepts is remembered."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from medix.judge.serving.chat import ChatRequest
from medix.judge.serving.chat_completion import complete_chat
from medix.judge.serving.chat_reply import ChatReply
from medix.serving.request_error import RequestError
from medix.serving.session import Session
from tests.support.clients import run
from tests.support.fault_server import Act, refuses
from tests.support.judges import FaultServer, says, serving, without

YES_NO = ChatRequest("m", "x", 7, {"choice": ["YES", "NO"]})
EXPLAINED = ChatRequest("m", "x", 7, {"json": {"type": "object"}})


def asked(
    acts: tuple[Act, ...], do: Callable[[Callable[..., Awaitable[ChatReply]], FaultServer], Awaitable[Any]]
) -> Any:
    """What comes of asking a server with these acts."""
    with serving(*acts) as server:

        async def work(session: Session) -> Any:
            [endpoint] = session.pool.endpoints
            return await do(lambda request: complete_chat(session, endpoint, request, 120), server)

        return run(server.url, work)


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


def test_probabilities_that_are_forbidden_are_dropped_and_another_403_is_a_refusal() -> None:
    async def forbidden(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        await ask(YES_NO)
        assert ["logprobs" in body for body in server.bodies] == [True, False]

    asked((refuses(403, "You are not allowed to request logprobs from this model"), says("YES")), forbidden)

    async def refused(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        with pytest.raises(RequestError, match="no access"):
            await ask(YES_NO)
        assert len(server.bodies) == 1

    asked((refuses(403, "no access"),), refused)


def test_a_field_that_was_accepted_before_is_not_dropped_for_a_question_that_is_bad() -> None:
    async def do(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        await ask(YES_NO)
        with pytest.raises(RequestError, match="context too long"):
            await ask(YES_NO)
        assert len(server.bodies) == 2

    asked((says("YES"), refuses(400, "context too long")), do)


def test_constraints_are_learnt_by_their_kind() -> None:
    """Words are taken, a schema is not: the schema alone is dropped, and words are still constrained."""

    async def do(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        for request in (YES_NO, EXPLAINED, EXPLAINED, YES_NO):
            await ask(request)
        assert ["structured_outputs" in body for body in server.bodies] == [True, True, False, False, True]
        assert all("logprobs" in body for body in server.bodies)

    asked((says("YES"), refuses(400, "no"), says("YES")), do)


def test_what_comes_back_after_failures_may_be_another_server_and_accept_less() -> None:
    async def work(session: Session) -> None:
        [endpoint] = session.pool.endpoints
        await complete_chat(session, endpoint, YES_NO, 120)
        endpoint.set_aside("gone", asyncio.get_running_loop().time())
        assert (await complete_chat(session, endpoint, YES_NO, 120)).text == "YES"

    with serving(says("YES"), refuses(400, "logprobs"), says("YES")) as server:
        run(server.url, work)
        assert "logprobs" not in server.bodies[-1]


def test_a_server_that_sends_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medix.judge.serving.chat_completion._LONGEST_REPLY", 1000)
    monkeypatch.setattr("medix.judge.serving.chat_completion._LONGEST_TOKEN", 10)

    async def do(ask: Callable[..., Awaitable[ChatReply]], server: FaultServer) -> None:
        with pytest.raises(RequestError, match=f"longer than {1000 + 10 * YES_NO.max_tokens} bytes"):
            await ask(YES_NO)

    asked((says("YES" * 1000),), do)
