# ruff: noqa: RUF001 - quotation marks of all kinds are what is looked for
"""Reading a judge's raw reply. A reply that does not hold exactly one verdict is unscored, never a no."""

import json
import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class ReadReply:
    """What a reply says.

    Attributes:
        credit: the verdict as a number; None if there is none.
        reason: why there is none.
        explanation: the explanation in the verdict's own object, else reasoning that stood apart from the verdict.
    """

    credit: float | None
    reason: str = ""
    explanation: str = ""


class ReplyRule(ABC):
    """How verdicts are written. Text inside ``<think>`` never counts; reasoning without an end leaves no verdict."""

    def read(self, reply: str) -> ReadReply:
        """The verdict of a reply. Never raises."""
        text, reasoning = split_reasoning(reply)
        if text is None:
            return ReadReply(None, "the judge's reasoning does not end, so no verdict follows it", reasoning)
        if not text.strip():
            return ReadReply(None, "the judge's reply is empty", reasoning)
        read = self._verdict(text)
        return read if read.explanation else replace(read, explanation=reasoning)

    @abstractmethod
    def _verdict(self, text: str) -> ReadReply:
        """What the text outside reasoning says."""


def split_reasoning(reply: str) -> tuple[str | None, str]:
    """What stands outside ``<think>`` blocks, and what stands inside; None outside if a block never ends.

    A closing tag without an opening one ends reasoning that the chat template opened.
    """
    outside: list[str] = []
    inside: list[str] = []
    is_inside, start = False, 0
    for tag in _THINK.finditer(reply):
        part = reply[start : tag.start()]
        if tag[1]:
            if not is_inside and not inside:
                outside, part = [], "".join([*outside, part])
            inside.append(part)
            is_inside = False
        else:
            (inside if is_inside else outside).append(part)
            is_inside = True
        start = tag.end()
    rest = reply[start:]
    explanation = "\n".join(filter(None, map(str.strip, inside)))
    if is_inside:
        return None, "\n".join(filter(None, (explanation, rest.strip())))
    return "".join([*outside, rest]), explanation


_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE | re.ASCII)
_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "`": "`"}
# A single quote opens a quotation only at the start of a word: the apostrophe of "doesn't" does not.
_QUOTED = re.compile(
    "|".join(f"{re.escape(a)}[^{re.escape(b)}\n]*{re.escape(b)}" for a, b in _QUOTES.items())
    + r"|(?<!\w)['‘][^'’\n]*['’](?!\w)"
)
_EMPHASIS = re.compile(r"\*+|(?<![A-Za-z0-9])_+|_+(?![A-Za-z0-9])|^\s*#+", re.MULTILINE)
# Joined by a slash, a hyphen or a quotation mark the word is part of something else: YES/NO, no-contrast, "yes
_JOINED = r"[\w/\-'’\"“”‘`«»]"
_OPENING = re.compile(rf"\s*(yes|no)(?!{_JOINED})\s*(?=[^\w\s]|\n|$)", re.IGNORECASE)
_OPENING_LINE = re.compile(r"\s*(yes|no)[ \t]*\n", re.IGNORECASE)
_ENDING = re.compile(rf"(?<!{_JOINED})(yes|no)[\s.!)\]]*$", re.IGNORECASE)
_TAIL = 200  # an ending verdict stands within this many characters of the end


class YesNoRule(ReplyRule):
    """YES or NO, in any case, as the whole reply, as its opening before punctuation, or as its end.

    Markdown emphasis is ignored and quoted words never count. Two different verdicts are none.
    """

    def _verdict(self, text: str) -> ReadReply:
        text = _QUOTED.sub(" ", _EMPHASIS.sub("", text)).strip()
        found = {match[1].upper() for match in (self._opening(text), _ENDING.search(text[-_TAIL:])) if match}
        if not found:
            return ReadReply(None, "the judge's reply holds no verdict")
        if len(found) > 1:
            return ReadReply(None, "the judge's reply holds two different verdicts")
        return ReadReply(1.0 if found == {"YES"} else 0.0)

    def _opening(self, text: str) -> re.Match[str] | None:
        return _OPENING_LINE.match(text) or _OPENING.match(text)


_ATTEMPTS = 200  # openings of an object looked at, from the end: a reply of nothing but braces must not take minutes


class ScoreRule(ReplyRule):
    """A JSON object with the key ``score``; the last one outside reasoning counts, with its ``explanation``.

    An object inside a broken one does not count: a judge that quotes the answer's own ``{"score": 1}`` in an
    explanation without escaping it, or is cut while it does, has given no verdict.
    """

    def _verdict(self, text: str) -> ReadReply:
        found, is_inside_broken = _last_scored(text)
        if found is None or found["score"] is None:
            return ReadReply(None, "the judge's reply holds no JSON object with the key score")
        if is_inside_broken:
            return ReadReply(None, "the judge's reply holds a broken JSON object around or before its score")
        explanation = found.get("explanation")
        explanation = explanation.strip() if isinstance(explanation, str) else ""
        value = self._on_scale(found["score"])
        if value is None:
            return ReadReply(None, f"the judge's score {found['score']!r} is outside the scale", explanation)
        return ReadReply(value, explanation=explanation)

    @abstractmethod
    def _on_scale(self, score: Any) -> float | None:
        """The score as a number if it is one of the scale."""


class Score01Rule(ScoreRule):
    """``{"score": 0}`` or ``{"score": 1}``; strings and booleans of the same meaning too."""

    def _on_scale(self, score: Any) -> float | None:
        value = _number(score)
        return value if value in (0.0, 1.0) else None


class Score05Rule(ScoreRule):
    """``{"score": x}`` with x from 0 to 5; the credit is x itself."""

    def _on_scale(self, score: Any) -> float | None:
        value = None if isinstance(score, bool) else _number(score)
        return value if value is not None and 0 <= value <= 5 else None


def _number(score: Any) -> float | None:
    if not isinstance(score, (bool, int, float, str)) or (isinstance(score, str) and len(score) > 20):
        return None
    try:
        value = float(score)
    except (ValueError, OverflowError):
        return None
    return value if math.isfinite(value) else None


_BROKEN = re.compile(r'\{\s*"')  # braces in prose are no objects


def _last_scored(text: str) -> tuple[dict[str, Any] | None, bool]:
    """The last object with a score, and whether one before it never ended; objects inside one belong to it."""
    decoder = json.JSONDecoder()
    openings = [match.start() for match in re.finditer(r"\{", text)][-_ATTEMPTS:]
    last, end = None, 0
    broken = is_inside_broken = False
    for start in openings:
        if start < end:
            continue
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            broken = broken or _BROKEN.match(text, start) is not None
            continue
        if isinstance(found, dict) and "score" in found:
            last, is_inside_broken = found, broken
    return last, is_inside_broken
