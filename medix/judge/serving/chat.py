"""One exchange in the chat protocol that vLLM, OpenAI and others speak: what is asked, and what came back."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from medix.judge.serving.confidence import ReplyToken

_ALTERNATIVES = 10  # enough to hold both options in a few spellings; OpenAI and vLLM allow 20

# What is asked beyond the bare protocol, in the order it is given up when a server refuses and does not say which; and
# the words by which servers name it.
_GIVEN_UP = {
    "logprobs": ("logprobs",),
    "structured_outputs": ("structured_outputs", "guided", "grammar", "schema"),
    "chat_template_kwargs": ("chat_template_kwargs", "chat_template", "enable_thinking"),
    "max_tokens": ("max_tokens",),
    "temperature": ("temperature",),
}
_LAST = frozenset(("max_tokens", "temperature"))  # refused together by servers of reasoning models


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a server is asked for one verdict.

    Attributes:
        model: name of the model as the server knows it.
        message: the rendered prompt.
        max_tokens: longest reply.
        constraint: what the reply is held to, in vLLM's ``structured_outputs`` terms; None for a free reply.
    """

    model: str
    message: str
    max_tokens: int
    constraint: Mapping[str, Any] | None = None

    @property
    def wishes(self) -> tuple[str, ...]:
        """What the request asks for that a server may not know; a constraint by its kind, as a server may know one."""
        kinds = {"structured_outputs": f"structured_outputs {'+'.join(self.constraint)}"} if self.constraint else {}
        return tuple(kinds.get(name, name) for name in _GIVEN_UP if kinds or name != "structured_outputs")

    def body(self, wishes: Collection[str]) -> bytes:
        """The request as JSON, with the wishes that are left."""
        names = {wish.partition(" ")[0] for wish in wishes}
        content: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": self.message}]}
        content["max_tokens" if "max_tokens" in names else "max_completion_tokens"] = self.max_tokens
        if "temperature" in names:
            content["temperature"] = 0.0
        if "logprobs" in names:
            content |= {"logprobs": True, "top_logprobs": _ALTERNATIVES}
        if "structured_outputs" in names:
            content["structured_outputs"] = dict(self.constraint or {})
        if "chat_template_kwargs" in names:
            content["chat_template_kwargs"] = {"enable_thinking": False}
        return json.dumps(content).encode()


def named(wishes: Collection[str], message: str) -> frozenset[str]:
    """The wishes that a server's message speaks of."""
    text = message.casefold()
    return frozenset(wish for wish in wishes if any(word in text for word in _GIVEN_UP[wish.partition(" ")[0]]))


def next_given_up(wishes: Collection[str]) -> frozenset[str]:
    """The wishes to do without where the message names none."""
    first = next((wish for wish in wishes if wish not in _LAST), None)
    return frozenset(wishes) & _LAST if first is None else frozenset((first,))


class StatusError(Exception):
    """The server answered with an error.

    Args:
        status: of HTTP.
        message: the server's own words.
        retry_after: the header of that name.
    """

    def __init__(self, status: int, message: str, retry_after: str | None = None) -> None:
        super().__init__(f"status {status}: {message}")
        self.status = status
        self.message = message
        self.retry_after = retry_after

    @classmethod
    def of(cls, status: int, data: bytes, retry_after: str | None = None) -> "StatusError":
        """Read the words out of an error's body, whichever form it has."""
        try:
            found = _said(json.loads(data))
        except (ValueError, RecursionError):
            found = None
        return cls(status, found or data.decode("utf-8", "replace"), retry_after)


def _said(content: Any) -> str | None:
    """``{"error": {"message": …}}``, ``{"message": …}``, ``{"detail": …}``, ``{"error": "…"}``."""
    if isinstance(content, dict):
        found = content.get("error", content)
        if isinstance(found, dict):
            found = found.get("message") or found.get("detail")
        if found:
            return found if isinstance(found, str) else json.dumps(found)
    return None


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What the model wrote.

    Attributes:
        text: the reply; empty if there is none.
        reasoning: what the server split off as reasoning.
        finish_reason: ``stop``, ``length``, or what else the server says.
        logprobs: the tokens with their probabilities as they came; None where the server gives none.
    """

    text: str
    reasoning: str = ""
    finish_reason: str = ""
    logprobs: Any = None

    @classmethod
    def read(cls, data: bytes) -> "ChatReply":
        """The first choice of a reply.

        Raises:
            ValueError: not what the protocol asks for.
        """
        try:
            content = json.loads(data)
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        choices = content.get("choices") if isinstance(content, dict) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            said = _said(content)
            raise ValueError(f"it holds no choices: {said}" if said else "it holds no choices")
        choice = choices[0]
        message = choice.get("message")
        if not isinstance(message, dict):
            raise ValueError("its choice holds no message")
        reasoning = message.get("reasoning_content") or message.get("reasoning")
        return cls(
            text=_text(message.get("content")),
            reasoning=_text(reasoning),
            finish_reason=_text(choice.get("finish_reason")),
            logprobs=choice.get("logprobs"),
        )

    @property
    def tokens(self) -> tuple[ReplyToken, ...]:
        """The tokens with their probabilities; none where the server gave none, or gave them in a form of its own."""
        content = self.logprobs.get("content") if isinstance(self.logprobs, dict) else None
        try:
            return tuple(ReplyToken.of(entry) for entry in content or ())
        except (TypeError, ValueError, KeyError, AttributeError):
            return ()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
