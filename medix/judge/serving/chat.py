"""Requests of the chat completions protocol of vLLM, OpenAI and others."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

_ALTERNATIVES = 10  # enough to hold both options in a few spellings; OpenAI and vLLM allow 20

# Optional fields, in the order they are dropped when a server rejects a request and does not say why; and the words by
# which servers name them.
_OPTIONAL = {
    "seed": ("seed",),
    "logprobs": ("logprobs",),
    "structured_outputs": ("structured_outputs", "guided", "grammar", "schema"),
    "chat_template_kwargs": ("chat_template_kwargs", "chat_template", "enable_thinking"),
    "max_tokens": ("max_tokens",),
    "temperature": ("temperature",),
}
_LAST = frozenset(("max_tokens", "temperature"))  # rejected together by servers of reasoning models


class Request(Protocol):
    """A request with fields that a server may not know."""

    @property
    def max_tokens(self) -> int:
        """Longest reply."""

    @property
    def optional_fields(self) -> tuple[str, ...]:
        """Fields that a server may not know, in the order they are dropped when it does not say which it rejects."""

    def content(self, fields: Collection[str]) -> dict[str, Any]:
        """The body of the request, with these optional fields."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """The request for one verdict.

    Attributes:
        model: name of the model as the server knows it.
        message: the rendered prompt.
        max_tokens: longest reply.
        constraint: on the reply, as vLLM's ``structured_outputs``; None for a free reply.
        temperature: 0 for the likeliest reply.
        seed: of a reply that is drawn; None leaves it to the server.
    """

    model: str
    message: str
    max_tokens: int
    constraint: Mapping[str, Any] | None = None
    temperature: float = 0.0
    seed: int | None = None

    @property
    def optional_fields(self) -> tuple[str, ...]:
        """Fields that a server may not know; a constraint by its kind, for a server may know one kind only."""
        kinds = {"structured_outputs": f"structured_outputs {'+'.join(self.constraint)}"} if self.constraint else {}
        absent = {name for name, value in (("structured_outputs", kinds or None), ("seed", self.seed)) if value is None}
        return tuple(kinds.get(name, name) for name in _OPTIONAL if name not in absent)

    def content(self, fields: Collection[str]) -> dict[str, Any]:
        """The body of the request, with these optional fields."""
        names = {field.partition(" ")[0] for field in fields}
        content: dict[str, Any] = {"model": self.model, "messages": [{"role": "user", "content": self.message}]}
        content["max_tokens" if "max_tokens" in names else "max_completion_tokens"] = self.max_tokens
        if "temperature" in names:
            content["temperature"] = self.temperature
        if "seed" in names:
            content["seed"] = self.seed
        if "logprobs" in names:
            content |= {"logprobs": True, "top_logprobs": _ALTERNATIVES}
        if "structured_outputs" in names:
            content["structured_outputs"] = dict(self.constraint or {})
        if "chat_template_kwargs" in names:
            content["chat_template_kwargs"] = {"enable_thinking": False}
        return content


def fields_named(fields: Collection[str], message: str) -> frozenset[str]:
    """The optional fields that a server's message names."""
    text = message.casefold()
    return frozenset(field for field in fields if any(word in text for word in _OPTIONAL[field.partition(" ")[0]]))


def next_dropped(fields: Collection[str]) -> frozenset[str]:
    """The optional fields to drop where the message names none."""
    first = next((field for field in fields if field not in _LAST), None)
    return frozenset(fields) & _LAST if first is None else frozenset((first,))
