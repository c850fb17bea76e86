"""A judge behind an OpenAI-compatible endpoint: vLLM, OpenRouter, and others."""

import asyncio
import os
import random
import re
import threading
import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from medix.judge.base import Judge
from medix.judge.prompt import YesNoPrompt
from medix.types import JudgeQuestion, Verdict

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

_RETRIED_STATUS = frozenset((408, 409, 425, 429))  # and every 5xx
_REFUSED_STATUS = frozenset((400, 422))
_NO_KEY = "none"  # the client insists on a key, servers of one's own do not


class ServedJudge(Judge):
    """Asks a served model for YES or NO. Every failure is an unscored verdict whose reason names endpoint and cause.

    Questions are asked from one background thread, many at a time; a question's deadline holds whatever the server
    does, also if it sends one byte a minute. Connection errors, 408, 409, 425, 429 and 5xx are tried again with
    exponential backoff and jitter (or when ``Retry-After`` says); other refusals are not.

    Args:
        base_url: endpoint, ``http://127.0.0.1:8085/v1``.
        model: name of the model as the server knows it.
        api_key_env: environment variable that holds the key; read on first use and kept nowhere else.
        timeout: seconds for one question, retries and waits included; waiting for a free place is not.
        attempt_timeout: seconds for one attempt; None gives an attempt all the time left.
        max_concurrency: questions asked at the same time.
        retries: further attempts after the first.
        backoff: seconds before the first retry; doubled each time.
        max_tokens: length of a reply that the server does not constrain.
        constrained: ask the server to constrain the reply to YES or NO; a server that refuses is asked once without,
            and so from then on.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        api_key_env: str = "OPENAI_API_KEY",
        timeout: float = 120.0,
        attempt_timeout: float | None = None,
        max_concurrency: int = 64,
        retries: int = 4,
        backoff: float = 0.5,
        max_tokens: int = 256,
        constrained: bool = True,
    ) -> None:
        checks = {
            "base_url": base_url.startswith(("http://", "https://")),
            "model": bool(model),
            "timeout": timeout > 0,
            "attempt_timeout": attempt_timeout is None or attempt_timeout > 0,
            "max_concurrency": max_concurrency >= 1,
            "retries": retries >= 0,
            "backoff": backoff >= 0,
            "max_tokens": max_tokens >= 1,
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
        self.prompt = YesNoPrompt()
        self.rule = self.prompt.rule
        self._extras = _extras(constrained)
        self._lock = threading.Lock()
        self._line: _Line | None = None

    @property
    def identity(self) -> str:
        """``served/<model>/<prompt version>``."""
        return f"served/{self.model}/{self.prompt.version}"

    @property
    def endpoint(self) -> str:
        """The address without user, password or query."""
        parts = urlsplit(self.base_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path, "", ""))

    def __repr__(self) -> str:
        return f"ServedJudge(base_url={self.endpoint!r}, model={self.model!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_line": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """Ask all, the same question once, and wait for the verdicts."""
        asked = {question: self.submit(question) for question in dict.fromkeys(questions)}
        return [asked[question].result() for question in questions]

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """Ask in the background."""
        with self._lock:
            if self._line is None or self._line.pid != os.getpid():  # threads do not survive a fork
                self._line = _Line(self)
            return self._line.run(self._answer(self._line, question))

    def close(self) -> None:
        """Stop the background thread; questions under way become unscored."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None and line.pid == os.getpid():
            line.close()

    async def _answer(self, line: "_Line", question: JudgeQuestion) -> Verdict:
        """One verdict, whatever happens."""
        start = time.perf_counter()
        attempts = _Attempts()
        try:
            async with line.places:
                start = attempts.start = time.perf_counter()
                async with asyncio.timeout(self.timeout):
                    reply = await self._ask(line, question, attempts)
        except TimeoutError:
            cause = f" (last error: {attempts.cause})" if attempts.cause else ""
            return self._unscored(f"no verdict within {self.timeout:g} s{cause}", start, line)
        except asyncio.CancelledError:
            return self._unscored("the judge was closed before the verdict", start, line)
        except _GaveUpError as error:
            return self._unscored(str(error), start, line)
        except Exception as error:  # noqa: BLE001 - whatever breaks, a question gets a verdict with its reason
            return self._unscored(f"{type(error).__name__}: {_short(_root(error))}", start, line)
        return self._read(reply, start, line)

    async def _ask(self, line: "_Line", question: JudgeQuestion, attempts: "_Attempts") -> "ChatCompletion":
        """A reply, after as many attempts as it takes and is allowed."""
        import openai

        message = self.prompt.render(question)
        while True:
            wait: float | None = None
            try:
                async with asyncio.timeout(self.attempt_timeout):
                    return await self._attempt(line, message)
            except openai.APIStatusError as error:
                attempts.cause = f"status {error.status_code}: {_short(error.message)}"
                if error.status_code not in _RETRIED_STATUS and error.status_code < 500:
                    raise _GaveUpError(f"{attempts.cause}{self._remedy(error.status_code)}") from error
                wait = _retry_after(error.response.headers.get("retry-after"))
            except openai.APIError as error:
                attempts.cause = f"{type(error).__name__}: {_short(_root(error))}"
            except TimeoutError:
                attempts.cause = f"no reply within attempt_timeout={self.attempt_timeout} s"
            except ValueError as error:
                attempts.cause = f"the reply is not what the protocol asks for ({_short(str(error))})"
            attempts.made += 1
            if attempts.made > self.retries:
                raise _GaveUpError(f"{attempts.cause}; {attempts.made} attempts")
            wait = self._pause(attempts.made) if wait is None else wait
            if time.perf_counter() - attempts.start + wait > self.timeout:
                raise _GaveUpError(
                    f"{attempts.cause}; waiting {wait:.1f} s for attempt {attempts.made + 1} passes the deadline"
                )
            await asyncio.sleep(wait)

    def _pause(self, made: int) -> float:
        # a generator of its own: jitter must not move the random state that training is resumed from
        return self.backoff * 2.0 ** (made - 1) * random.SystemRandom().uniform(0.5, 1.5)

    async def _attempt(self, line: "_Line", message: str) -> "ChatCompletion":
        """One request, with fewer extras each time the server refuses them; what it takes is remembered."""
        import openai

        extras = self._extras
        while True:
            try:
                reply = await line.client.chat.completions.create(
                    model=self.model,
                    messages=[{"role": "user", "content": message}],
                    temperature=0.0,
                    max_tokens=self.max_tokens,
                    extra_body=extras[0] or None,
                )
            except openai.APIStatusError as error:
                if error.status_code not in _REFUSED_STATUS or len(extras) == 1:
                    raise
                extras = extras[1:]
                continue
            if len(extras) < len(self._extras):
                self._extras = extras
            if not getattr(reply, "choices", None):
                raise ValueError("it holds no choices")
            return reply

    def _read(self, reply: "ChatCompletion", start: float, line: "_Line") -> Verdict:
        choice = reply.choices[0]
        text = choice.message.content or ""
        reasoning = getattr(choice.message, "reasoning_content", None) or getattr(choice.message, "reasoning", None)
        read = self.rule.read(text)
        reason = read.reason
        if reason and choice.finish_reason == "length":
            reason += f" (cut after {self.max_tokens} tokens; raise judge.max_tokens)"
        if reason:
            return self._unscored(f"{reason}: {_short(text)!r}", start, line, reply=text)
        return Verdict(
            credit=read.credit,
            judge=self.identity,
            reply=text,
            explanation=read.explanation or (reasoning if isinstance(reasoning, str) else ""),
            latency=time.perf_counter() - start,
        )

    def _unscored(self, cause: str, start: float, line: "_Line", reply: str | None = None) -> Verdict:
        reason = line.without_key(f"judge {self.model} at {self.endpoint}: {cause}")
        return Verdict(None, self.identity, reason=reason, reply=reply, latency=time.perf_counter() - start)

    def _remedy(self, status: int) -> str:
        return {
            401: f"; put a valid key into the environment variable {self.api_key_env}",
            403: f"; the key in {self.api_key_env} may not use this model",
            404: f"; check judge.model={self.model!r} and judge.base_url",
        }.get(status, "")


def _extras(constrained: bool) -> tuple[dict[str, Any], ...]:
    """What is asked of the server beyond the common protocol, from all of it down to nothing."""
    without_thinking = {"chat_template_kwargs": {"enable_thinking": False}}
    choices = {"structured_outputs": {"choice": list(YesNoPrompt.options)}}
    levels: tuple[dict[str, Any], ...] = (choices | without_thinking, without_thinking, {})
    return levels if constrained else levels[1:]


@dataclass
class _Attempts:
    """How often a question was tried, and what went wrong last."""

    start: float = field(default_factory=time.perf_counter)
    made: int = 0
    cause: str = ""


class _GaveUpError(Exception):
    """No further attempt makes sense; the message is the cause."""


class _Line:
    """The background thread: an event loop, the client, and the places for questions asked at the same time."""

    def __init__(self, judge: ServedJudge) -> None:
        from openai import AsyncOpenAI

        self.pid = os.getpid()
        self.places = asyncio.Semaphore(judge.max_concurrency)
        self._key = os.environ.get(judge.api_key_env) or _NO_KEY
        self.client: AsyncOpenAI = AsyncOpenAI(
            base_url=judge.base_url, api_key=self._key, max_retries=0, timeout=judge.timeout
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="medix-judge", daemon=True)
        self._thread.start()

    def run(self, work: "Coroutine[Any, Any, Verdict]") -> "Future[Verdict]":
        """Begin a question."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def without_key(self, text: str) -> str:
        """Servers repeat keys, whole or in part, in their messages."""
        if self._key != _NO_KEY:
            text = text.replace(self._key, "[key]")
        return _KEY_LIKE.sub("[key]", text)

    def close(self) -> None:
        """Cancel what is under way, close the connections, end the thread."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _stop(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.client.close()


_KEY_LIKE = re.compile(r"\bsk-[\w*-]{4,}|(?<=Bearer )\S+")


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else f"{text[:200]}…"


def _root(error: BaseException) -> str:
    """The message of the innermost cause: the client's own only says "Connection error."."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error) or type(error).__name__


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
