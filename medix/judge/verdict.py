# ruff: noqa: RUF001 - quotation marks of all kinds are what is looked for
"""Reading a judge's raw reply. A reply that does not hold exactly one verdict is unscored, never a no."""

import json
import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ReadReply:
    """What a reply says.

    Attributes:
        credit: the verdict as a number; None if there is none.
        reason: why there is none.
        explanation: reasoning that stood apart from the verdict.
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
        credit = self._verdict(text)
        if isinstance(credit, str):
            return ReadReply(None, credit, reasoning)
        return ReadReply(credit, explanation=reasoning)

    @abstractmethod
    def _verdict(self, text: str) -> float | str:
        """The verdict, or why there is none."""


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

    def _verdict(self, text: str) -> float | str:
        text = _QUOTED.sub(" ", _EMPHASIS.sub("", text)).strip()
        found = {match[1].upper() for match in (self._opening(text), _ENDING.search(text[-_TAIL:])) if match}
        if not found:
            return "the judge's reply holds no verdict"
        if len(found) > 1:
            return "the judge's reply holds two different verdicts"
        return 1.0 if found == {"YES"} else 0.0

    def _opening(self, text: str) -> re.Match[str] | None:
        return _OPENING_LINE.match(text) or _OPENING.match(text)


_ATTEMPTS = 200  # openings of an object looked at, from the end: a reply of nothing but braces must not take minutes


class ScoreRule(ReplyRule):
    """A JSON object with the key ``score``; the last one outside reasoning counts."""

    def _verdict(self, text: str) -> float | str:
        score = _last_score(text)
        if score is None:
            return "the judge's reply holds no JSON object with the key score"
        value = self._on_scale(score)
        return f"the judge's score {score!r} is outside the scale" if value is None else value

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


def _last_score(text: str) -> Any:
    """The score of the last object that has one; objects inside objects belong to the outer one."""
    decoder = json.JSONDecoder()
    openings = [match.start() for match in re.finditer(r"\{", text)][-_ATTEMPTS:]
    score, end = None, 0
    for start in openings:
        if start < end:
            continue
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and "score" in found:
            score = found["score"]
    return score
