"""Choices of a question, and the letters and texts that name them."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from unicodedata import normalize

from medix.data.sources.class_label import Label
from medix.data.sources.written_value import written_out
from medix.judge.options import LETTERS, choice_letter, letter_and_text, lone_letter, without_emphasis

_LETTER = "[A-Za-z\uff21-\uff3a\uff41-\uff5a]"
_LABELLED, _NUMBERED = (
    re.compile(rf"(?:[(\uff08]({label})[)\uff09]|({label})[:.)\uff0e\u3001\u3002\uff1a\uff09]{behind})(.*)", re.DOTALL)
    for label, behind in ((_LETTER, ""), (r"\d{1,2}", r"(?!\d)"))
)  # also of full width; "1.5" and "1:10" are numbers
_HEAD = "Choices:\n"
_JOINT = "[-.,:/^*~\u00b1\u00d7\u2010-\u2015\u2044\u2212]"
"""Makes one number, range, ratio or fraction of digits on both sides of it: "1.5", "2-3", "2/4"."""
_ANY_LETTER, _ANY_NUMBER = (
    re.compile(rf"(?<![a-z0-9\u00b0]){label}(?![a-z0-9])([\W_]{{0,40}})")
    for label in ("([a-z])", rf"(?<![0-9]{_JOINT})([0-9]{{1,2}})(?!{_JOINT}[0-9])")
)
"""A label in lower case, with whatever marks stand behind it."""
_WORD_BEFORE = re.compile(r"([^\W_]+)[ #]*\Z")
_SPOKEN = frozenset(f"{word}{plural}" for word in ("option", "choice", "answer") for plural in ("", "s"))
_LINE_TAG, _STRESS_TAG, _TAG = (
    re.compile(rf"</?(?:{names})(?:\s[^<>\n]*)?/?>")
    for names in ("br|p|div|[ou]l|li|tr|option|table", "b|i|u|em|strong|code", "span|su[bp]|t[dh]|label")
)
_STRESSED = re.compile(r"[*_`]{1,9}([A-Za-z]|[1-9][0-9]?)[*_`]{1,9}(?=\s)")
_ONLY_MARKS = re.compile(r"[\W_]*(?:[0-9]{1,2}[.)][\W_]*)?")
"""Before the label of a line, which may have a number, too: ``1. A``."""
_CIRCLED = re.compile("[\u2460-\u2473\u24b6-\u24e9]")
"""Numbers and letters that are their own labels."""

_Pair = tuple[int, int]
_Found = tuple[str, int, int | None]


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
    return list(texts) if is_single and not _labels(used, _LABELLED) else used


def without_labels(texts: Sequence[str]) -> list[str]:
    """Choices without the ``A:``, ``b.``, ``(C)``, … that all of them begin with; numbers in order are left.

    Raises:
        ValueError: these, or numbers, are not in order, so that each choice would have two; or there are too many.
    """
    if len(texts) > len(LETTERS):
        raise ValueError(f"there are {len(texts)} choices, and {len(LETTERS)} letters for them; keep fewer")
    for kind, starts in ((_LABELLED, {0}), (_NUMBERED, {0, -1})):
        found = {label - place for place, label in enumerate(_labels(texts, kind))}
        if len(found) > 1 or not found <= starts:
            raise ValueError(
                f"the labels that the choices begin with ({texts[0]}, …) are not those of their order; take them off, "
                "or bring the choices into the order of their labels, without a gap"
            )
    behind = [_split(text)[1] for text in texts]
    return behind if _labels(texts, _LABELLED) and all(behind) else list(texts)


def _labels(texts: Sequence[str], kind: re.Pattern[str]) -> list[int]:
    """The places that the labels of all choices stand for; empty if not all have one.

    Those of names (``E. coli``, ``K. pneumoniae``; ``1. rib``, ``3. rib``) are none: letters or numbers far behind the
    last choice, one alone, and such that texts do not differ without them.
    """
    found = [match for text in texts if (match := kind.match(text))]
    said = list(filter(None, (match[3].strip() for match in found)))
    if not 1 < len(texts) == len(found) or len(set(said)) < len(said):
        return []
    places = [_place(match[1] or match[2]) for match in found]
    is_run = sorted(places) == list(range(min(places), min(places) + len(places)))
    return places if len(set(places)) > 1 and (is_run or max(places) < len(texts) + 2) else []


def _place(label: str) -> int:
    """The place of a choice that a letter, or a number from 1, stands for."""
    return int(label) - 1 if label.isdigit() else LETTERS.index(_typed(label).upper())


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
    return _HEAD + "\n".join(f"{choice_letter(place)}. {text}" for place, text in enumerate(choices)) if choices else ""


def lists_in_order(question: str, choices: Sequence[str]) -> bool:
    """Whether a question gives all choices the letters of their order, in whatever form of list."""
    if not choices:
        return False
    is_below = _words(question).endswith(_words(lettered(choices)))
    return is_below or _order(choices) <= _letters_before(question, choices)


def lists_otherwise(question: str, choices: Sequence[str]) -> bool:
    """Whether a question gives several choices letters or numbers, one not that of its order, and nowhere all these.

    Each letter would be two choices. Not the form of a list is read, but what stands before the texts of the choices:
    the question may list more than these, or fewer. Numbers may count from 0.
    """
    letters, numbers = set[_Pair](), set[_Pair]()
    for texts in {tuple(choices), tuple(_unnumbered(choices))}:
        letters |= _letters_before(question, texts)
        numbers |= _numbers_before(question, texts)
    if _order(choices) <= letters:
        return False
    return _is_other(letters, [_order(choices)]) or _is_other(numbers, [_order(choices), _order(choices, -1)])


def _order(choices: Sequence[str], start: int = 0) -> set[_Pair]:
    return {(place + start, place) for place in range(len(choices))}


def _is_other(pairs: set[_Pair], orders: Sequence[set[_Pair]]) -> bool:
    return len(pairs) > 1 and not any(pairs <= order or order <= pairs for order in orders)


def _unnumbered(choices: Sequence[str]) -> list[str]:
    """Choices without the numbers that all of them begin with."""
    is_numbered = bool(_labels(choices, _NUMBERED))
    return [match[3] if is_numbered and (match := _NUMBERED.match(text)) else text for text in choices]


def _letters_before(question: str, choices: Sequence[str]) -> set[_Pair]:
    """The places that letters directly before texts of choices stand for, with those of the choices.

    A word directly before the first label and before others makes no list, as in "Image A: CT. Image B: MRI", but for
    "option" and the like.
    """
    found = _labels_before(question, choices, _ANY_LETTER)
    firsts = {word for word, label, _ in found if label == 0} - {"", *_SPOKEN}
    words = Counter(word for word, _, place in found if place is not None)
    return {
        (label, place) for word, label, place in found if place is not None and (words[word] == 1 or word not in firsts)
    }


def _numbers_before(question: str, choices: Sequence[str]) -> set[_Pair]:
    """As ``_letters_before``, of numbers, which are no letters of choices: a word before one of them makes no list."""
    found = {
        (word, label, place)
        for word, label, place in _labels_before(question, choices, _ANY_NUMBER)
        if place is not None
    }
    is_list = all(not word or word in _SPOKEN for word, _, _ in found)
    return {(label, place) for _, label, place in found} if is_list else set()


def _labels_before(question: str, choices: Sequence[str], kind: re.Pattern[str]) -> list[_Found]:
    """The words before labels, the places that the labels stand for, and those of the choices directly behind them.

    The last are None where another text follows. Blanks alone are between label and text only at the beginning of a
    line, where no article is. Nothing is seen of choices that differ in capitals alone, and labels far behind the last
    choice are none ("(v)").
    """
    asked, texts = _plain(question), [_plain(text).rstrip(".,; ") for text in choices]
    if len(set(texts)) < len(texts):
        return []
    found, end = list[_Found](), 0
    for label in kind.finditer(asked):
        word, place = _word_before(asked, end, label), _place(label[1])
        if label.start() < end or place > len(choices) + 2 or not _is_label(asked, word, label):
            continue
        starts = range(label.start(2), label.end() + 1)  # marks may be a part of the text: "-5"
        text, start = next(((text, start) for start in starts if (text := _text_at(asked, start, texts))), ("", 0))
        end = start + len(text) if text else end
        found.append((word, place, texts.index(text) if text else None))
    return found


def _word_before(asked: str, end: int, label: re.Match[str]) -> str:
    """The word directly before a label in its line, behind the text of the choice before; empty without one."""
    begin = asked.rfind("\n", 0, label.start()) + 1
    word = _WORD_BEFORE.search(asked, max(begin, end, label.start() - 40), label.start())
    return "" if word is None or word[1] in {"and", "or"} else word[1]


def _is_label(asked: str, word: str, label: re.Match[str]) -> bool:
    begin = asked.rfind("\n", 0, label.start()) + 1
    is_first = word in _SPOKEN or _ONLY_MARKS.fullmatch(asked, begin, label.start()) is not None
    marks = label[2].strip()
    return (marks != "," or not label[1].isdigit()) if marks else bool(is_first and label[2])


def _text_at(asked: str, start: int, texts: Sequence[str]) -> str:
    """The longest of the texts that stands there as whole words; letters of East Asia are words beside others."""
    found = [text for text in texts if text and asked.startswith(text, start)]
    behind = ((text, asked[start + len(text) :][:1]) for text in found)
    whole = [text for text, after in behind if not (after.isalnum() and after.isascii() == text[-1].isascii())]
    return max(whole, key=len, default="")


def _plain(text: str) -> str:
    """A text in lower case with its lines, without marks and tags that stress; a label that is stressed gets a mark."""
    text = _TAG.sub("", _STRESS_TAG.sub("*", _LINE_TAG.sub("\n", _CIRCLED.sub(r" (\g<0>) ", text))))
    lines = _STRESSED.sub(r"\1)", text).splitlines()
    return "\n".join(_words(_typed(without_emphasis(line))) for line in lines).strip()
