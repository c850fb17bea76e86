# ruff: noqa: RUF001 - punctuation of other scripts too
"""Parsing a judge's raw reply. A reply without exactly one verdict is unscored, never a NO."""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from medix.judge.comparison import says_otherwise, without_terms
from medix.judge.qualification import is_revised, qualification_of
from medix.judge.reply_text import before_lone_ends, own_words, split_reasoning
from medix.judge.wording import announced_words, is_own, opening_label


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


# Characters. Parsing blocks the event loop: reasoning is split off in linear time, and the verdict is looked for in a
# text of bounded length.
LONGEST = 64 * 1024
LONGEST_OUTSIDE = 8 * 1024


class ReplyRule(ABC):
    """How a verdict is parsed. Reasoning (``<think>``, …) is ignored; without its closing tag there is no verdict.

    Reasoning with a closing tag only (the chat template wrote the opening one) may contain the verdict that follows it,
    but no different one: if a judge quotes ``</think>`` from an answer, its verdict before it must not be dropped.
    """

    def read(self, reply: str, *, is_cut: bool = False) -> ReadReply:
        """The verdict of a reply of up to ``LONGEST`` characters, ``LONGEST_OUTSIDE`` without reasoning. Never raises.

        Args:
            reply: what the model wrote.
            is_cut: whether it was cut off at the limit of tokens; then only a verdict counts that no further text
                could have turned into the opposite.
        """
        if len(reply) > LONGEST:
            return ReadReply(
                None, f"the judge's reply has {len(reply)} characters, more than the {LONGEST} that are read"
            )
        text, reasoning = split_reasoning(reply)
        if text is None:
            return ReadReply(None, "the judge's reasoning does not end, so no verdict follows it", reasoning)
        if not text.strip():
            return ReadReply(None, "the judge's reply is empty", reasoning)
        if len(text) > LONGEST_OUTSIDE:
            found = f"{len(text)} characters outside its reasoning, more than the {LONGEST_OUTSIDE} that are read"
            return ReadReply(None, f"the judge's reply has {found}", reasoning)
        read = self._verdict(text)
        if read.credit is not None and any(
            self._mentioned(end) not in {None, read.credit}
            for part in before_lone_ends(reply)
            for end in {part[:LONGEST_OUTSIDE], part[-LONGEST_OUTSIDE:]}
        ):
            return ReadReply(
                None, "the judge's reply holds another verdict before a </think> that nothing opened", reasoning
            )
        if read.credit is not None and is_cut and not self._is_settled(text):
            return ReadReply(None, "the judge's reply is cut off where its verdict could still change", reasoning)
        return read if read.explanation else replace(read, explanation=reasoning)

    @abstractmethod
    def _verdict(self, text: str) -> ReadReply:
        """Parse the text outside the reasoning."""

    def _mentioned(self, text: str) -> float | None:
        """What may be a verdict: enough to contradict another, if not to count. By default what counts."""
        return self._verdict(text).credit

    def _is_settled(self, text: str) -> bool:  # noqa: ARG002 - a rule that knows more reads it
        """Whether no text appended to this one could turn its verdict into another; False if that is not known."""
        return False


# Joined by a slash, a hyphen or a quotation mark the word is part of something else: YES/NO, no-contrast, "yes
_JOINED = r"[\w/\-'’\"“”‘`«»]"
_OPENING = re.compile(
    rf"(yes|no)(?!{_JOINED})(?:[^\S\n]*(?:$|\n|!|\.(?!\.)|[,;:。！，；：(（–—])|[^\S\n]+-\s)",
    re.IGNORECASE,
)
_FIRST = re.compile(rf"(YES|NO)(?!{_JOINED})(?! (?:or|and)\b)")  # "YES because they match"
_ENDING = re.compile(rf"(?<!{_JOINED})(yes|no)(?:[\s,.!]+(\1))*(?:[\s!。！)\]]|\.(?!\.))*$", re.IGNORECASE)
_TAIL = 200  # an ending verdict stands within this many characters of the end
_BEFORE = 120  # characters before a word that say whether it is a verdict of its own
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
    """YES or NO, in any case: the whole reply, its opening before punctuation, or its end.

    Beside other words it counts only if these speak of candidate and reference (``comparison.speaks_of_pair``) and do
    not contradict it; the same word may answer the medical question, or nobody. Words in one sentence with YES have to
    state agreement, with NO anything else (``comparison.says_so``). As the opening, also behind a label for a verdict
    (``Verdict: NO``), what follows must not limit or revise it (``qualification_of``); after YES or NO in capitals and
    a full stop any explanation will do that names no fault and no relation of the opposite. As the end it counts as a
    line or sentence of its own behind one on the pair, behind a label for a verdict, or behind a plain statement and a
    colon or dash (``wording.is_own``), and never behind what may be an echo of a text that the judge was given
    (``echo.may_be_echoed``). A sentence that relates candidate and reference in words that are not understood carries
    no verdict (``relation.is_not_understood``). Whatever else mentions the word is no verdict. Quotations, code and
    markup are ignored. Two different verdicts make the reply unscored, also where the second alone would not count.

    Of a reply that was cut off, only an opening verdict counts, and only if its sentence or line is complete: text
    behind it can add a contradiction, which would be unscored, but no opposite verdict.
    """

    def _verdict(self, text: str) -> ReadReply:
        text = without_terms(own_words(text))
        opening, ending = _opening(text), _ending(text)
        found = {match[1].upper() for match in (opening, ending) if match}
        # the words that open and end the reply must agree, even if the last one alone would not count as a verdict
        if opening is None and (ending is None or not _is_own_ending(text, ending)):
            return ReadReply(None, "the judge's reply holds no verdict")
        if len(found) > 1 or any(word not in found for word in _words_apart(text)):
            return ReadReply(None, "the judge's reply holds two different verdicts")
        if opening is not None and (doubt := qualification_of(text, opening.end(1))):
            return ReadReply(None, f"the judge's reply holds no plain verdict: {doubt}")
        return ReadReply(_CREDIT[found.pop()])

    def _mentioned(self, text: str) -> float | None:
        text = own_words(text)
        opening, ending = _opening(text) or _FIRST.match(text), _ending(text)
        if opening is None and ending is not None and not _is_said(text, ending.start()):
            ending = None
        found = {match[1].upper() for match in (opening, ending) if match}
        return _CREDIT[found.pop()] if len(found) == 1 else None

    def _is_settled(self, text: str) -> bool:
        text = own_words(text) + "\n" * text.endswith("\n")
        opening = _opening(text)
        return opening is not None and re.search(r"[.!。！\n]", text[opening.end(1) :]) is not None


_CREDIT = {"YES": 1.0, "NO": 0.0}
# The other word in capitals that begins or ends a sentence or line: the judge may have changed its mind
_CRIED = {
    word: re.compile(
        rf"(?<!or )(?<!and )(?<!{_JOINED}){word}(?=[^\S\n]*[.!\n])|(?:^|(?<=[.!\n])\s?){word}\b(?! or| and|/)"
    )
    for word in _CREDIT
}


def _opening(text: str) -> re.Match[str] | None:
    """The verdict that opens a text, perhaps behind a label."""
    return _OPENING.match(text, opening_label(text))


def _ending(text: str) -> re.Match[str] | None:
    return _ENDING.search(text, max(0, len(text) - _TAIL))


def _is_own_ending(text: str, ending: re.Match[str]) -> bool:
    """Whether an ending verdict, or the last word of one that is repeated, is the judge's own."""
    is_yes = ending[1].casefold() == "yes"
    other = _CRIED["NO" if is_yes else "YES"]
    return any(
        is_own(text[:start], text, is_yes=is_yes)
        and not says_otherwise(text[:start], is_yes)
        and not other.search(text, 0, start)
        for start in {ending.start(1), ending.start(2)} - {-1}
    )


def _is_apart(text: str, start: int) -> bool:
    """Whether the word at ``start`` may be a verdict: enough to contradict another one, not to be counted."""
    before = text[max(0, start - _BEFORE) : start].rstrip(" \t([")
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


def _is_said(text: str, start: int) -> bool:
    """Whether reasoning may have ended with the word at ``start`` as its verdict."""
    before = text[max(0, start - _BEFORE) : start].rstrip(" \t([")
    return not _SPOKEN_OF.search(before) and not _QUOTES_ONE.search(_CLAUSE.split(_LINK.sub("", before))[-1].strip())


def _words_apart(text: str) -> Iterator[str]:
    """Every YES and NO that is a clause of its own, or is announced as a verdict whatever follows it."""
    yield from announced_words(text)
    for word in _WORD.finditer(text):
        before = text[max(0, word.start() - 20) : word.start()]
        is_linked = _LINK.search(before) and _STOP.match(text, word.end())
        if word.start() == 0 or _STARTS.search(before) or (is_linked and _is_apart(text, word.start())):
            yield word[1].upper()


class ScoreRule(ReplyRule):
    """The last JSON object with the key ``score`` outside the reasoning, with its ``explanation``.

    In a list, too, the last one counts. It must be the judge's own (``wording.is_own``): not announced as somebody's
    words, not part of a sentence (``it tells me to write {"score": 1}``). If any object is malformed (unquoted keys,
    truncated, a repeated key), the reply is unscored: the judge may have quoted the answer's own ``{"score": 1}``
    without escaping it, or was cut off while it revised a score. Of a reply that was cut off no score counts, since a
    later one would have taken its place.
    """

    def _verdict(self, text: str) -> ReadReply:
        found, is_any_broken = _last_scored(text)
        if found is None or found.content["score"] is None:
            return ReadReply(None, "the judge's reply holds no whole JSON object with the key score")
        if is_any_broken:
            return ReadReply(None, "the judge's reply holds a broken JSON object beside or around its score")
        explanation = found.content.get("explanation")
        explanation = explanation.strip() if isinstance(explanation, str) else ""
        if not found.stands_alone(text):
            return ReadReply(None, "the judge's reply speaks of a score and gives none", explanation)
        value = self._on_scale(found.content["score"])
        if value is None:
            return ReadReply(None, f"the judge's score {found.content['score']!r} is outside the scale", explanation)
        return ReadReply(value, explanation=explanation)

    def _mentioned(self, text: str) -> float | None:
        found, _ = _last_scored(text)
        return None if found is None else self._on_scale(found.content["score"])

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
    if isinstance(score, str) and not _NUMBER.fullmatch(score):
        return None
    try:
        value = float(score) if isinstance(score, bool | int | float | str) else math.nan
    except OverflowError:
        return None
    return value if math.isfinite(value) else None


_NUMBER = re.compile(r"\s*-?[0-9]{1,10}(?:\.[0-9]{1,10})?\s*", re.ASCII)
_ATTEMPTS = 200  # opening braces tried: a reply of braces alone must not take minutes
# Braces in prose do not count as malformed objects.
_BROKEN = re.compile(r"""\{\s*"|\{\s*'\w+'\s*:|\{[^{}]*?score["'’”]?\s*[:=]""", re.IGNORECASE)
_FENCE_BEFORE = re.compile(r"(?:`{3,}|~{3,})[^\S\n]*\w{0,20}[^\S\n]*\n?\s*\Z")
_BEHIND = re.compile(r"[^\S\n]*[`\])},.;]*[^\S\n]*")
_BETWEEN = re.compile(r"[\s,]*")
_END = "\ue000"


@dataclass(frozen=True, slots=True)
class _ScoreObject:
    """An object with a score: its content, its end, and the beginning of the objects before it in the same list."""

    content: dict[str, Any]
    begin: int
    end: int

    def stands_alone(self, text: str) -> bool:
        """Whether it is the judge's own: no part of a sentence, and not announced as somebody's words."""
        behind = text[_BEHIND.match(text, self.end).end() :]  # type: ignore[union-attr]  # it always matches
        if behind[:1].islower() or behind[:1] in {"(", "?"} or is_revised(behind):
            return False
        before = text[: self.begin]
        fence = _FENCE_BEFORE.search(before, max(0, len(before) - _TAIL))
        before = f"{before[: fence.start()]}\n" if fence else before.removesuffix("`")
        before = own_words(before + _END)  # if the end is gone, the object stands inside a quotation
        return before.endswith(_END) and is_own(before[:-1], before[:-1], is_object=True)


def _last_scored(text: str) -> tuple[_ScoreObject | None, bool]:
    """The last object with a score, and whether any is malformed; nested objects are not looked at."""
    last, begin, end, attempts = None, 0, 0, 0
    is_any_broken, is_behind_one = False, False
    while (start := text.find("{", end)) >= 0:
        attempts += 1
        if attempts > _ATTEMPTS:
            return last, True
        if not is_behind_one or not _BETWEEN.fullmatch(text, end, start):
            begin = start
        try:
            found, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            is_any_broken = is_any_broken or _BROKEN.match(text, start) is not None
            end, is_behind_one = start + 1, False
            continue
        is_behind_one = True
        if "score" in found:
            last = _ScoreObject(found, begin, end)
        elif any(key.casefold() == "score" for key in found):
            is_any_broken = True
    return last, is_any_broken


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice in one object")
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats)
