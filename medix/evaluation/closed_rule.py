"""Answers that are a choice in a word, or yes or no, true or false; also by their initial."""

from collections.abc import Mapping, Sequence
from typing import Any

from medix.judge.clinical.literal import is_literally_same, literal
from medix.judge.options import letters_alone, lone_letter, without_emphasis

_SHORT = 3  # letters of what may be an abbreviation or a unit
_KINDS = ({"y": "yes", "n": "no"}, {"t": "true", "f": "false"})


def closed_words(row: Mapping[str, Any], answer: str) -> tuple[str, str] | None:
    """What answers a closed question, and what is right; None where either is not clear.

    Where there are choices and the right one is known, the answer is the text of a choice, whichever is right: what is
    decided for one choice alone would move scores towards it. Of choices among which are yes and no, or true and false,
    the initial stands for these, unless it is the letter of a choice or begins a word of another.
    A text that was cut is none if it may be the beginning of another choice.

    Without choices a question is closed if its reference is yes or no, or true or false; "true" is no answer to one of
    yes and no, which may be asked in the negative. The initial stands for the word, unless the question holds it as a
    letter, of a choice perhaps.

    Args:
        row: of ``generations.jsonl``, with at least one reference.
        answer: of the completion.
    """
    choices, right = row["choices"] or [], row["answer_index"]
    if choices and right is not None:
        named = _named(choices, answer, is_cut=row["finish_reason"] == "length")
        return (named, literal(choices[right])) if named else None
    wanted = set(map(_word, row["references"]))
    kind = next((kind for kind in _KINDS if wanted <= set(kind.values())), None)
    if kind is None or len(wanted) != 1:
        return None
    word = _word(answer)
    if word not in kind.values():
        letter = lone_letter(answer)
        is_initial = letter and not choices and not letters_alone(letter, row["question"])
        word = kind.get(letter.casefold(), "") if is_initial else ""
    return (word, wanted.pop()) if word else None


def _named(choices: Sequence[str], answer: str, *, is_cut: bool) -> str:
    """The literal text of the choice that an answer is; empty if it is none or several."""
    if letter := lone_letter(answer).casefold():
        return "" if is_cut else _begun_by(letter, choices)
    if "\n" in answer.strip():  # a list, perhaps
        return ""
    same = {literal(text) for text in choices if is_literally_same(text, answer)}
    # in any capitals, but not "MM" for mM
    if (word := _word(answer)).isalpha() and (len(word) > _SHORT or any(word in kind.values() for kind in _KINDS)):
        same = same or {literal(text) for text in choices if _word(text) == word}
    if len(same) != 1:
        return ""
    (found,) = same
    longer = {text for text in map(_word, choices) if text.startswith(_word(found))} - {_word(found)}
    return "" if is_cut and longer else found


def _begun_by(letter: str, choices: Sequence[str]) -> str:
    """The literal text of the choice that a letter can stand for; empty if it is not clear."""
    is_closed = any(set(kind.values()) <= set(map(_word, choices)) for kind in _KINDS)
    if not is_closed or "a" <= letter < chr(ord("a") + len(choices)):
        return ""
    begun = [text for text in choices if any(word.startswith(letter) for word in text.casefold().split())]
    is_clear = len(begun) == 1 and any(_word(begun[0]) == kind.get(letter) for kind in _KINDS)
    return literal(begun[0]) if is_clear else ""


def _word(text: str) -> str:
    return literal(without_emphasis(text)).casefold().rstrip(" .!")  # a point before a number is a part of it
