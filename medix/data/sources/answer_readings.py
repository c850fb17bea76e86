"""The ways in which one answer may name a choice: by its text, its letter, both, or its number."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from medix.data.sources.table_choices import bare_letter, label_and_text, letter_index, places_of
from medix.judge.clinical.text import is_same

_NUMBER = re.compile(r"([0-9]{1,9})(?:\.0)?")


@dataclass(frozen=True, slots=True)
class Readings:
    """The choices that an answer may name, by their places.

    A label in front of the text of its own choice (``B. right``) is both the text and the letter of that choice.

    Attributes:
        answer: the answer.
        choices: the choices in order.
        texts: whose text it is.
        quoted: whose text is the letter that it says in other words, as ``(B)`` does.
        letters: whose letter it is.
        numbers: whose number it is, counted from 0 or from 1.
        is_contrary: whether it is the text of a choice behind the label of another one, or of none.
    """

    answer: str
    choices: tuple[str, ...]
    texts: frozenset[int]
    quoted: frozenset[int]
    letters: frozenset[int]
    numbers: frozenset[int]
    is_contrary: bool

    @classmethod
    def of(cls, answer: str, choices: Sequence[str]) -> "Readings":
        """Those of an answer; ``1.0`` is the number that pandas makes of ``1``."""
        texts, letter = places_of(answer, choices), letter_index(answer, len(choices))
        quoted = places_of(bare_letter(answer), choices)
        label, text = label_and_text(answer)
        place = letter_index(label, len(choices))
        labelled = _equal(text, choices) or places_of(text, choices)
        is_contrary = bool(labelled) and place not in labelled and not texts
        if is_contrary:
            texts, letter = labelled, place
        elif place is not None and place in labelled:
            texts, letter = _equal(answer, choices) or [place], place
        elif letter is None:  # "(E)" of four choices
            texts = texts or quoted
        number = int(match[1]) if (match := _NUMBER.fullmatch(answer)) else -1
        return cls(
            answer=answer,
            choices=tuple(choices),
            texts=frozenset(texts),
            quoted=frozenset(quoted),
            letters=frozenset(() if letter is None else (letter,)),
            numbers=frozenset(range(len(choices))) & {number, number - 1},
            is_contrary=is_contrary,
        )

    @property
    def kind(self) -> str:
        """By what it names a choice: ``texts``, ``letters`` or ``numbers``; empty if none or several, or contrary."""
        found = {"texts": self.texts | self.quoted, "letters": self.letters, "numbers": self.numbers}
        kinds = [kind for kind, places in found.items() if places]
        return kinds[0] if len(kinds) == 1 and not self.is_contrary else ""

    @property
    def names_choice(self) -> bool:
        """Whether it names a choice, or several, by its text or letter; a number alone names none."""
        return bool(self.texts | self.letters)

    @property
    def differ(self) -> bool:
        """Whether it is the text of one choice and the letter or number of another."""
        texts, others = self.texts or self.quoted, self.letters | self.numbers
        return bool(texts and others) and len(texts | others) > 1

    def chosen(self, kind: str = "") -> int | None:
        """The one choice that it names; None if it names none, or may name several.

        Args:
            kind: ``texts`` or ``letters``, if it is known to be one.
        """
        if self.is_contrary or (self.differ and not kind):
            return None
        places = self.letters if kind == "letters" else self.texts
        if not places and not kind:
            places = self.letters
        return min(places) if len(places) == 1 else None

    def is_written_as(self, place: int) -> bool:
        """Whether it repeats a choice, but for punctuation and the like, and no other one."""
        if self.names_choice:
            return place in self.texts | self.letters and not self.is_contrary
        return {one for one in self.choices if is_same(self.answer, one)} == {self.choices[place]}

    def names_other(self, place: int) -> bool:
        """Whether it names another choice than this one by its text or its letter.

        So does the text of one with the letter of another.
        """
        if self.is_written_as(place):
            return False
        said = (self.answer, label_and_text(self.answer)[1])
        return self.names_choice or any(is_same(text, choice) for text in said for choice in self.choices)

    def fault(self, choices: Sequence[str], kind: str = "") -> str:
        """Why it is not known which choice it names, and what to do.

        Args:
            choices: as they are shown.
            kind: as of ``chosen``.
        """
        text, letter, number = (
            " or ".join(repr(choices[place]) for place in sorted(places))
            for places in (self.texts or self.quoted, self.letters, self.numbers)
        )
        named = {"text of the choice": text, "letter of": letter, "number of": number}
        told = f"it is {' and '.join(f'the {by} {which}' for by, which in named.items() if which)}"
        if self.is_contrary:
            return f"{told if letter else f'{told} behind the letter of none'}; correct the letter or the text"
        if len(self.texts) > 1 and (kind == "texts" or not self.letters):
            return f"{told}; make the choices differ, or name a column of the right letter (columns.answer_letter)"
        if kind:
            return f"{told}, and the column holds {kind}, as data.answers or its other rows say; correct the answer"
        by, key = ("letter", "answer_letter") if letter else ("number", "answer_index")
        return (
            f"{told}; state what the column holds, in --columns or the data of a task: "
            f"columns: {{{key}: NAME}} for {by}s, or answers: texts"
        )


def _equal(text: str, choices: Sequence[str]) -> list[int]:
    return [place for place, choice in enumerate(choices) if choice == text]
