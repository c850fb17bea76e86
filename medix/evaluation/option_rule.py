"""Which choice a reply names, decided without a judge; never a guess.

Only the form of a whole reply is read: a choice, or reasoning that ends in a sentence such as "The answer is C". What
is said of a choice in other sentences has no end of forms, so that a list of them would always miss one that denies it
or takes it back: such replies are left to the judge.
"""

import re
from collections.abc import Mapping, Sequence

from medix.judge.options import LETTERS, STRESSED, Options, is_letter_and_text

VERSION = "option-27"
"""Of the rule; part of what a verdict by it depends on."""

_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # no more: NFKC makes "10²" "102"
_MARKUP = re.compile(r"^#{1,6} |</?(?:b|i|em|strong)>|\\[][()]", re.MULTILINE)
# with its own closing brace: those of a formula are a part of it
_SET = re.compile(r"\\(?:boxed|text(?:bf|it|rm)?|math(?:bf|rm))\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
# at the beginning, on a line of its own, or as a sentence; "i.e. option D" announces nothing
_ANNOUNCED = re.compile(
    r"(?:\A|(?<=\n)|(?<=[.!] )(?=(?-i:[A-Z])))[ \t]*"
    r"(?:(?:so|therefore|thus|hence|finally|overall|in (?:conclusion|summary)),?\s+)?"
    r"(?:(?:the|my|our)\s+)?(?:(?:final|best|correct|right|single|most (?:likely|appropriate|suitable))\s+){0,3}"
    r"answer(?:\s+is\b\s*:?|\s*:)\s*",
    re.IGNORECASE,
)
# "B is correct." alone; "B is right." may speak of a side
_STATED = re.compile(
    r"(\(?[A-Z]\)?)\s+is\s+(?:correct|the\s+(?:(?:correct|right)\s+)?(?:answer|option|choice))\s*[.!]?", re.IGNORECASE
)
# in front of an announcement: another answer, another question that the model goes on with, or a list of choices
_OTHER_ANSWER = re.compile(
    r"\?|\n\s*\n|\b(?:answer\w*|correct|questions?|examples?|problems?|exercises?)\b|^[^\w\n]*[A-Z0-9]{1,2}[.):]\s",
    re.IGNORECASE | re.MULTILINE,
)
_ENDED = re.compile(r"[.!]\Z")
# between characters that no word of English has; not the article
_LETTER = re.compile(r"(?<![A-Za-z0-9])(?!a\s+[a-z])[A-Za-z](?![A-Za-z0-9])")


def option_of(answer: str, choices: Sequence[str], *, is_cut: bool = False) -> int | None:
    """The index of the choice that a reply names; None if it names none, several, or one that is not clear.

    The reply is the letter of a choice, its text as it is written, or both, after which nothing follows; "The answer
    is" or the like may stand before it, and before that a paragraph that speaks of no choice. The letter of a choice
    whose text another one has too names neither, nor does a reply that is also the text of another choice.

    Args:
        answer: the text after any reasoning.
        choices: the choices, in the order of their letters.
        is_cut: whether the text was cut at the limit of tokens; then it is not clear how it goes on.
    """
    if is_cut or not choices or len(choices) > len(LETTERS):
        return None
    answer = _plain(answer)
    texts = dict(zip(LETTERS, (_plain(text) or text for text in choices), strict=False))
    if is_letter_and_text(answer, texts):
        return None
    before, said = _said(answer)
    letter = None if "\n" in said else Options(texts).letter_of(said)
    if letter is None:
        return None
    others = {_joined(text) for other, text in texts.items() if other != letter}
    if others & {_joined(texts[letter]), _joined(answer)}:
        return None
    return None if _speaks_of_choices(before, texts) else LETTERS.index(letter)


def _plain(text: str) -> str:
    """A text without stress, and with letters of full width as others type them."""
    text = _MARKUP.sub("", text.translate(_FULL_WIDTH))
    while (inner := _SET.sub(r"\1", text)) != text:
        text = inner
    return STRESSED.sub(r"\2", text).strip()


def _said(answer: str) -> tuple[str, str]:
    """What a reply says is its answer, after what stands before the last announcement; all of it if there is none."""
    if stated := _STATED.fullmatch(answer):
        return "", stated[1]
    announced = list(_ANNOUNCED.finditer(answer))
    if not announced:
        return "", answer
    before = answer[: announced[-1].start()].rstrip()
    is_reasoning = not before or (_ENDED.search(before) and not _OTHER_ANSWER.search(before))
    return (before, answer[announced[-1].end() :]) if is_reasoning else ("", answer)


def _speaks_of_choices(text: str, texts: Mapping[str, str]) -> bool:
    """Whether a text holds the letter or the words of a choice; what it says of that choice is not known."""
    if not text.isascii():
        return True  # a letter may be written in other characters
    joined = _joined(text)
    letters = {letter.upper() for letter in _LETTER.findall(text)}
    return not texts.keys().isdisjoint(letters) or any(_joined(choice) in joined for choice in texts.values())


def _joined(text: str) -> str:
    """A text in small letters without spaces, which not all scripts have, and without punctuation behind it."""
    return "".join(text.casefold().split()).rstrip(".,;:!")
