"""Choices of a question, and the letters and texts that name them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import unescape
from typing import Any
from unicodedata import normalize

from medix.data.sources.class_label import Label
from medix.data.sources.written_value import written_out
from medix.judge.options import LETTERS, choice_letter, letter_and_text, lone_letter, without_emphasis

_LETTER = "[A-Za-z\uff21-\uff3a\uff41-\uff5a]"
_LABELLED = re.compile(
    rf"(?:[(\uff08]({_LETTER})[)\uff09]|({_LETTER})[:.)\uff0e\u3001\u3002\uff1a\uff09])(.*)", re.DOTALL
)
"""A letter with its mark, also of full width, that is taken off an answer or a choice."""
_SPOKEN = frozenset(f"{word}{plural}" for word in ("option", "choice", "answer") for plural in ("", "s"))
_JOINT = "[-.,:/^*~\u00b1\u00d7]"
"""Makes one number, range, ratio or fraction of digits on both sides of it: "1.5", "2-3", "2/4"."""
_WORDS = rf"(?:{'|'.join(sorted(_SPOKEN))})[\W_]+"
_IS_MARKED = r"(?=[0-9]+\s*(?:[^\w\s%\u00b0(+-]|-\W))"
_LETTER_FIRST, _NUMBER_FIRST = (
    re.compile(
        rf"[\W_]*(?:{before})({label})(?![^\W_])(?!\s*(?:[,&/+]\W*|and\s+|or\s+){label}(?![^\W_]))"
        r"([\W_]*\s|[\W_]+(?=[^\W_]))(\S.*)",
        re.IGNORECASE | re.DOTALL,
    )
    for before, label in (
        (rf"{_WORDS}|[0-9]{{1,2}}[\W_]+|", "[a-z]"),
        (rf"{_WORDS}|{_IS_MARKED}", rf"(?![0-9]+(?:{_JOINT}|\s+{_JOINT}\s*)[0-9])[0-9]{{1,2}}"),
    )
)
"""The label that a choice begins with, the marks behind it, and its text; none are "A and B", "2 weeks" and "2-4"."""
_ANY_LETTER, _ANY_NUMBER = (
    re.compile(rf"(?<![A-Za-z0-9\u00b0]){label}(?![A-Za-z0-9])([\W_]{{0,40}})")
    for label in ("([A-Za-z])", rf"(?<![0-9]{_JOINT})([0-9]{{1,2}})(?!{_JOINT}[0-9])")
)
"""A label, with whatever marks stand behind it."""
_WORD_BEFORE = re.compile(r"([^\W_]+)[ #]*\Z")
_LINE_TAG, _STRESS_TAG, _TAG = (
    re.compile(rf"</?(?:{names})(?:\s[^<>\n]*)?/?>")
    for names in ("br|p|div|[ou]l|li|tr|option|table", "b|i|u|em|strong|code", "span|su[bp]|t[dh]|label")
)
_STRESSED = re.compile(r"[*_`]{1,9}([A-Za-z]|[1-9][0-9]?)[*_`]{1,9}(?=\s)")
_ONLY_MARKS = re.compile(r"[\W_]*(?:[0-9]{1,2}[.)][\W_]*)?")
"""Before the label of a line, which may have a number, too: ``1. A``."""
_ESCAPED = re.compile(r"(?:\\[nrt](?!(?:(?<=n)[eiu]|(?<=t)o)[\s$\\{}0-9]))+")
"""Line breaks and tabs that an export has written as two characters each; not "\\ne", "\\ni", "\\nu" and "\\to".

Other commands of LaTeX lose a letter or two where texts are compared, in question and choices alike.
"""
_CIRCLED = re.compile("[\u2460-\u2473\u24b6-\u24e9]")
"""Numbers and letters that are their own labels."""
_SAME_MARKS = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc", "'") | dict.fromkeys(range(0x2010, 0x2016), "-"))
_SAME_MARKS |= {0x2212: "-", 0x2044: "/"}

_Found = tuple[int, frozenset[int]]
"""The place that a label stands for, and those of the choices with the text behind it; none if it is no choice's."""


def letter_index(text: str, count: int) -> int | None:
    """The number of the choice whose letter a text is, however it is written (``b``, ``(B)``, ``B.``, ``Option B``).

    None if it is no letter of so many choices.
    """
    letter = bare_letter(text)
    place = LETTERS.find(letter) if letter else -1
    return place if 0 <= place < count else None


def bare_letter(text: str) -> str:
    """The letter, a capital, that a text is, however it is written; empty if it says more."""
    return lone_letter(_typed(text))


def _typed(text: str) -> str:
    """A text with letters, brackets and stops of full width, as they are typed in East Asia, as others type them."""
    return normalize("NFKC", text).rstrip(" \u3002\u3001")


def lettered_label(value: Any, count: int) -> int | None:
    """The number of a label whose names are A, B, …: the choice, even if the text of another one is this letter."""
    return int(value) if isinstance(value, Label) and letter_index(value.name, count) == value else None


def places_of(text: str, choices: Sequence[str]) -> list[int]:
    """The choices whose text this is, but for case and spaces; if there is none, but for stops and commas behind it.

    Choices may differ in no more than what is no difference elsewhere: order, plural, a hyphen.
    """
    for form in (_words, _letters):
        wanted = form(text)
        if wanted and (found := [place for place, choice in enumerate(choices) if form(choice) == wanted]):
            return found
    return []


def _words(text: str) -> str:
    return " ".join(text.casefold().split())


def _letters(text: str) -> str:
    found = "".join(text.casefold().split()).rstrip(".,;")
    return found if len(found) > 1 else ""  # "B." may be the letter of a choice


def listed(given: Any) -> Sequence[Any]:
    """A list, the values of an object by letter, or the list that a text writes out.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(given, str) and given.strip()[:1] in ("[", "{"):
        given = written_out(given)
    if isinstance(given, Mapping):
        held = {str(key): value for key, value in given.items() if value is not None}
        if sorted(held) != list(LETTERS[: len(held)]):
            raise ValueError("the keys are not the letters A, B, … without a gap")
        return [held[letter] for letter in sorted(held)]
    if not isinstance(given, list | tuple):
        raise ValueError("give a list, an object from letters to texts, or several columns")
    return given


def without_unused(texts: Sequence[str], is_nothing: Callable[[str], bool]) -> list[str]:
    """Columns of choices without the last ones that a shorter question does not use.

    They hold the same word for nothing: no question has a choice twice. A single word is a choice, whatever the answer
    is, because it would give the answer away if it stood only where it is right; unless all the others, and not it,
    have their letters in front.

    Args:
        texts: of all columns, without empty ones at the end.
        is_nothing: whether a text is a word for nothing.
    """
    word, used = texts[-1] if texts else "", list(texts)
    if not word or not is_nothing(word):
        return used
    while used and used[-1] == word:
        used.pop()
    is_single = len(used) == len(texts) - 1
    return list(texts) if is_single and not _labels(used, _LETTER_FIRST) else used


def without_labels(texts: Sequence[str]) -> list[str]:
    """Choices without the ``A:``, ``b.``, ``(C)``, … that all of them begin with; other labels in order are left.

    Raises:
        ValueError: labels are not in order, so that each choice would have two; or there are too many choices.
    """
    if len(texts) > len(LETTERS):
        raise ValueError(f"there are {len(texts)} choices, and {len(LETTERS)} letters for them; keep fewer")
    letters, numbers = (
        {label - place for place, (label, _) in enumerate(_labels(texts, kind))}
        for kind in (_LETTER_FIRST, _NUMBER_FIRST)
    )
    if not letters <= {0} or numbers not in (set(), {0}, {-1}) or _are_bracketed_otherwise(texts):
        raise ValueError(
            "the choices begin with labels that are not those of their order; take them off, or bring the choices into "
            "the order of their labels, without a gap"
        )
    split = [_split(text) for text in texts]
    is_split = bool(letters) and all(label and behind for label, behind in split)
    return [behind for _, behind in split] if is_split else list(texts)


def _are_bracketed_otherwise(texts: Sequence[str]) -> bool:
    """Whether two choices or more, though not all, begin with letters in brackets that are not those of their place."""
    found = [(place, _LETTER_FIRST.match(_plain(text))) for place, text in enumerate(texts)]
    labels = [(_place(match[1]), place) for place, match in found if match and match[2].lstrip().startswith(")")]
    return sum(label != place and label < len(texts) + 2 for label, place in labels) > 1


def _labels(texts: Sequence[str], kind: re.Pattern[str]) -> list[tuple[int, str]]:
    """The places that the labels of all choices stand for, whatever their form, and the texts behind them.

    Empty if not all have one. Those of names (``E. coli``, ``K. pneumoniae``; ``1. rib``, ``3. rib``) are none: letters
    or numbers far behind the last choice, one alone, and such that all texts are the same without them.
    """
    found = [match for text in texts if (match := kind.match(_plain(text)))]
    if len(texts) > len(found) or len({match[3] for match in found}) < 2:
        return []
    places = [_place(match[1]) for match in found]
    count = len(set(places))
    is_run = count == len(places) == max(places) - min(places) + 1
    is_near = max(places) < len(texts) + 2
    are_marked = count > 1 and all(match[2][0] in ".:)\u3001\u3002" for match in found)
    is_list = is_run or (is_near and (count == len(places) or are_marked))
    return [(place, match[3]) for place, match in zip(places, found, strict=True)] if is_list else []


def _place(label: str) -> int:
    """The place of a choice that a letter, or a number from 1, stands for."""
    return int(label) - 1 if label.isdigit() else LETTERS.index(label.upper())


def label_and_text(answer: str) -> tuple[str, str]:
    """The letter of ``B. right`` or ``Option B: right``, and what follows; the letter is empty if there is none."""
    found = _split(answer)
    return found if found[0] else letter_and_text(answer.strip())


def _split(text: str) -> tuple[str, str]:
    """The letter that a text has as its label, empty if it has none, and what follows."""
    match = _LABELLED.match(text)
    return (_typed(match[1] or match[2]), match[3].strip()) if match else ("", text)


def lettered(choices: Sequence[str]) -> str:
    """Choices as they stand below a question; empty if there are none."""
    lines = (f"{choice_letter(place)}. {text}" for place, text in enumerate(choices))
    return "\n".join(["Choices:", *lines]) if choices else ""


def lists_in_order(question: str, choices: Sequence[str]) -> bool:
    """Whether a question gives all choices the letters of their order, in whatever form of list."""
    return bool(choices) and _names_all(_letters_before(question, choices), len(choices))


def lists_otherwise(question: str, choices: Sequence[str]) -> bool:
    """Whether a question gives several choices letters or numbers, one not that of its order, and nowhere all these.

    Each letter would be two choices. Not the form of a list is read, but what stands before the texts of the choices:
    the question may list more than these, or fewer. Numbers may count from 0.
    """
    letters, numbers = _letters_before(question, choices), _numbers_before(question, choices)
    if _names_all(letters, len(choices)):
        return False
    return _is_other(letters, [0], len(choices)) or _is_other(numbers, [0, -1], len(choices))


def _names_all(found: set[_Found], count: int, start: int = 0) -> bool:
    return {label - start for label, places in found if label - start in places} >= set(range(count))


def _is_other(found: set[_Found], starts: Sequence[int], count: int) -> bool:
    return len(found) > 1 and not any(
        all(label - start in places for label, places in found) or _names_all(found, count, start) for start in starts
    )


def _letters_before(question: str, choices: Sequence[str]) -> set[_Found]:
    """The places that letters directly before texts of choices stand for, with those of the choices.

    A word directly before the first label and before others makes no list, as in "Image A: CT. Image B: MRI", but for
    "option" and the like.
    """
    found = _labels_before(question, choices, _ANY_LETTER)
    firsts = {word for word, (label, _) in found if label == 0} - {"", *_SPOKEN}
    words = Counter(word for word, (_, places) in found if places)
    return {one for word, one in found if one[1] and (words[word] == 1 or word not in firsts)}


def _numbers_before(question: str, choices: Sequence[str]) -> set[_Found]:
    """As ``_letters_before``, of numbers: a word before one of them makes no list, as in "Figures 1 (CT) and 2 (MRI)".

    If it is one nevertheless, the letters below are clear beside it.
    """
    found = [(word, one) for word, one in _labels_before(question, choices, _ANY_NUMBER) if one[1]]
    is_list = all(not word or word in _SPOKEN for word, _ in found)
    return {one for _, one in found} if is_list else set()


def _labels_before(question: str, choices: Sequence[str], kind: re.Pattern[str]) -> list[tuple[str, _Found]]:
    """The words before labels, and what is found there.

    Blanks alone are between label and text only at the beginning of a line, where no article is. Labels far behind the
    last choice are none ("(v)"). A text may be wrapped over lines.
    """
    asked, places = _compared(question, choices)
    in_one_line, one_of_them = asked.replace("\n", " "), _whole_words(places)
    found, end = list[tuple[str, _Found]](), 0
    for label in kind.finditer(asked):
        word, place = _word_before(asked, end, label), _place(label[1])
        if label.start() < end or place > len(choices) + 2 or not _is_label(asked, word, label):
            continue
        starts = range(label.start(2), label.end() + 1)  # marks may be a part of the text: "-5"
        text = next(filter(None, (one_of_them.match(in_one_line, start) for start in starts)), None)
        end = text.end() if text else end
        found.append((word, (place, frozenset(places[text[0]] if text else ()))))
    return found


def _compared(question: str, choices: Sequence[str]) -> tuple[str, dict[str, set[int]]]:
    """A question, and the places of texts: of choices as they are, and without labels of their own.

    Capitals matter only to choices that differ in nothing else.
    """
    asked, texts = _plain(question), [_plain(text) for text in choices]
    if len({text.casefold() for text in texts}) == len(set(texts)):
        asked, texts = asked.casefold(), [text.casefold() for text in texts]
    behind = ([text for _, text in _labels(texts, kind)] for kind in (_LETTER_FIRST, _NUMBER_FIRST))
    places = dict[str, set[int]]()
    for place, text in (one for form in (texts, *behind) for one in enumerate(form)):
        places.setdefault(text.replace("\n", " ").rstrip(".,; "), set()).add(place)
    return asked, {text: found for text, found in places.items() if text}


def _word_before(asked: str, end: int, label: re.Match[str]) -> str:
    """The word directly before a label in its line, behind the text of the choice before; empty without one."""
    begin = asked.rfind("\n", 0, label.start()) + 1
    match = _WORD_BEFORE.search(asked, max(begin, end, label.start() - 40), label.start())
    word = match[1].casefold() if match else ""
    return "" if word in {"and", "or"} else word


def _is_label(asked: str, word: str, label: re.Match[str]) -> bool:
    begin = asked.rfind("\n", 0, label.start()) + 1
    is_first = word in _SPOKEN or _ONLY_MARKS.fullmatch(asked, begin, label.start()) is not None
    marks = label[2].strip()
    return (marks != "," or not label[1].isdigit()) if marks else bool(is_first and label[2])


def _whole_words(texts: Iterable[str]) -> re.Pattern[str]:
    """The longest of texts that stands somewhere as whole words; letters of East Asia are words beside others."""
    behind = {True: "[A-Za-z0-9]", False: r"[^\W_\x00-\x7f]"}
    longest_first = sorted(texts, key=len, reverse=True)
    return re.compile(
        "|".join(f"{re.escape(text)}(?!{behind[text[-1].isascii()]})" for text in longest_first) or "(?!)"
    )


def _plain(text: str) -> str:
    """A text with its lines that are not empty, without marks and tags that stress; a stressed label gets a mark."""
    text = _LINE_TAG.sub("\n", _CIRCLED.sub(r" (\g<0>) ", _ESCAPED.sub("\n", unescape(text))))
    lines = _STRESSED.sub(r"\1)", _TAG.sub("", _STRESS_TAG.sub("*", text))).splitlines()
    typed = (" ".join(_typed(without_emphasis(line)).translate(_SAME_MARKS).split()) for line in lines)
    return re.sub(r"(?<=\w-)\n(?=\w)", "", "\n".join(filter(None, typed)))
