# ruff: noqa: RUF001 - quotation marks of all kinds are what is looked for
"""Parsing a judge's raw reply. A reply without exactly one verdict is unscored, never a NO."""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class ReadReply:
    """A parsed reply.

    Attributes:
        credit: the verdict as a number; None if there is none.
        reason: why there is no verdict.
        explanation: that of the verdict's JSON object, else the reasoning before the verdict.
    """

    credit: float | None
    reason: str = ""
    explanation: str = ""


LONGEST = 64 * 1024  # characters; parsing blocks the event loop


class ReplyRule(ABC):
    """How a verdict is parsed. Text inside ``<think>`` is ignored; without the closing tag there is no verdict.

    Reasoning with a closing tag only (the chat template wrote the opening one) may contain the verdict that follows it,
    but no different one: if a judge quotes ``</think>`` from an answer, its verdict before it must not be dropped.
    """

    def read(self, reply: str) -> ReadReply:
        """The verdict of a reply of up to ``LONGEST`` characters. Never raises."""
        if len(reply) > LONGEST:
            return ReadReply(
                None, f"the judge's reply has {len(reply)} characters, more than the {LONGEST} that are read"
            )
        text, reasoning = split_reasoning(reply)
        if text is None:
            return ReadReply(None, "the judge's reasoning does not end, so no verdict follows it", reasoning)
        if not text.strip():
            return ReadReply(None, "the judge's reply is empty", reasoning)
        read = self._verdict(text)
        if read.credit is not None and any(
            self._verdict(part).credit not in {None, read.credit} for part in _before_lone_ends(reply)
        ):
            return ReadReply(
                None, "the judge's reply holds another verdict before a </think> that nothing opened", reasoning
            )
        return read if read.explanation else replace(read, explanation=reasoning)

    @abstractmethod
    def _verdict(self, text: str) -> ReadReply:
        """Parse the text outside the reasoning."""


def split_reasoning(reply: str) -> tuple[str | None, str]:
    """The text outside ``<think>`` blocks, and that inside; None for the former if a block is not closed.

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


def _before_lone_ends(reply: str) -> Iterator[str]:
    """The text before each closing tag without an opening one."""
    is_inside, start = False, 0
    for tag in _THINK.finditer(reply):
        if tag[1] and not is_inside and reply[start : tag.start()].strip():
            yield reply[start : tag.start()]
        is_inside, start = not tag[1], tag.end()


_THINK = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE | re.ASCII)
_SINGLE = "'’"
_CLOSING = {'"': '"', "“": "”", "„": "“", "«": "»", "`": "`", "'": _SINGLE, "‘": _SINGLE}
# A single quote opens a quotation only at the start of a word: the apostrophe of "doesn't" does not.
_OPENER = re.compile(r"[\"“„«`]|(?<!\w)['‘]")
_CLOSERS = {marks: re.compile(f"[{marks}]") for marks in set(_CLOSING.values())}
_EMPHASIS = re.compile(r"\*+|(?<![A-Za-z0-9])_+|_+(?![A-Za-z0-9])|^[^\S\n]*#+", re.MULTILINE)
# Joined by a slash, a hyphen or a quotation mark the word is part of something else: YES/NO, no-contrast, "yes
_JOINED = r"[\w/\-'’\"“”‘`«»]"
_OPENING = re.compile(rf"\s*(yes|no)(?!{_JOINED})\s*(?=[^\w\s]|\n|$)", re.IGNORECASE)
_OPENING_LINE = re.compile(r"\s*(yes|no)[ \t]*\n", re.IGNORECASE)
_ENDING = re.compile(rf"(?<!{_JOINED})(yes|no)(?:[\s,.!]+\1)*[\s.!。！)\]]*$", re.IGNORECASE)
_TAIL = 200  # an ending verdict stands within this many characters of the end
_BEFORE = 400  # characters before a verdict that say whether it is one
_OWN = re.compile(r"(?:^|[.!?;。！？]|\n)\s*$")  # before a sentence or a line of its own
_LINK = re.compile(r"(?:[:：=→]|=>|\s[-–—]|\bis)\s*$", re.IGNORECASE)
# Behind these the word is spoken of, and no verdict
_SPOKEN_OF = re.compile(
    r"(?:\b(?:not|never|cannot|or|and|with|there|say|says|said|saying|write|writes|wrote|read|reads|state|states|stated"
    r"|answers|answered|replies|replied)|n['’]t)\s*$",
    re.IGNORECASE,
)
# "The reference is yes", "Candidate: no", but not "The candidate matches the reference: YES"
_QUOTES_ONE = re.compile(r"(?:the\s+)?(?:candidate|reference)(?:['’]s)?(?:\s+(?:answer|reply))?$", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:not|never|cannot|whether|if|unless)\b|n['’]t\b", re.IGNORECASE)
_CLAUSE = re.compile(r"[.!?;,:。！？\n]|\b(?:so|therefore|thus|hence|and|but)\b", re.IGNORECASE)
# A word with a clause of its own: "Yes, but no, the side differs", not "the reference is yes, ..."
_WORD = re.compile(rf"(?<!{_JOINED})(yes|no)(?!{_JOINED})(?=[^\S\n]*(?:[^\w\s]|\n|$))", re.IGNORECASE)
_STOP = re.compile(r"[^\S\n]*(?:[.!。！\n]|$)")
_STARTS = re.compile(r"(?:[.!?;,。！？，\n–—]|\b(?:but|wait|actually|rather|hmm)\b[,:.]?)\s*$", re.IGNORECASE)


class YesNoRule(ReplyRule):
    """YES or NO, in any case, as the whole reply, as its opening before punctuation, or as its end.

    At the end it must be a sentence or line of its own, or follow a colon, a dash, ``=`` or ``is``; a mere mention
    (``not YES``, ``reply with YES or NO``, ``both say no``) does not count. Markdown emphasis and quoted words are
    ignored. Two different verdicts make the reply unscored.
    """

    def _verdict(self, text: str) -> ReadReply:
        text = _without_quotations(_EMPHASIS.sub("", text)).strip()
        opening = _OPENING_LINE.match(text) or _OPENING.match(text)
        ending = _ENDING.search(text, max(0, len(text) - _TAIL))
        # the words that open and end the reply must agree, even if the last one alone would not count as a verdict
        if ending is not None and (
            opening is not None or _is_verdict(text[max(0, ending.start() - _BEFORE) : ending.start()])
        ):
            found = {match[1].upper() for match in (opening, ending) if match}
        else:
            found = {opening[1].upper()} if opening else set()
        if not found:
            return ReadReply(None, "the judge's reply holds no verdict")
        if len(found) > 1 or any(word not in found for word in _words_apart(text)):
            return ReadReply(None, "the judge's reply holds two different verdicts")
        return ReadReply(1.0 if found == {"YES"} else 0.0)


def _is_verdict(before: str) -> bool:
    """Whether a YES or NO after this text, at the end of a reply, is the verdict."""
    before = before.rstrip(" \t([")
    if _SPOKEN_OF.search(before):
        return False
    if _OWN.search(before):
        return True
    link = _LINK.search(before)
    if link is None:
        return False
    label = before[: link.start()]
    clause = _CLAUSE.split(label)[-1].strip()
    if _SPOKEN_OF.search(label):
        return False
    if link[0].strip().lower() == "is":
        return not _NEGATED.search(clause) and not _QUOTES_ONE.search(clause)
    return not _QUOTES_ONE.match(clause)


def _words_apart(text: str) -> Iterator[str]:
    """Every YES and NO that is a clause of its own."""
    for word in _WORD.finditer(text):
        before = text[max(0, word.start() - 20) : word.start()]
        is_linked = _LINK.search(before) and _STOP.match(text, word.end())
        if (
            word.start() == 0
            or _STARTS.search(before)
            or (is_linked and _is_verdict(text[max(0, word.start() - _BEFORE) : word.start()]))
        ):
            yield word[1].upper()


def _without_quotations(text: str) -> str:
    """The text with each quotation replaced by a space. A quotation ends within its line. Linear in the length."""
    return "\n".join(line and _line_without_quotations(line) for line in text.split("\n"))


def _line_without_quotations(line: str) -> str:
    parts, start = [], 0
    ahead: dict[str, int] = {}  # next closing mark of each kind, so that it is searched for once
    for opener in _OPENER.finditer(line):
        at = opener.start()
        if at < start:
            continue
        marks = _CLOSING[opener[0]]
        if ahead.get(marks, -1) <= at:
            found = _CLOSERS[marks].search(line, at + 1)
            ahead[marks] = found.start() if found else len(line)
        end = ahead[marks]
        if end == len(line) or (marks == _SINGLE and _WORD_CHARACTER.match(line, end + 1)):
            continue
        parts += [line[start:at], " "]
        start = end + 1
    return "".join([*parts, line[start:]])


_WORD_CHARACTER = re.compile(r"\w")
_ATTEMPTS = 200  # opening braces tried: a reply of braces alone must not take minutes


class ScoreRule(ReplyRule):
    """The last JSON object with the key ``score`` outside the reasoning, with its ``explanation``.

    In a list, too, the last one counts. If any object is malformed (unquoted keys, truncated, a repeated key), the
    reply is unscored: the judge may have quoted the answer's own ``{"score": 1}`` without escaping it, or was cut off
    while it revised a score.
    """

    def _verdict(self, text: str) -> ReadReply:
        found, is_any_broken = _last_scored(text)
        if found is None or found["score"] is None:
            return ReadReply(None, "the judge's reply holds no whole JSON object with the key score")
        if is_any_broken:
            return ReadReply(None, "the judge's reply holds a broken JSON object beside or around its score")
        explanation = found.get("explanation")
        explanation = explanation.strip() if isinstance(explanation, str) else ""
        value = self._on_scale(found["score"])
        if value is None:
            return ReadReply(None, f"the judge's score {found['score']!r} is outside the scale", explanation)
        return ReadReply(value, explanation=explanation)

    @abstractmethod
    def _on_scale(self, score: Any) -> float | None:
        """The score as a number; None if it is not on the scale."""


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


# Braces in prose do not count as malformed objects.
_BROKEN = re.compile(r"""\{\s*"|\{\s*'\w+'\s*:|\{[^{}]*?score["'’”]?\s*[:=]""", re.IGNORECASE)


def _last_scored(text: str) -> tuple[dict[str, Any] | None, bool]:
    """The last object with a score, and whether any is malformed; nested objects are not looked at."""
    last, end, attempts = None, 0, 0
    is_any_broken = False
    while (start := text.find("{", end)) >= 0:
        attempts += 1
        if attempts > _ATTEMPTS:
            return last, True
        try:
            found, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            is_any_broken = is_any_broken or _BROKEN.match(text, start) is not None
            end = start + 1
            continue
        if "score" in found:
            last = found
        elif any(key.casefold() == "score" for key in found):
            is_any_broken = True
    return last, is_any_broken


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats)
