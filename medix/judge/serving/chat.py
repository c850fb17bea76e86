"""Requests of the chat completions protocol of vLLM, OpenAI and others."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

_ALTERNATIVES = 10  # enough to hold both options in a few spellings; OpenAI and vLLM allow 20

# Optional fields, in the order they are dropped when a server rejects a request and does not say why; and the words by
# which servers name them.
_OPTIONAL = {
    "logprobs": ("logprobs",),
    "structured_outputs": ("structured_outputs", "guided", "grammar", "schema"),
    "chat_template_kwargs": ("chat_template_kwargs", "chat_template", "enable_thinking"),
    "max_tokens": ("max_tokens",),
    "temperature": ("temperature",),
}
_LAST = frozenset(("max_tokens", "temperature"))  # rejected together by servers of reasoning models


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """The request for one verdict.

    Attributes:
        model: name of the model as the server knows it.
        message: the rendered prompt.
        max_tokens: longest reply.
        constraint: on the reply, as vLLM's ``structured_outputs``; None for a free reply.
    """

    model: str
    message: str
    max_tokens: int
    constraint: Mapping[str, Any] | None = None

    @property
    def optional_fields(self) -> tuple[str, ...]:
        """Fields that a server may not know; a constraint by its kind, for a server may know one kind only."""
        kinds = {"structured_outputs": f"structured_outputs {'+'.join(self.constraint)}"} if self.constraint else {}
        return tuple(kinds.get(name, name) for name in _OPTIONAL if kinds or name != "structured_outputs")

    def content(self, fields: Collection[str]) -> dict[str, Any]:
        """The body of the request, with these optional fields."""
        names = {field.partition(" ")[0] for field in fields}
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
        return content


def fields_named(fields: Collection[str], message: str) -> frozenset[str]:
    """The optional fields that a server's message names."""
    text = message.casefold()
    return frozenset(field for field in fields if any(word in text for word in _OPTIONAL[field.partition(" ")[0]]))


def next_dropped(fields: Collection[str]) -> frozenset[str]:
    """The optional fields to drop where the message names none."""
    first = next((field for field in fields if field not in _LAST), None)
    return frozenset(fields) & _LAST if first is None else frozenset((first,))
