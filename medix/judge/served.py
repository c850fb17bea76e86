"""A judge behind OpenAI-compatible servers: vLLM, OpenRouter, and others."""

import asyncio
import copy
from collections.abc import Sequence
from concurrent.futures import Future

from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt, YesNoPrompt
from medix.judge.serving.chat import ChatRequest
from medix.judge.serving.chat_check import ChatCheck
from medix.judge.serving.chat_completion import complete_chat
from medix.judge.serving.chat_reply import ChatReply
from medix.judge.serving.confidence import confidence_of
from medix.judge.verdict import LONGEST, ReadReply
from medix.serving.address import addresses_of
from medix.serving.attempts import Attempts, GaveUpError, RetryRules
from medix.serving.client import AsyncClient
from medix.serving.endpoint import Endpoint, EndpointSettings
from medix.serving.request_error import RequestError
from medix.serving.session import Session
from medix.types import JudgeQuestion, Verdict


class ServedJudge(Judge):
    """Asks a served model for a verdict. Every failure is an unscored verdict whose reason names server and cause.

    Questions are asked from one background thread, many at a time; a question's deadline holds whatever the server
    does, also if it sends one byte a minute. Connection errors, time-outs, unreadable replies, errors in place of a
    reply or beside one, 408, 409, 425, 429 and 5xx are retried: at once at another server that is up, else with
    exponential backoff and jitter (or when ``Retry-After`` says). Where there is no connection, or no room (429, 503),
    until the deadline; other failures ``retries`` times. A refusal of key or model (401, 403, 404) is retried at other
    servers only; any other error status is caused by the question itself and final.

    A reply counts if the server says that it is complete, or says nothing of it (``finish_reason`` absent or null).
    One that a content filter, a refusal or a tool call took the place of is unscored; one that was cut at the limit of
    tokens counts only if no further text could have turned its verdict round (``ReplyRule.read``). Several replies in
    place of one must hold the same verdict. Keys that a server repeats are not kept in any text of a verdict.

    The number of concurrent questions adapts to each server (``medix.serving.endpoint.Endpoint``). A server that fails
    five times in a row is set aside and asked for one token after a pause of ``backoff`` seconds, doubled up to 15 s
    (of one without room up to a second): a server that is restarted is used again. If it answers, it was the questions
    that it failed at, and each of these is unscored after its own attempts (``medix.serving.pool``). While all are set
    aside questions wait; after ``timeout`` seconds without any sign of life, all that wait become unscored, at once or
    with the end of the attempts under way: a step with a dead judge takes about one ``timeout``, or two to three where
    servers hang, however many questions it has.

    Args:
        base_url: the server, ``http://127.0.0.1:8085/v1``, or several that serve the same model; they share the key.
        model: name of the model as the servers know it.
        api_key_env: environment variable that holds the key; read on first use and kept nowhere else.
        timeout: seconds for one question, including retries and pauses, not the time waiting for a free server.
        attempt_timeout: seconds for one attempt; None divides the time left equally among the servers that could still
            be asked.
        max_concurrency: most questions at the same time, for each server.
        retries: further attempts after the first, of failures that may be due to the question.
        backoff: seconds before the first retry; doubled each time, up to 5 s.
        max_tokens: longest reply; None takes the prompt's.
        constrained: ask the server to constrain the reply to the format of the prompt; a server that rejects this is
            asked without from then on.
        prompt: how it is asked; YES or NO if not given.
        revision: commit or tag of its weights; part of the identity, since a name may later point to other weights.
        precision: what the servers compute in, such as ``bfloat16`` or ``fp8``; part of the identity, since verdicts
            where two words are about equally probable depend on it. What is not known is left empty.
    """

    def __init__(
        self,
        base_url: str | list[str],
        model: str,
        api_key_env: str = "OPENAI_API_KEY",
        timeout: float = 120.0,
        attempt_timeout: float | None = None,
        max_concurrency: int = 64,
        retries: int = 4,
        backoff: float = 0.5,
        max_tokens: int | None = None,
        constrained: bool = True,
        prompt: JudgePrompt | None = None,
        revision: str = "",
        precision: str = "",
    ) -> None:
        checks = {
            "model": bool(model),
            "timeout": timeout > 0,
            "attempt_timeout": attempt_timeout is None or attempt_timeout > 0,
            "max_concurrency": max_concurrency >= 1,
            "retries": retries >= 0,
            "backoff": backoff >= 0,
            "max_tokens": max_tokens is None or max_tokens >= 1,
        }
        values = locals()
        for name, holds in checks.items():
            if not holds:
                raise ValueError(f"judge.{name}: {values[name]!r} is out of range; see medix.judge.ServedJudge")
        self.base_url = base_url
        self.model = model
        self.revision = revision
        self.precision = precision
        self.api_key_env = api_key_env
        self.timeout = timeout
        self.attempt_timeout = attempt_timeout
        self.max_concurrency = max_concurrency
        self.retries = retries
        self.backoff = backoff
        self.max_tokens = max_tokens
        self.constrained = constrained
        self.prompt = prompt or YesNoPrompt()
        settings = EndpointSettings(max_concurrency, pause=backoff, longest_pause=min(15.0, timeout / 4))
        self._remedies = {
            401: f"; put a valid key into the environment variable {api_key_env}",
            403: f"; the key in {api_key_env} may not use this model",
            404: f"; check judge.model={model!r} and judge.base_url",
        }
        check = ChatCheck(model, timeout, self._remedies)
        addresses = addresses_of(base_url, "judge")
        self._client = AsyncClient(addresses, api_key_env, settings, timeout, "medix-judge", check=check)

    @property
    def identity(self) -> str:
        """``served/<model>@<revision>/<precision>/<prompt version>``, without what the spec does not state.

        No address, because the same model elsewhere is the same judge. It is what the spec states, so that it is the
        same while a server is down; ``medix judge check`` compares that with what servers state. With ``/free`` behind
        it if replies are not constrained: a model that may explain itself decides otherwise.
        """
        weights = self.model + (f"@{self.revision}" if self.revision else "")
        parts = ["served", weights, *([self.precision] if self.precision else []), self.prompt.version]
        return "/".join(parts) + ("" if self.constrained else "/free")

    @property
    def endpoint(self) -> str:
        """The addresses without user, password or query."""
        return ", ".join(address.shown for address in self._client.addresses)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """State of each server while the judge is in use; empty before the first question. Read only."""
        return self._client.endpoints

    def __repr__(self) -> str:
        return f"ServedJudge(base_url={self.endpoint!r}, model={self.model!r})"

    def asking(self, prompt: JudgePrompt) -> "ServedJudge":
        """The same judge with another prompt, over the same thread, connections and limits.

        Closing either cancels its own questions only; the other goes on, or starts again with its next question.
        """
        sibling = copy.copy(self)
        sibling.prompt = prompt
        return sibling

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """Ask all, the same question once, and wait for the verdicts."""
        asked = {question: self.submit(question) for question in dict.fromkeys(questions)}
        return [asked[question].result() for question in questions]

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """Ask in the background."""
        return self._client.submit(
            lambda session: self._answer(session, question), self, lambda: self._unscored(_CLOSED, Attempts())
        )

    def close(self) -> None:
        """Questions of this judge that are under way become unscored; the background thread ends with the last."""
        self._client.close(self)

    async def _answer(self, session: Session, question: JudgeQuestion) -> Verdict:
        """One verdict, whatever happens."""
        attempts = Attempts()
        try:
            return self._read(await self._ask(session, question, attempts), attempts, session)
        except asyncio.CancelledError:
            cause = _CLOSED
        except GaveUpError as error:
            cause = str(error)
        except Exception as error:  # noqa: BLE001 - whatever breaks, a question gets a verdict with its reason
            cause = f"{type(error).__name__}: {session.shown(str(error))}"
        return self._unscored(cause, attempts, session)

    async def _ask(self, session: Session, question: JudgeQuestion, attempts: Attempts) -> ChatReply:
        constraint = self.prompt.constraint if self.constrained else None
        longest = self.max_tokens or self.prompt.max_tokens
        message, prompt = self.prompt.render(question), self.prompt
        request = ChatRequest(self.model, message, longest, constraint, prompt.temperature, prompt.seed)

        async def send(endpoint: Endpoint, limit: float) -> ChatReply:
            try:
                return await complete_chat(session, endpoint, request, limit)
            except RequestError as error:
                error.cause += self._remedies.get(error.status, "")
                raise

        rules = RetryRules("verdict", self.timeout, self.attempt_timeout, self.retries, self.backoff)
        return await rules.ask(session, attempts, send)

    def _read(self, reply: ChatReply, attempts: Attempts, session: Session) -> Verdict:
        read = self._verdict(reply)
        shown = session.without_secrets(reply.text)[:LONGEST]
        if read.credit is None:
            cause = f"{session.shown(read.reason)}: {session.shown(reply.text)!r}"
            return self._unscored(cause, attempts, session, shown)
        return Verdict(
            credit=read.credit / self.prompt.best,
            judge=self.identity,
            reply=shown,
            explanation=session.without_secrets(read.explanation or reply.reasoning)[:LONGEST],
            latency=attempts.latency,
            confidence=confidence_of(self.prompt, read.credit, reply.text, reply.tokens),
        )

    def _verdict(self, reply: ChatReply) -> ReadReply:
        """What a reply says: the verdict of its choice, or of all of them if they hold the same."""
        first, *others = [self._choice(choice) for choice in (reply, *reply.others)]
        differing = [one for one in others if one.credit != first.credit]
        if not differing:
            return first
        reason = next((one.reason for one in (first, *differing) if one.reason), "they hold different verdicts")
        return ReadReply(None, f"the server sent {1 + len(others)} replies in place of one; {reason}")

    def _choice(self, choice: ChatReply) -> ReadReply:
        if choice.fault:
            return ReadReply(None, choice.fault)
        read = self.prompt.rule.read(choice.text, is_cut=choice.is_cut)
        if read.credit is None and choice.is_cut:
            limit = self.max_tokens or self.prompt.max_tokens
            return ReadReply(None, f"{read.reason} (cut after {limit} tokens; raise judge.max_tokens)")
        if read.credit is None and not choice.text.strip() and choice.reasoning:
            return ReadReply(None, f"{read.reason}: it holds reasoning only")
        return read

    def _unscored(
        self, cause: str, attempts: Attempts, session: Session | None = None, reply: str | None = None
    ) -> Verdict:
        where = self.endpoint if attempts.at is None else attempts.at.address.shown
        reason = f"judge {self.model} at {where}: {cause}"
        reason = reason if session is None else session.without_secrets(reason)
        return Verdict(None, self.identity, reason=reason, reply=reply, latency=attempts.latency)


_CLOSED = "the judge was closed before the verdict"
