# ruff: noqa: RUF001 - typographic apostrophes and dashes
"""Which choice a free text names, decided without a judge; never a guess."""

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from medix.evaluation.claim import Claims
from medix.evaluation.mention import end_of, goes_on_with_number, has_number, mentions, words_of
from medix.evaluation.spoken_choices import SpokenChoices, letters_alone, pattern_of
from medix.judge.options import Options, is_letter_and_text

VERSION = "option-21"
"""Of the rule; part of what a verdict by it depends on."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LONGEST = 20_000  # characters; longer texts are taken to name no single choice
_MOST_PLACES = 50  # a text that names a choice more often is a loop
_MOST_WORDS = 60  # in a longer text, the only choice that is mentioned may be one that is discussed
# not within a number, as in "2*5" and "10^{5}"
_EMPHASIS = re.compile(
    r"^#+ |</?(?:b|i|em|strong)>|(?<![*_`$])(?:(?<!\d)[*_`$]+|[*_`$]++(?!\d))"
    r"|\\(?:boxed|text(?:bf|it|rm)?|math(?:bf|rm))\{|\\[][()]|\}",
    re.MULTILINE,
)
# "the answer is (B)", "Answer: B", "option B", "choose C"; the letter stands alone
_ANNOUNCED = re.compile(
    r"\b(?P<word>answers?|ans|options?|choices?|choose|select|pick)\b"
    r"(?P<link>(?:\s+(?:is|was|would be|should be|must be))?"
    r"(?:\s+(?:therefore|thus|clearly|most likely|probably|option|choice|letter))*\s*[\"”]?\s*[:=–-]?\s*)"
    r"(?:[(\[](?P<bracketed>[A-Za-z])[)\]]|[\"“]?(?P<bare>[A-Z])(?![\w'’/-]))",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\(([A-Z])\)|^[ \t]*([A-Z])[.:]?[ \t]*$", re.MULTILINE)  # or alone on a line
_LABEL = re.compile(r"^\s*([A-Z])[.):]\s+(?=\S)", re.MULTILINE)
# the whole answer: "B is correct."; "B is right." may speak of a side
_STATED = re.compile(
    r"(\(?[A-Z]\)?)\s+is\s+(?:correct|the\s+(?:(?:correct|right)\s+)?(?:answer|option|choice))\s*[.!]?", re.IGNORECASE
)
_ALONE = re.compile(r"\(?([A-Za-z])\)?[.:]?")
# what may follow a letter that is announced: else it may be a word, as in "vitamin", "B cells", "B. Fragilis"
_GOES_ON = re.compile(
    r"\s*$|\s*\n|\)?[,;:!?\"”]|\s+[-–—(]"
    r"|\)?\.(?:\s+(?![a-z]|(?<=[A-Z]\.\s)[A-Z][a-z]{3,}[\W_]*(?:\n|$))|\s+(?:it|this|the|that|because|since|as|not|which|so|but|no)\b|$)"
    r"|\s+(?:because|since|as|for|due|and|or|over|given|based|according|in this|not|rather|but|if)\b"
    r"|\s+(?:is|would be|must be)\s+(?:(?:therefore|thus|clearly|the|most|only|single|probably)\s+)*"
    r"(?:correct|right|best|answer|true|likely|appropriate|accurate|consistent|one|not|incorrect|wrong)\b"
)
_SPOKEN_OF = frozenset({"option", "choice"})
_PLURAL = frozenset({"answers", "options", "choices"})
_GAP = r"[\W_]*"
_LETTER_BEFORE = re.compile(r"(?<![\w'’/.-])[A-Z]\s*\Z")
_ARTICLE = rf"{_GAP}(?:(?:an?|the)\b{_GAP})?"
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+(?!\s)[^.!?\n]+)*[.!?]*")


def option_of(answer: str, choices: Sequence[str], question: str = "", *, is_cut: bool = False) -> int | None:
    """The index of the choice that an answer names; None if it names none, several, or one that is not clear.

    In this order: the answer as a whole is a letter ("B", "B is correct."), the text of a choice, or both; it
    announces one letter ("the answer is (B)", "it is option B"); it holds one letter in brackets, or as a label; it
    is short and announces the text of one choice, or says nothing else, and the question does not mention it. Nothing
    counts that is denied, doubted, under a condition or taken back (``medix.evaluation.claim``). And nothing counts
    where the answer speaks of another choice too, by its letter or its text, wherever that stands, unless the words
    beside it dismiss it ("C. The others, A and B, are wrong", ``medix.evaluation.spoken_choices``), or where the
    sentence (without a letter all that is said) goes on with words of another choice ("surgery and radiotherapy" of
    "Surgery" and "Surgery + radiotherapy"): which is meant is left to a judge.

    Args:
        answer: the text after any reasoning.
        choices: the choices, in the order of their letters.
        question: what was asked; choices listed at its end do not count.
        is_cut: whether the text was cut at the limit of tokens; then only a letter that is announced as
            the answer counts.
    """
    question = question.partition("\n\nChoices:\n")[0]
    if len(choices) > len(_LETTERS) or not choices or len(answer) > _LONGEST:
        return None
    answer = _EMPHASIS.sub("", answer).strip()
    texts = {letter: _EMPHASIS.sub("", text) or text for letter, text in zip(_LETTERS, choices, strict=False)}
    announced = _ANNOUNCED.search(answer)  # "the answer is (B)" means the letter
    if is_letter_and_text(answer, texts) and not (announced and announced["bracketed"]):
        return None
    spoken = SpokenChoices.of(answer, texts, question)
    if spoken is None:
        return None
    claims = Claims(answer, spoken.texts)
    letter = None if is_cut else _whole(answer, texts)
    if letter is None and not is_cut:
        letter = _one(_named_twice(claims, texts, spoken))
    if letter is None:
        letter = _one(_announced(claims, texts, spoken, is_cut=is_cut))
    if letter is None and not is_cut:
        letter = _one(_bracketed(claims, texts))
        if letter is None and not _BRACKETED.search(answer) and not _LABEL.search(answer):
            letter = _one(_mentioned(claims, texts, question))
    is_one = letter and spoken.only(letter) and not spoken.mixes(answer, texts, letter)
    return _LETTERS.index(letter) if letter and is_one else None


def is_no_option(answer: str, choices: Sequence[str]) -> bool:
    """Whether an answer is a single letter that no choice has: a wrong answer, and a clear one.

    Not where it is a word of a choice, or its initial: "K" of "vitamin K", "Y" of "yes".
    """
    match = _ALONE.fullmatch(_EMPHASIS.sub("", answer).strip())
    if match is None or len(choices) > len(_LETTERS):
        return False
    letter = match[1].casefold()
    words = [words_of(text) for text in choices]
    is_meant = any(letter in own or "".join(own[:1]).startswith(letter) for own in words)
    return _LETTERS.index(letter.upper()) >= len(choices) and not is_meant


def _whole(answer: str, texts: dict[str, str]) -> str | None:
    """The letter that the whole answer stands for. Choices with the same words are told apart by letters alone."""
    if stated := _STATED.fullmatch(answer):
        answer = stated[1]
    words = [tuple(words_of(text)) for text in texts.values()]
    if len(set(words)) == len(words):
        return Options(texts).letter_of(answer)
    match = _ALONE.fullmatch(answer) or _LABEL.match(answer)
    if match is None or match[1].upper() not in texts:
        return None
    letter, rest = match[1].upper(), answer[match.end() :]
    end = end_of(texts[letter], rest, 0, _GAP)
    return letter if not rest or (end is not None and not words_of(rest[end:])) else None


def _one(letters: Iterator[str]) -> str | None:
    """The letter that all are; empty if they differ, are many, or one is not clear; None without any."""
    found = list(islice(letters, _MOST_PLACES + 1))
    if not found:
        return None
    return found[0] if len(found) <= _MOST_PLACES and len(set(found)) == 1 else ""


def _named_twice(claims: Claims, texts: dict[str, str], spoken: SpokenChoices) -> Iterator[str]:
    """Letters of choices that are said to be the answer by letter and text, in either order: "The liver (B)"."""
    for place in spoken.twice:
        written = mentions(texts[place.letters], claims.text)
        if claims.is_stated(*place[:2]) and any(place.start <= start and end <= place.end for start, end in written):
            yield place.letters


def _announced(claims: Claims, texts: dict[str, str], spoken: SpokenChoices, *, is_cut: bool) -> Iterator[str]:
    """Letters that are announced as the answer; an empty one for each that is not clear."""
    answer = claims.text
    dismissed = {at for place in spoken.dismissed for at in range(*place[:2])}
    for match in _ANNOUNCED.finditer(answer):
        letter, word = (match["bracketed"] or match["bare"]).upper(), match["word"].casefold()
        if letter not in texts or (match["bare"] and not match["bare"].isupper()) or match.end() - 1 in dismissed:
            continue
        end = end_of(texts[letter], answer, match.end(), _ARTICLE)
        found = claims.standing(match.start(), end or match.end())
        if found == "denied":
            continue
        is_letter = end is not None or _GOES_ON.match(answer, match.end()) is not None
        begins = match.start("bare")
        longer = (pattern_of(text).match(answer, begins) for text in texts.values()) if match["bare"] else ()
        is_first_word = any(found and found.end() > match.end() for found in longer)
        if not is_letter and is_first_word:
            continue
        is_answer = word not in _PLURAL and not (is_cut and word in _SPOKEN_OF) and claims.is_announced(match.start())
        is_other = match["bare"] and end is None and (is_first_word or _is_word(letter, texts))
        is_clear = is_answer and is_letter and not is_other and found == "claimed"
        yield letter if is_clear and _is_own(letter, texts, answer, match.end()) else ""


def _bracketed(claims: Claims, texts: dict[str, str]) -> Iterator[str]:
    """Letters in brackets, or before the text of their choice; an empty one for each that is not clear."""
    answer = claims.text
    for match in (*_BRACKETED.finditer(answer), *_LABEL.finditer(answer)):
        letter = match[match.lastindex or 0]
        is_label = match.re is _LABEL
        before = _LETTER_BEFORE.search(answer, 0, match.start()) if match[1] and not is_label else None
        if (before and before[0].strip() != letter) or (letter not in texts and not match[1]):
            yield ""  # the second of two letters, as in "A (C)"
        end = end_of(texts[letter], answer, match.end(), _GAP if is_label else _ARTICLE) if letter in texts else None
        if letter in texts and (not is_label or pattern_of(texts[letter], _GAP).match(answer, match.end())):
            place = match.start(), end or match.end()
            found = claims.standing(*place)
            if found == "denied":
                continue
            is_other = not is_label and match[1] is None and _is_word(letter, texts)
            is_clear = found == "claimed" and claims.is_said(*place) and not is_other
            yield letter if is_clear and _is_own(letter, texts, answer, match.end()) else ""


def _mentioned(claims: Claims, texts: dict[str, str], question: str) -> Iterator[str]:
    """Letters of the choices whose text is mentioned; an empty one for each that is not said to be the answer."""
    answer = claims.text
    words, asked = words_of(answer), words_of(question)
    if len(words) > _MOST_WORDS:
        return
    for letter, text in texts.items():
        named = [place for place in claims.places if letter in place.letters]
        if not named:
            continue  # or only as a part of a longer choice that is mentioned
        wanted = words_of(text)
        own, places = pattern_of(text), mentions(text, answer)
        sentences = [match for match in _SENTENCE.finditer(answer) if _holds(words_of(match[0]), wanted)]
        is_clear = any(claims.is_answer(*place) for place in places)
        is_clear = is_clear and all(claims.is_statement(own.sub("", match[0]), match.end()) for match in sentences)
        is_clear = is_clear and len(places) == len(own.findall(answer))  # and none is a part of another number
        yield letter if is_clear and not _holds(asked, wanted) else ""


def _is_own(letter: str, texts: dict[str, str], answer: str, end: int) -> bool:
    """Whether what follows a letter may be the text of its choice: not another number than that of the text."""
    if end_of(texts[letter], answer, end, _ARTICLE) is not None or not words_of(texts[letter]):
        return True
    is_other_number = has_number(texts[letter]) and goes_on_with_number(answer, end)
    return not is_other_number and pattern_of(texts[letter], _ARTICLE).match(answer, end) is None


def _is_word(letter: str, texts: dict[str, str]) -> bool:
    """Whether the letter may stand for another choice: "the answer is D" for vitamin D, which is choice A."""
    return any(any(letters_alone(text, letter)) for other, text in texts.items() if other != letter)


def _holds(words: Sequence[str], wanted: Sequence[str]) -> bool:
    size = len(wanted)
    return size > 0 and any(words[place : place + size] == wanted for place in range(len(words) - size + 1))
