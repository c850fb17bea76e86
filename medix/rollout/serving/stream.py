"""Decodes the streamed answer to one request into finished choices."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from medix.serving.json_text import index_of

_END = b"\n\n"
_DONE = b"[DONE]"
_ROUNDING = 0.01  # of bfloat16, by which the logarithm of a probability near 1 may exceed 0


class StreamError(ValueError):
    """The stream does not follow the protocol."""


@dataclass(frozen=True)
class Choice:
    """One completion as the server sent it.

    Attributes:
        index: its number among the completions of the prompt.
        token_ids: T tokens.
        logprobs: T log-probabilities.
        finish_reason: ``stop`` or ``length``.
        versions: of the weights that wrote it, in order; more than one if they changed in between.
    """

    index: int
    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    finish_reason: str
    versions: tuple[str, ...]


@dataclass
class _Growing:
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class ChoiceStream:
    """Server-sent events of ``/inference/v1/generate`` in, finished choices out.

    Args:
        count: choices that were asked for.
        longest: bytes after which reading ends, so that a server that never stops sending cannot fill the memory.

    Attributes:
        prompt_token_ids: the prompt that the server reports to have completed; None until it does.
        is_done: whether the server has sent the end marker.
    """

    def __init__(self, count: int, longest: int) -> None:
        self.count = count
        self.longest = longest
        self.prompt_token_ids: tuple[int, ...] | None = None
        self.is_done = False
        self._finished: set[int] = set()
        self._growing: dict[int, _Growing] = {}
        self._rest = b""
        self._read = 0

    def feed(self, data: bytes) -> Iterator[Choice]:
        """Decode a part of the stream; gives the choices that it finishes.

        Raises:
            StreamError: it does not follow the protocol, or is too long.
        """
        self._read += len(data)
        if self._read > self.longest:
            raise StreamError(f"it is longer than {self.longest} bytes")
        *events, self._rest = (self._rest + data).split(_END)
        for event in events:
            yield from self._event(event.strip())

    def close(self) -> None:
        """The connection has ended.

        Raises:
            StreamError: not all choices are finished.
        """
        missing = self.count - len(self._finished)
        if missing:
            how = "it ended" if self.is_done else "it broke off"
            raise StreamError(f"{how} with {len(self._finished)} of {self.count} completions finished")

    def _event(self, event: bytes) -> Iterator[Choice]:
        if not event.startswith(b"data:"):
            if event and not event.startswith(b":"):
                raise StreamError(f"{event[:80]!r} is no event")
            return
        text = event.removeprefix(b"data:").strip()
        if text == _DONE:
            self.is_done = True
            return
        try:
            content = json.loads(text)
            if "error" in content:
                raise StreamError(f"the server says {_said(content['error'])}")
            prompt = content.get("prompt_token_ids")
            if prompt is not None:
                self.prompt_token_ids = tuple(int(token) for token in prompt)
            for choice in content["choices"]:
                yield from self._take(choice)
        except StreamError:
            raise
        except (KeyError, TypeError, AttributeError, ArithmeticError, RecursionError, ValueError) as error:
            raise StreamError(f"{text[:80]!r} is no part of a completion ({error!r})") from error

    def _take(self, choice: dict[str, Any]) -> Iterator[Choice]:
        index = index_of(choice)
        if index is None or index >= self.count or index in self._finished:
            raise StreamError(f"choice {index} of {self.count} was not asked for, or comes twice")
        growing = self._growing.setdefault(index, _Growing())
        tokens = [int(token) for token in choice["token_ids"] or ()]
        entries = (choice.get("logprobs") or {}).get("content") or ()
        if [entry["token_id"] for entry in entries] != tokens:
            raise StreamError(f"choice {index} comes with {len(entries)} log-probabilities for {len(tokens)} tokens")
        growing.token_ids += tokens
        growing.logprobs += [_finite(entry["logprob"], index) for entry in entries]
        reason = choice.get("finish_reason")
        if reason is None:
            return
        if reason not in ("stop", "length"):
            raise StreamError(f"choice {index} ended with {reason!r}: the server called it off")
        if not growing.token_ids:
            raise StreamError(f"choice {index} has no tokens")
        self._finished.add(index)
        versions = tuple(span["version"] for span in choice.get("weight_versions") or ())
        if not all(isinstance(version, str) for version in versions):
            raise StreamError(f"choice {index} names a version of weights that is no text: {versions!r:.80}")
        yield Choice(index, tuple(growing.token_ids), tuple(growing.logprobs), reason, versions)


def _finite(value: Any, index: int) -> float:
    # The server writes -9999 for NaN or a missing value: the weights have diverged.
    if not math.isfinite(value) or value <= -9999:
        raise StreamError(f"choice {index} has a token without a log-probability: its logits are NaN")
    if value > _ROUNDING:
        raise StreamError(f"choice {index} has a token with {value} as its log-probability")
    return float(value)


def _said(error: Any) -> str:
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)
