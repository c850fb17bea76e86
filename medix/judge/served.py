"""A judge behind OpenAI-compatible servers: vLLM, OpenRouter, and others."""

import asyncio
import copy
import random
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt, YesNoPrompt
from medix.judge.serving.address import Address
from medix.judge.serving.chat import ChatReply, ChatRequest, StatusError
from medix.judge.serving.confidence import confidence_of
from medix.judge.serving.endpoint import Endpoint, Outcome
from medix.judge.serving.line import Line, Workroom
from medix.judge.serving.places import AllDownError
from medix.types import JudgeQuestion, Verdict

_RETRIED_STATUS = frozenset((408, 409, 425, 429))  # and every 5xx
_REFUSALS = frozenset((401, 403, 404))  # of key or model: another server may take them
_OVERLOADS = frozenset((408, 429, 503, 504))


class ServedJudge(Judge):
    """Asks a served model for a verdict. Every failure is an unscored verdict whose reason names server and cause.

    Questions are asked from one background thread, many at a time; a question's deadline holds whatever the server
    does, also if it sends one byte a minute. Connection errors, time-outs, unreadable replies, 408, 409, 425, 429 and
    5xx are tried again: at once at another server that is up, else with exponential backoff and jitter (or when
    ``Retry-After`` says). A refusal of key or model (401, 403, 404) is tried at other servers only; any other refusal
    is the question's own and final.

    Each server is given as many questions at the same time as it bears (``medix.judge.serving.endpoint.Endpoint``). One
    that fails five times in a row is set aside and tried again with one question after a pause of ``backoff`` seconds,
    doubled up to 15 s: a server that is started again is used again. While all are set aside questions wait; after
    ``timeout`` seconds without any verdict, all that wait become unscored at once, so that a step with a dead judge
    takes about one ``timeout``.

    Args:
        base_url: the server, ``http://127.0.0.1:8085/v1``, or several that serve the same model; they share the key.
        model: name of the model as the servers know it.
        api_key_env: environment variable that holds the key; read on first use and kept nowhere else.
        timeout: seconds for one question, retries and pauses included; waiting for a free place is not.
        attempt_timeout: seconds for one attempt; None gives an attempt all the time left, shared equally with the other
            servers that could still be asked.
        max_concurrency: most questions at the same time, for each server.
        retries: further attempts after the first.
        backoff: seconds before the first retry; doubled each time.
        max_tokens: longest reply; None takes the prompt's.
        constrained: ask the server to constrain the reply to the form of the prompt; a server that refuses is asked
            once without, and so from then on.
        prompt: how it is asked; YES or NO if not given.
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
                raise ValueError(f"judge.{name}: {values[name]!r} cannot be; see medix.judge.ServedJudge")
        self.base_url = base_url
        self.model = model
        self.api_key_env = api_key_env
        self.timeout = timeout
        self.attempt_timeout = attempt_timeout
        self.max_concurrency = max_concurrency
        self.retries = retries
        self.backoff = backoff
        self.max_tokens = max_tokens
        self.constrained = constrained
        self.prompt = prompt or YesNoPrompt()
        self._line = Line(_addresses(base_url), api_key_env, max_concurrency, backoff, timeout)

    @property
    def identity(self) -> str:
        """``served/<model>/<prompt version>``: no address, for the same model elsewhere is the same judge."""
        return f"served/{self.model}/{self.prompt.version}"

    @property
    def endpoint(self) -> str:
        """The addresses without user, password or query."""
        return ", ".join(address.shown for address in self._line.addresses)

    @property
    def standing(self) -> tuple[Endpoint, ...]:
        """What is known of each server while the judge is in use; empty before the first question. To look at only."""
        return self._line.endpoints

    def __repr__(self) -> str:
        return f"ServedJudge(base_url={self.endpoint!r}, model={self.model!r})"

    def asking(self, prompt: JudgePrompt) -> "ServedJudge":
        """The same judge, asked another way, over the same thread, connections and limits.

        Closing either calls off its own questions only; the other goes on, or begins anew with its next question.
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
        return self._line.submit(
            self, lambda room: self._answer(room, question), lambda: self._unscored(_CLOSED, _Asking(question))
        )

    def close(self) -> None:
        """Questions of this judge that are under way become unscored; the background thread ends with the last."""
        self._line.close(self)

    async def _answer(self, room: Workroom, question: JudgeQuestion) -> Verdict:
        """One verdict, whatever happens."""
        asking = _Asking(question)
        try:
            with room.places.question():
                return self._read(await self._ask(room, asking), asking, room)
        except asyncio.CancelledError:
            cause = _CLOSED
        except (_GaveUpError, AllDownError) as error:
            cause = str(error)
        except Exception as error:  # noqa: BLE001 - whatever breaks, a question gets a verdict with its reason
            cause = f"{type(error).__name__}: {_short(str(error))}"
        return self._unscored(cause, asking, room)

    async def _ask(self, room: Workroom, asking: "_Asking") -> ChatReply:
        """A reply, after as many attempts as it takes and is allowed."""
        constraint = self.prompt.constraint if self.constrained else None
        longest = self.max_tokens or self.prompt.max_tokens
        request = ChatRequest(self.model, self.prompt.render(asking.question), longest, constraint)
        while True:
            fault = await self._attempt(room, asking, request)
            if isinstance(fault, ChatReply):
                return fault
            others = room.places.others(asking.tried)
            wait = self._wait(asking, fault, others)
            if not others:
                asking.tried = asking.tried[-1:]  # the one that failed last is the last to be asked again
                await asyncio.sleep(wait)
                asking.spent += wait

    async def _attempt(self, room: Workroom, asking: "_Asking", request: ChatRequest) -> "ChatReply | _Fault":
        """One request to one server."""
        import aiohttp

        place = await room.places.take(asking.tried, is_first=not asking.made)
        asking.begin(place.endpoint)
        left = (self.timeout - asking.spent) / (1 + room.places.others(asking.tried))
        limit = left if self.attempt_timeout is None else min(left, self.attempt_timeout)
        began, fault, reply = time.perf_counter(), _Fault("", Outcome.UNKNOWN), None
        try:
            async with asyncio.timeout(limit):
                reply = await place.endpoint.ask(room.session, request, room.key)
        except StatusError as error:
            fault = _fault_of(error)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            # the client's own time-outs are connections that do not open
            is_late = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError)
            if is_late:
                fault = _Fault(f"no reply within {limit:.3g} s", Outcome.OVERLOADED)
            else:
                said = getattr(error, "os_error", None) or error
                fault = _Fault(f"{type(error).__name__}: {_short(str(said))}", Outcome.FAILED)
        except ValueError as error:
            fault = _Fault(f"the reply is not what the protocol asks for ({_short(str(error))})", Outcome.FAILED)
        finally:
            asking.spent += time.perf_counter() - began
            cause = room.without_secrets(fault.cause + self._remedy(fault.status))
            room.places.give_back(place, Outcome.ANSWERED if reply is not None else fault.outcome, cause)
        return reply if reply is not None else fault

    def _wait(self, asking: "_Asking", fault: "_Fault", others: int) -> float:
        """Seconds until the next attempt.

        Raises:
            _GaveUpError: none makes sense.
        """
        asking.made += 1
        before, asking.cause = asking.cause, fault.cause
        if asking.spent >= self.timeout * 0.999:
            raise _GaveUpError(f"no verdict within {self.timeout:g} s" + (f" (before: {before})" if before else ""))
        if not fault.may_pass and not (fault.outcome is Outcome.REFUSED and others):
            raise _GaveUpError(fault.cause + self._remedy(fault.status))
        if asking.made > self.retries:
            raise _GaveUpError(f"{fault.cause}; {asking.made} attempts")
        if others:
            return 0.0
        wait = self._pause(asking.made) if fault.wait is None else fault.wait
        if asking.spent + wait > self.timeout:
            raise _GaveUpError(f"{fault.cause}; waiting {wait:.1f} s for attempt {asking.made + 1} passes the deadline")
        return wait

    def _pause(self, made: int) -> float:
        # a generator of its own: jitter must not move the random state that training is resumed from
        return self.backoff * 2.0 ** (made - 1) * random.SystemRandom().uniform(0.5, 1.5)

    def _read(self, reply: ChatReply, asking: "_Asking", room: Workroom) -> Verdict:
        read = self.prompt.rule.read(reply.text)
        reason = read.reason
        if reason and reply.finish_reason == "length":
            reason += f" (cut after {self.max_tokens or self.prompt.max_tokens} tokens; raise judge.max_tokens)"
        if reason or read.credit is None:
            return self._unscored(f"{reason}: {_short(reply.text)!r}", asking, room, reply.text)
        return Verdict(
            credit=read.credit / self.prompt.best,
            judge=self.identity,
            reply=reply.text,
            explanation=read.explanation or reply.reasoning,
            latency=asking.latency,
            confidence=confidence_of(self.prompt, read.credit, reply.text, reply.tokens),
        )

    def _unscored(
        self, cause: str, asking: "_Asking", room: Workroom | None = None, reply: str | None = None
    ) -> Verdict:
        where = self.endpoint if asking.at is None else asking.at.address.shown
        reason = f"judge {self.model} at {where}: {cause}"
        reason = reason if room is None else room.without_secrets(reason)
        return Verdict(None, self.identity, reason=reason, reply=reply, latency=asking.latency)

    def _remedy(self, status: int) -> str:
        return {
            401: f"; put a valid key into the environment variable {self.api_key_env}",
            403: f"; the key in {self.api_key_env} may not use this model",
            404: f"; check judge.model={self.model!r} and judge.base_url",
        }.get(status, "")


_CLOSED = "the judge was closed before the verdict"


@dataclass
class _Asking:
    """How often a question was tried, where, for how long, and what went wrong last."""

    question: JudgeQuestion
    start: float = field(default_factory=time.perf_counter)
    spent: float = 0.0
    made: int = 0
    cause: str = ""
    at: Endpoint | None = None
    tried: tuple[Endpoint, ...] = ()

    def begin(self, endpoint: Endpoint) -> None:
        """The question has its place; the first one starts its time."""
        if self.at is None:
            self.start = time.perf_counter()
        self.at = endpoint
        self.tried = (*(other for other in self.tried if other is not endpoint), endpoint)

    @property
    def latency(self) -> float:
        """Seconds since the first place."""
        return time.perf_counter() - self.start


@dataclass(frozen=True)
class _Fault:
    """Why an attempt brought no reply, and whether another may."""

    cause: str
    outcome: Outcome
    may_pass: bool = True
    status: int = 0
    wait: float | None = None


def _fault_of(error: StatusError) -> _Fault:
    status, cause = error.status, f"status {error.status}: {_short(error.message)}"
    if status in _OVERLOADS:
        outcome = Outcome.OVERLOADED
    elif status in _REFUSALS:
        outcome = Outcome.REFUSED
    else:
        outcome = Outcome.FAILED if status >= 500 or status in _RETRIED_STATUS else Outcome.DECLINED
    may_pass = status >= 500 or status in _RETRIED_STATUS
    return _Fault(cause, outcome, may_pass, status, _retry_after(error.retry_after))


class _GaveUpError(Exception):
    """No further attempt makes sense; the message is the cause."""


def _addresses(base_url: str | list[str]) -> list[Address]:
    urls = [base_url] if isinstance(base_url, str) else list(base_url)
    try:
        addresses = [Address(url) for url in urls]
    except ValueError as error:
        raise ValueError(f"judge.base_url: {error}") from None
    if not addresses or len({address.chat for address in addresses}) < len(addresses):
        shown = [address.shown for address in addresses]
        raise ValueError(f"judge.base_url: {shown} has to name one server or several different ones")
    return addresses


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:200]}…"


def _retry_after(value: str | None) -> float | None:
    """Seconds that a server asks to wait: a number or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (TypeError, ValueError):
        return None
