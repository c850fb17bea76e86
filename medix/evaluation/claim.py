# ruff: noqa: RUF001 - typographic apostrophes
"""Whether a text claims a choice that it names, or denies, doubts, or takes it back.

Decided by words around the place, and strict on purpose: a claim that is taken for a doubtful one costs a question to a
judge, the reverse a wrong verdict.
"""

import re
from typing import Literal

Standing = Literal["claimed", "denied", "unclear"]

_WINDOW = 400  # characters around a place that may say something of it
_NEGATED = (
    r"\b(?:not|no|never|cannot|incorrect|wrong|false|unlikely|less likely|exclude[sd]?|rul(?:es?|ed)[\s-]+out"
    r"|rather than|instead of|unlike|without|neither|nor)\b|n['’]t\b"
)
_COMPARED = rf"{_NEGATED}|\b(?:except|or|versus|vs)\b"
_DENIED = re.compile(_COMPARED, re.IGNORECASE)
_EXCLUDED = re.compile(rf"{_NEGATED}|\bover\b", re.IGNORECASE)
# a condition, a guess, or what somebody thought before
_DOUBTED = (
    r"\b(?:if|unless|otherwise|could|might|may|maybe|perhaps|possibly|suppos\w+|assum\w+|doubt\w*|either|unsure"
    r"|uncertain|torn|at first|first guess\w*|initial\w*|thought|least|tempt\w+"
    r"|(?:hard|difficult) to (?:say|tell|choose|decide|know|determine|select|pick))\b|\b(?:hard|difficult) to\s*$"
)
_CONTRASTED = r"\b(?:but|however|although|though|yet|whereas)\b"
_DOUBT = re.compile(_DOUBTED, re.IGNORECASE)
_DOUBT_OR_CONTRAST = re.compile(rf"{_DOUBTED}|{_CONTRASTED}", re.IGNORECASE)
_NO_STATEMENT = re.compile(
    rf"{_COMPARED}|{_DOUBTED}|{_CONTRASTED}"
    r"|\b(?:would|should|improbable|hardly|questionable|less|better|differential)\b",
    re.IGNORECASE,
)
_TURN = re.compile(
    r"\W*(?:but|however|or|unless|otherwise|hmm+|yet|though|although|nevertheless|still|hardly|rather|instead"
    r"|then again|even so|not|never|no(?=\s*[,.!?:;–—-]|\s*$))\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"\b(?:wait|actually|correction|corrected|on reflection|second thoughts?|reconsider\w*|sorry|i mean|mistake"
    r"|scratch that|i was wrong)\b",
    re.IGNORECASE,
)
_CONNECTED = r"[.!?;:\n]|\b(?:because|since|as|so|therefore|thus|hence)\b"
_CLAUSE = re.compile(rf"{_CONNECTED}|,|\bwhich\b")
_NEXT_CLAUSE = re.compile(rf"{_CONNECTED}|\(|,(?!\s*(?:which|that)\b)")  # "A, which is wrong" is one
_END = re.compile(r"[.!?;\n]+(?=\s|$)")
_ALONE = re.compile(r"(?<![\w'’/-])([A-Z])(?![\w'’/-])")
# "A fracture", "I think": words, though "A is" and "A because" speak of a choice
_WORD = re.compile(r"[ \t]+(?!(?:is|was|because|since|as|for|due|and|or|over|with|would|fits)\b)[a-z]")


class Claims:
    """What a text says of the choices that it names.

    Args:
        text: the answer.
        letters: of all choices.
    """

    def __init__(self, text: str, letters: str) -> None:
        self.text = text
        self._taken_back = max((match.start() for match in _TAKEN_BACK.finditer(text)), default=-1)
        self._last = {match[1]: match.start() for match in _ALONE.finditer(text) if self._is_named(match, letters)}

    def standing(self, start: int, end: int) -> Standing:
        """Whether the text claims what it names from ``start`` to ``end``.

        ``denied`` if a word of its clause denies or compares. ``unclear`` if its sentence asks, sets a condition or
        holds a contrast after it, if the next sentence turns against it, or if a later one takes something back.
        """
        before, after = self._before(start), self.text[end : end + _WINDOW]
        if _DENIED.search(_CLAUSE.split(before)[-1]) or _DENIED.search(_NEXT_CLAUSE.split(after, maxsplit=1)[0]):
            return "denied"
        stop = _END.search(after)
        sentence = after if stop is None else after[: stop.end()]
        is_weak = "?" in sentence or _DOUBT.search(before) or _DOUBT_OR_CONTRAST.search(sentence)
        return "unclear" if is_weak or self._turns(end + len(sentence)) else "claimed"

    def is_statement(self, start: int, end: int) -> bool:
        """Whether the sentence from ``start`` to ``end`` states what it holds, wherever in it that stands."""
        sentence = self.text[start:end]
        return "?" not in sentence and not _NO_STATEMENT.search(sentence) and not self._turns(end)

    def names_another(self, start: int, own: str) -> bool:
        """Whether the letter of another choice than ``own`` stands alone from ``start`` on, and is not excluded."""
        return any(place >= start for letter, place in self._last.items() if letter != own)

    def _is_named(self, match: re.Match[str], letters: str) -> bool:
        if match[1] not in letters or (match[1] in "AI" and _WORD.match(self.text, match.end())):
            return False
        after = self.text[match.end() : match.end() + _WINDOW].lstrip(").: ")
        clauses = _CLAUSE.split(self._before(match.start()))[-1], _CLAUSE.split(after, maxsplit=1)[0]
        return not any(map(_EXCLUDED.search, clauses))

    def _before(self, start: int) -> str:
        """The part of the sentence before a place."""
        return _END.split(self.text[max(0, start - _WINDOW) : start])[-1]

    def _turns(self, end: int) -> bool:
        """Whether what follows a sentence turns against it."""
        return self._taken_back >= end or _TURN.match(self.text, end) is not None
