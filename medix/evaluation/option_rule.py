# ruff: noqa: RUF001 - typographic apostrophes
"""Which choice a free text names, decided without a judge; never a guess."""

import re
from collections.abc import Iterator, Sequence

from medix.judge.options import Options

VERSION = "option-2"
"""Of the rule; part of what a verdict by it depends on."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LONGEST = 20_000  # characters; longer texts are taken to name no single choice
_WINDOW = 400  # characters around a letter that may deny it or name another choice
_MOST_WORDS = 60  # in a longer text, the only choice that is mentioned may be one that is discussed
_EMPHASIS = re.compile(r"\*\*|__|[*_`$]|\\boxed\{|\\text\{|\}")
# "the answer is (B)", "Answer: B", "option B", "choose C"; the letter stands alone
_ANNOUNCED = re.compile(
    r"\b(?P<word>answers?|options?|choices?|choose|select|pick)\b(?P<link>(?:\s+(?:is|was|would be|should be|must be))?"
    r"(?:\s+(?:therefore|thus|clearly|most likely|probably|option|choice|letter))*\s*[:=]?\s*)"
    r"(?:\((?P<bracketed>[A-Za-z])\)|(?P<bare>[A-Z])(?![\w'’/-]))",
    re.IGNORECASE,
)
_BRACKETED = re.compile(r"\(([A-Z])\)")
_LABEL = re.compile(r"^\s*([A-Z])[.):]\s+(?=\S)", re.MULTILINE)
_ALONE = re.compile(r"\(?([A-Za-z])\)?[.:]?")
# an A that may be an article: "the answer is A fracture"
_ARTICLE = re.compile(r"[ \t]+(?!because\b|since\b|as\b|for\b|due\b|is\b|and\b)[a-z]")
_DENIED = re.compile(
    r"\b(?:not|no|never|cannot|incorrect|wrong|false|unlikely|less likely|exclude[sd]?|rules? out|ruled out|rather than"
    r"|instead of|unlike|except|neither|nor|or|without|versus|vs)\b|n['’]t\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[.!?;\n]|,|\b(?:because|since|which|as)\b")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"[^\W_]+")


def option_of(answer: str, choices: Sequence[str], question: str = "", *, is_cut: bool = False) -> int | None:
    """The index of the choice that an answer names; None if it names none, several, or one that is not clear.

    In this order: the answer as a whole is a letter, the text of a choice, or both; it announces one letter ("the
    answer is (B)", "option B"), and no other; it holds one letter in brackets, or as a label, and no other; it is short
    and mentions the text of one choice that the question does not mention. A letter counts only if no other choice's
    text follows it, and nothing counts in a clause that denies or compares.

    Args:
        answer: the text after any reasoning.
        choices: the choices, in the order of their letters.
        question: what was asked; choices listed at its end do not count.
        is_cut: whether the text was cut at the limit of tokens; then only an announced letter counts.
    """
    texts, question = dict(zip(_LETTERS, choices, strict=False)), question.partition("\n\nChoices:\n")[0]
    if len(choices) > len(_LETTERS) or not choices or len(answer) > _LONGEST:
        return None
    answer = _EMPHASIS.sub("", answer).strip()
    if not is_cut and (letter := _whole(answer, texts)) is not None:
        return _LETTERS.index(letter)
    announced = set(_announced(answer, texts))
    if not announced and not is_cut:
        announced = set(_bracketed(answer, texts))
        if not announced and not _BRACKETED.search(answer) and not _LABEL.search(answer):
            announced = set(_mentioned(answer, texts, question))
    letter = announced.pop() if len(announced) == 1 else ""
    return _LETTERS.index(letter) if letter else None


def is_no_option(answer: str, choices: Sequence[str]) -> bool:
    """Whether an answer is a single letter that no choice has, nor its text holds: a wrong answer, and a clear one."""
    match = _ALONE.fullmatch(_EMPHASIS.sub("", answer).strip())
    if match is None or len(choices) > len(_LETTERS):
        return False
    letter = match[1].upper()
    return _LETTERS.index(letter) >= len(choices) and not any(letter in _WORD.findall(text) for text in choices)


def _whole(answer: str, texts: dict[str, str]) -> str | None:
    """The letter that the whole answer stands for. Choices with the same words are told apart by letters alone."""
    words = [tuple(_words(text)) for text in texts.values()]
    if len(set(words)) == len(words):
        return Options(texts).letter_of(answer)
    match = _ALONE.fullmatch(answer) or _LABEL.match(answer)
    if match is None or match[1].upper() not in texts:
        return None
    letter, rest = match[1].upper(), answer[match.end() :]
    return letter if not rest or _words(rest) == _words(texts[letter]) else None


def _announced(answer: str, texts: dict[str, str]) -> Iterator[str]:
    """Letters that are announced as the answer; an empty one for each that is not clear."""
    for match in _ANNOUNCED.finditer(answer):
        letter = (match["bracketed"] or match["bare"]).upper()
        rest = answer[match.end() : match.end() + _WINDOW]
        if letter not in texts or (match["bare"] and not match["bare"].isupper()):
            continue
        if match["bare"] == "A" and _ARTICLE.match(rest) and not _follows(rest, texts["A"]):
            continue
        if match["word"].casefold() in ("options", "choices", "answers") or _is_denied(rest):
            yield from () if _is_denied(rest) else ("",)
            continue
        yield letter if _agrees(letter, rest, texts) else ""


def _bracketed(answer: str, texts: dict[str, str]) -> Iterator[str]:
    """Letters in brackets, or before the text of their choice; an empty one for each that is not clear."""
    for match in (*_BRACKETED.finditer(answer), *_LABEL.finditer(answer)):
        letter, rest = match[1], answer[match.end() : match.end() + _WINDOW]
        if letter in texts:
            is_label = match.re is _LABEL
            if is_label and not _follows(rest, texts[letter]):
                continue
            before = _CLAUSE.split(answer[max(0, match.start() - _WINDOW) : match.start()])[-1]
            is_clear = not _is_denied(rest) and not _DENIED.search(before) and _agrees(letter, rest, texts)
            yield letter if is_clear else ""


def _mentioned(answer: str, texts: dict[str, str], question: str) -> Iterator[str]:
    """Letters of the choices whose text is mentioned; an empty one for each mention that is not clear."""
    words, asked = _words(answer), _words(question)
    if len(words) > _MOST_WORDS:
        return
    for letter, text in texts.items():
        wanted = _words(text)
        if not _tells(wanted) or not _holds(words, wanted):
            continue
        inside = [other for other in texts.values() if other != text and _holds(_words(other), wanted)]
        if any(_holds(words, _words(other)) for other in inside):
            continue  # a part of a longer choice that is mentioned
        sentences = [one for one in _SENTENCE.split(answer) if _holds(_words(one), wanted)]
        is_clear = sentences and not any(map(_DENIED.search, sentences)) and not _holds(asked, wanted)
        yield letter if is_clear else ""


def _is_denied(rest: str) -> bool:
    """Whether the clause after a letter takes it back: "(A) is incorrect", "(C) ... are not detectable"."""
    return _DENIED.search(_CLAUSE.split(rest, maxsplit=1)[0]) is not None


def _agrees(letter: str, rest: str, texts: dict[str, str]) -> bool:
    """Whether no other choice's text follows the letter."""
    own = _words(texts[letter])
    others = [_words(text) for other, text in texts.items() if other != letter]
    begins = _words(rest)
    if own and begins[: len(own)] == own:
        return True
    return not any(other and _tells(other) and begins[: len(other)] == other for other in others)


def _follows(rest: str, text: str) -> bool:
    wanted = _words(text)
    return bool(wanted) and _words(rest)[: len(wanted)] == wanted


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _holds(words: Sequence[str], wanted: Sequence[str]) -> bool:
    size = len(wanted)
    return size > 0 and any(words[place : place + size] == wanted for place in range(len(words) - size + 1))


def _tells(words: Sequence[str]) -> bool:
    """Whether words are more than a number or a letter, which stand in any text."""
    return len(words) > 1 or any(len(word) > 2 and not word.isdecimal() for word in words)
