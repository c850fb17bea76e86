# ruff: noqa: RUF001 - typographic apostrophes and dashes
"""The choices that a text speaks of, by letter or by text, and does not dismiss.

Strict on purpose: a choice that is spoken of counts as a second answer unless the words right beside it dismiss it.
What is taken for a second answer costs a question to a judge, the reverse a wrong verdict.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from medix.evaluation.mention import DASHES, WORD, mentions, sign_after, words_of

_MOST_PLACES = 200  # a text that speaks of choices more often is a loop
_LETTER = re.compile(
    r"(?<![\w'’/-])(?:\((?P<bracketed>[A-Za-z])\)|(?P<bare>[A-Z])|(?<=[Oo]ption )(?P<named>[a-z]))(?![\w'’/-])"
)
# "A fracture", "I think": words, though "A is" and "A because" speak of a choice
_BEFORE_WORD = (
    r"(?-i:[ \t]+(?!(?:is|was|has|had|seems|appears|looks|fits|can|cannot|may|might"
    r"|could|would|should|must|will|does|nor|but|rather|instead|because|since|as|for|due|and|or|over|with)\b)[a-z])"
)
_WORD_AFTER = re.compile(_BEFORE_WORD)
# choices as "No" and "a" that name nothing before another word: "no gas", "a fracture"
_SHORT_WORDS = re.compile(r"a[mnst]?|b[ey]|do|go|he|i[fnst]?|m[ey]|no|o[fnr]|so|to|u[ps]|we")
_AT_START = re.compile(r"^[ \t]*\Z", re.MULTILINE)
_LABEL = re.compile(r"^[ \t]*([A-Z])[.):][ \t]+(?=\S)", re.MULTILINE)
_AT_END = re.compile(r"[ \t.]*$", re.MULTILINE)
_JOINED = re.compile(r"[\W_]*")  # between a letter and its text
_LISTED = re.compile(
    r"[ \t,]*(?:(?:and|or|nor|&)[ \t]+)?(?:(?:options?|choices?|the|an?)[ \t]+)*[\"“'‘(]*", re.IGNORECASE
)
_ALTERNATIVE = re.compile(
    r"[ \t,]*(?:or|nor)[ \t]+(?:(?:options?|choices?|the|an?|with|by)[ \t]+)*[\"“'‘(]*", re.IGNORECASE
)
# not "rule out" and "exclude", which name what is looked for, nor "over", which is a place
_DISMISSED_BEFORE = re.compile(
    r"(?<!\bor )\b(?:not|neither|nor|unlike|rather than|instead of|as opposed to|exclude[sd]|eliminate[sd]"
    r"|rule[sd][ -]out)[ \t]+(?:(?:options?|choices?|answers?|the|an?)[ \t]+)*[\"“'‘(]*\Z",
    re.IGNORECASE,
)
_WRONG = r"(?:incorrect|not correct|not right|wrong|false|unlikely|implausible|inappropriate|excluded|ruled[ -]out)"
_DISMISSED_AFTER = re.compile(
    r"[\"”'’)\]]*[ \t]*(?:"
    # "A: incorrect", "A (wrong)", "A, which is wrong"
    rf"[-–—:(,][ \t]*(?:(?:which|this)[ \t]+(?:is|was)[ \t]+)?(?:also[ \t]+)?{_WRONG}"
    r"(?=[ \t]*(?:[.,;:)\n]|$|because|since|as\b|for\b))"
    # "A is less likely", "A and B are not the answer"
    r"|(?:is|(?P<several>are|were)|was|would be|seems?|appears?)[ \t]+"
    r"(?:(?:also|therefore|thus|clearly|all|both|probably|most likely)[ \t]+)*"
    rf"(?:{_WRONG}|(?:much |far )?less (?:likely|probable)|not\s+(?:true|likely|plausible|appropriate|consistent"
    r"|the\s+(?:(?:best|correct|right|most likely|likely)\s+)*(?:answer|option|choice|diagnosis|cause)))"
    r"|(?:[-–—:,][ \t]*)?(?:does|did|would|could|can|(?P<do>do))[ \t]*not[ \t]+(?:fit|explain|match|apply|account))"
    r"\b(?![ \t]+to\b)",
    re.IGNORECASE,
)
# what is "wrong" may be the answer here
_ASKS_FOR_WRONG = re.compile(
    r"\b(?:not|no|nor|except\w*|but|false|incorrect\w*|wrong\w*|untrue|least|never|unlikely|less|exclu\w*"
    r"|contraindicat\w*|inappropriate|rul\w+ out|inconsistent|cannot|avoid\w*|discontinu\w*|stop\w*|odd"
    r"|spar(?:e[sd]?|ing)|lack\w*|absen\w*|rare\w*|without|unaffected|unchanged|harm\w*|worst|mismatch\w*|unrelated)\b|n['’]t\b",
    re.IGNORECASE,
)
_ASKS = re.compile(r"\b(?:which|what|who|whom|where|when|how|following|all|true|statements?|options?|choices?)\b", re.I)
_SHORT_QUESTION = 250  # characters; a longer one tells a case, in which "no fever" asks for nothing wrong
_DENIES = re.compile(
    r"\b(?:not|no|never|nobody|nothing|none|few|hardly|rarely|cannot|untrue|false|wrong|doubt\w*|deny|denies)\b|n['’]t\b",
    re.IGNORECASE,
)
_LIMITS = re.compile(r"\?|\b(?:only|if|unless|but|except|when|however|though|although|yet)\b", re.IGNORECASE)
_REASON = re.compile(r"\b(?:because|since|as|due)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?;]+(?=\s|$)|\n+")
_REST = re.compile(r"[ \t).:,–—-]*")  # between a letter and what follows it
_TELLS = re.compile(r"\w{4,}|\w*\d\w*|x*(?:ix|iv|v?i{2,3}|vi|v)")  # a word that few other sentences have
_PLAIN = ("with", "that", "this", "than", "from", "have", "does", "will", "which", "choice", "option", "answer")
_OF_SEVERAL = re.compile(r"\b(?:all|both|none)\b", re.IGNORECASE)
_WINDOW = 400  # characters around a place that may dismiss it
BLANK = "\u01c1"
"""A letter that stands for the text of a choice, so that the words around it do not join."""


class Place(NamedTuple):
    """Where a text speaks of a choice.

    Attributes:
        start: of its letter, or of the first word of its text.
        end: of its letter, of its last word, or of the sign that belongs to it.
        letters: of the choices that are meant: several if they have the same text; none if it is not clear which, as
            with "calcium" where the choices are "↑ calcium" and "↓ calcium".
    """

    start: int
    end: int
    letters: str


@dataclass(frozen=True, slots=True)
class SpokenChoices:
    """Where an answer speaks of choices: by a letter that stands alone, by the text of a choice, or by both.

    Attributes:
        texts: places of the choices' texts alone, each once, in order.
        kept: places that the answer does not dismiss.
        dismissed: those that it does, as "not A", "A is incorrect" and "A, B and C are wrong" do.
    """

    texts: tuple[Place, ...]
    kept: tuple[Place, ...]
    dismissed: tuple[Place, ...]

    @classmethod
    def of(cls, answer: str, texts: Mapping[str, str], question: str = "") -> "SpokenChoices | None":
        """Of an answer to a question with some choices by letter; None if it speaks of choices too often.

        Nothing is dismissed where the question asks for what is wrong ("Which is false?", "All are true except").
        """
        of_texts = _of_texts(answer, texts)
        of_letters = list(islice(letters_alone(answer, "".join(texts), of_texts), _MOST_PLACES))
        if max(len(of_texts), len(of_letters)) >= _MOST_PLACES:
            return None
        places = _merged(answer, of_texts, of_letters)
        dismissed = set() if _asks_for_wrong(question) else _dismissed(blanked(answer, of_texts), places)
        return cls(tuple(of_texts), tuple(one for one in places if one not in dismissed), tuple(sorted(dismissed)))

    @property
    def twice(self) -> Iterator[Place]:
        """Of those kept, places of a letter and the text of its choice beside each other."""
        for place in self.kept:
            has_text = any(place.start <= text.start and text.end <= place.end for text in self.texts)
            if has_text and len(place.letters) == 1 and place[:2] not in {text[:2] for text in self.texts}:
                yield place

    def only(self, letter: str) -> bool:
        """Whether all that is not dismissed may be one choice, which is dismissed nowhere."""
        is_only = all(letter in place.letters for place in self.kept)
        return is_only and not any(place.letters == letter for place in self.dismissed)

    def mixes(self, answer: str, texts: Mapping[str, str], letter: str) -> bool:
        """Whether what names a choice goes on with words of another: "surgery and radiotherapy".

        After a letter the rest of its sentence counts, beside a text the whole of it, and where no letter is named all
        that is said: "C. Difficile" may be no choice C. What is dismissed does not count.
        """
        own = {*words_of(texts[letter]), *_PLAIN}
        others = {word for text in texts.values() for word in words_of(text) if _TELLS.fullmatch(word)} - own
        if any(map(_OF_SEVERAL.search, texts.values())):
            others |= {"others", "both"} - own
        hidden = blanked(answer, self.dismissed)
        if set(self.kept) <= set(self.texts):
            return not others.isdisjoint(words_of(hidden))
        for place in self.kept:
            rest = _REST.match(hidden, place.end)
            said = _sentence_after(hidden, rest.end() if rest else place.end)
            if place in self.texts:
                said = f"{_sentence_before(hidden, place.start)} {said}"
            if others & set(words_of(said)):
                return True
        return False


def letters_alone(text: str, letters: str, places: Sequence[Place] = ()) -> Iterator[Place]:
    """Where one of some letters stands alone in a text, outside some places, and is no word, as in "A fracture"."""
    hidden = blanked(text, places)
    begins = {place.start: place.end for place in places}
    for match in _LETTER.finditer(hidden):
        letter = match[match.lastgroup or 0].upper()
        is_word = (
            match["bracketed"] is None and letter in ("A", "I") and _WORD_AFTER.match(text, match.end()) is not None
        )
        if is_word and _AT_START.search(text, 0, match.start()) and (end := begins.get(match.end() + 1)):
            is_word = _AT_END.match(text, end) is None  # "A p16" is a letter and a text, "A liver is seen" is not
        if letter in letters and not is_word:
            yield Place(*match.span(), letter)


def blanked(text: str, places: Sequence[Place]) -> str:
    """A text with a character that is no word in place of the choices' texts of more than one character."""
    own = {at for start, end, _ in places if end > start + 1 for at in range(start, end)}
    return "".join(BLANK if at in own else char for at, char in enumerate(text))


def _of_texts(answer: str, texts: Mapping[str, str]) -> list[Place]:
    """Where the choices' texts stand, each once: a part of a longer one that stands there is left out.

    Choices with the same words are told apart by their signs; without them, it is not clear which is meant.
    """
    found: dict[tuple[int, int], str] = {}
    for letter, text in texts.items():
        for match in islice(_naming(text).finditer(answer), _MOST_PLACES):
            found[match.span()] = found.get(match.span(), "") + letter
    alike = {letter for letters in found.values() if len(letters) > 1 for letter in letters}
    written = {letter: {at for span in mentions(texts[letter], answer) for at in range(*span)} for letter in alike}
    places: list[Place] = []
    for (start, end), letters in sorted(found.items(), key=lambda item: (item[0][0], -item[0][1])):
        if not places or end > places[-1].end:
            exact = "".join(letter for letter in letters if start in written[letter]) if len(letters) > 1 else letters
            places.append(Place(start, end, exact))
    return places


def _merged(answer: str, of_texts: Sequence[Place], of_letters: Sequence[Place]) -> list[Place]:
    """All places in order; a letter and the text of its choice beside each other are one."""
    letters_only = {place.end - 2 for place in of_letters if place.end > place.start + 1}  # "(B)" is no text "B"
    found = list(_LABEL.finditer(blanked(answer, of_texts)))  # not the "E" of "E. coli", which is a choice
    labels = {match.end(): match[1] for match in found}
    letters_only |= {match.start(1) for match in found}
    texts = [place for place in of_texts if place.start not in letters_only]
    texts_only = {place.start for place in texts if labels.get(place.start, "-") in place.letters}  # "B. A"
    letters = [place for place in of_letters if place.start not in texts_only]
    merged: list[Place] = []
    for place in sorted([*texts, *letters]):
        last = merged[-1] if merged else Place(0, 0, "")
        common = "".join(letter for letter in place.letters if letter in last.letters)
        if place[:2] == last[:2]:  # a letter that may be the text of another choice
            merged[-1] = last._replace(letters=common)
        elif common and _JOINED.fullmatch(answer, last.end, place.start):
            merged[-1] = Place(last.start, place.end, common)
        else:
            merged.append(place)
    return merged


def _asks_for_wrong(question: str) -> bool:
    """Whether a question may ask for what is wrong; of a long one, which tells a case, the sentences that ask count."""
    asking = [part for part in _SENTENCE_END.split(question) if _ASKS.search(part)]
    parts = asking if asking and len(question) > _SHORT_QUESTION else [question]
    return any(map(_ASKS_FOR_WRONG.search, parts))


def _dismissed(answer: str, places: Sequence[Place]) -> set[Place]:
    """Those places that the words right beside them dismiss, alone or, with "are", in a list."""
    found: set[Place] = set()
    for before, place in zip([None, *places], places, strict=False):
        lead = _DISMISSED_BEFORE.search(answer, max(0, place.start - _WINDOW), place.start)
        is_next = before is not None and before in found and _ALTERNATIVE.fullmatch(answer, before.end, place.start)
        is_asked = "?" in _sentence_after(answer, place.end)
        if not is_asked and (is_next or (lead and not _DENIES.search(_sentence_before(answer, lead.start())))):
            found.add(place)
    for index, place in enumerate(places):
        said = _DISMISSED_AFTER.match(answer, place.end)
        if said is None or _LIMITS.search(_REASON.split(_sentence_after(answer, said.end()))[0]):
            continue
        listed = [place]
        for other in reversed(places[:index] if said["several"] or said["do"] else []):
            if not _LISTED.fullmatch(answer, other.end, listed[-1].start):
                break
            listed.append(other)
        if not _DENIES.search(_sentence_before(answer, listed[-1].start)):
            found.update(listed)
    return found


def _sentence_before(text: str, start: int) -> str:
    return _SENTENCE_END.split(text[max(0, start - _WINDOW) : start])[-1]


def _sentence_after(text: str, end: int) -> str:
    """With its end, which may be a question mark."""
    after = text[end : end + _WINDOW]
    stop = _SENTENCE_END.search(after)
    return after if stop is None else after[: stop.end()]


@lru_cache(maxsize=4096)
def pattern_of(text: str, before: str = "", after: str = "") -> re.Pattern[str]:
    """Of the words of a choice between two patterns; also within a longer number, which speaks against other choices.

    A choice without words is looked for as it is written. What a choice is named by has to be looked for with
    ``mentions`` and ``end_of``.
    """
    words = r"[\W_]+".join(map(re.escape, WORD.findall(text)))  # as they are written: "ß" is not found as "ss"
    if words:
        return re.compile(rf"{before}(?<![^\W_]){words}(?![^\W_]){after}", re.IGNORECASE)
    signs = r"\s*".join(f"[{DASHES}]" if sign in DASHES else re.escape(sign) for sign in text if not sign.isspace())
    return re.compile(rf"{before}(?<![^\s(\[\"“'‘]){signs or '(?!)'}(?![^\s)\].,;:!?\"”'’]){after}")


def _naming(text: str) -> re.Pattern[str]:
    """Of a choice where it may be named: its words and the sign after them; no short words of English before others."""
    sign = sign_after(text) if words_of(text) else ""
    signed = rf"(?:[^\S\n]*[(\[]?{re.escape(sign)}[)\]]?)?" if sign else ""
    is_word = _SHORT_WORDS.fullmatch(" ".join(words_of(text))) is not None
    return pattern_of(text, after=signed + (rf"(?!{_BEFORE_WORD})" if is_word else ""))
