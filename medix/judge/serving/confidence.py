"""The confidence of a judge: the probability of its verdict at the token where the verdict is written."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medix.judge.prompt import JudgePrompt
from medix.judge.reply_text import REASONING, own_words
from medix.judge.wording import opening_label

_SCORE = re.compile(r'"score"\s*:\s*"?(-?[0-9]+(?:\.[0-9]+)?)')
_ROUNDING = 1e-3  # a probability of 1 may come as a little more
_UNLISTED = 0.01  # by more than this an option that is not listed must not change a confidence
_BEFORE = " \t\r\n\"'*_#`([{:"  # what may stand before a verdict within its token
_AFTER = re.compile(r"[\W_]+$")


@dataclass(frozen=True, slots=True)
class ReplyToken:
    """One token of a reply.

    Attributes:
        data: its bytes; a token may end inside a character.
        alternatives: log-probability by text of the likeliest tokens at this position, this one among them.
    """

    data: bytes
    alternatives: Mapping[str, float]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> "ReplyToken":
        """Read an entry of ``logprobs.content``.

        Raises:
            KeyError, TypeError, ValueError, OverflowError, AttributeError: an entry of another form.
        """
        data = _bytes(entry)
        listed = [entry, *(entry.get("top_logprobs") or ())]
        return cls(data, {_bytes(one).decode("utf-8", "replace"): _logprob(one) for one in listed})


def _logprob(entry: Mapping[str, Any]) -> float:
    value = entry["logprob"]
    if not isinstance(value, int | float) or isinstance(value, bool) or not value <= _ROUNDING:
        raise ValueError(f"logprob: {value!r:.40} is no logarithm of a probability")
    return float(value)


def _bytes(entry: Mapping[str, Any]) -> bytes:
    data, token = entry.get("bytes"), entry["token"]
    if not isinstance(token, str):
        raise TypeError(f"token: {type(token).__name__} is no text")
    if data is None:
        return token.encode("utf-8", "replace")
    if not isinstance(data, list):  # of a number bytes() would make as many zeros
        raise TypeError(f"bytes: {type(data).__name__} is no list")
    return bytes(data)


def confidence_of(prompt: JudgePrompt, number: float, reply: str, tokens: Sequence[ReplyToken]) -> float | None:
    """The probability of the verdict among the prompt's options, where the reply writes it; None if it cannot be told.

    An alternative counts for an option if, without white space, punctuation and case, it is a prefix of that option and
    of no other: ``Y``, ``yes`` and ``" Yes"`` count for YES. Alternatives that count for none are left out of the sum,
    and so are those that the server did not list. Where no other option is listed and one may be missing, as from a
    server that lists the written token alone, the confidence cannot be told.

    Args:
        prompt: what was asked.
        number: what its rule read.
        reply: what the rule read it from.
        tokens: the tokens of everything that the model wrote; reasoning may stand before the reply, an end token after.
    """
    given = _option(prompt, number)
    position = None if given is None else _position(given, number, reply)
    if given is None or position is None:
        return None
    start = b"".join(token.data for token in tokens).rfind(reply.encode("utf-8", "replace"))
    if start < 0:
        return None
    return _probability(given, prompt.options, tokens, start + len(reply[:position].encode("utf-8", "replace")))


def _option(prompt: JudgePrompt, number: float) -> str | None:
    """The option that the rule read."""
    for option in prompt.options:
        if (float(option) if option.isdecimal() else prompt.rule.read(option).credit) == number:
            return option
    return None


def _position(given: str, number: float, reply: str) -> int | None:
    """Where in the reply the verdict begins: the last score of that value, or the word that opens or ends the reply."""
    begin = max((tag.end() for tag in REASONING.finditer(reply)), default=0)
    if given.isdecimal():
        scores = [match.start(1) for match in _SCORE.finditer(reply, begin) if float(match[1]) == number]
        return scores[-1] if scores else None
    word = re.compile(rf"(?<![^\W_]){re.escape(given)}(?![^\W_])", re.IGNORECASE)  # underscores are emphasis
    words = [match.start() for match in word.finditer(reply, begin)]
    if not words:
        return None
    before = reply[begin : words[0]].strip(_BEFORE)
    is_opening = not before or opening_label(own_words(reply[begin:])) > 0
    return words[0] if is_opening else words[-1]


def _probability(given: str, options: Sequence[str], tokens: Sequence[ReplyToken], position: int) -> float | None:
    """The share of the option among all, at the first token from ``position`` (in bytes) that tells options apart."""
    written, end = b"", 0
    for token in tokens:
        start, end = end, end + len(token.data)
        if end <= position:
            continue
        lead = token.data[: max(0, position - start)].decode("utf-8", "replace")
        before = written.decode("utf-8", "replace")
        written += token.data[max(0, position - start) :]
        if _option_of(written.decode("utf-8", "replace"), options) == given:
            chances = dict.fromkeys(options, 0.0)
            for text, logprob in token.alternatives.items():
                option = _option_of(before + text.removeprefix(lead), options)
                if option is not None and not math.isnan(logprob):
                    chances[option] += math.exp(min(logprob, 0.0))
            total = sum(chances.values())
            if total == chances[given] and _unlisted(token) > _UNLISTED * total:
                return None
            return chances[given] / total if total > 0 else None
        if len(written.strip()) >= len(given):
            return None
    return None


def _unlisted(token: ReplyToken) -> float:
    """The largest probability that an alternative may have which the server did not list: it lists the likeliest."""
    listed = [math.exp(min(logprob, 0.0)) for logprob in token.alternatives.values()]
    return min(1 - sum(listed), *listed)


def _option_of(text: str, options: Sequence[str]) -> str | None:
    """The only option that the text is a prefix of."""
    text = _AFTER.sub("", text.lstrip(_BEFORE)).casefold()
    spoken = [option for option in options if text and option.casefold().startswith(text)]
    return spoken[0] if len(spoken) == 1 else None
