"""The ways in which one answer may name a choice: by its text, its letter or its number."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from medix.data.sources.table_choices import bare_letter, letter_index, places_of

_NUMBER = re.compile(r"([0-9]{1,9})(?:\.0)?")


@dataclass(frozen=True, slots=True)
class Readings:
    """The choices that an answer may name, by their places.

    Attributes:
        texts: whose text it is.
        quoted: whose text is the letter that it says in other words, as ``(B)`` does.
        letters: whose letter it is.
        numbers: whose number it is, counted from 0 or from 1.
    """

    texts: frozenset[int]
    quoted: frozenset[int]
    letters: frozenset[int]
    numbers: frozenset[int]

    @classmethod
    def of(cls, answer: str, choices: Sequence[str]) -> "Readings":
        """Those of an answer; ``1.0`` is the number that pandas makes of ``1``."""
        letter = letter_index(answer, len(choices))
        number = int(match[1]) if (match := _NUMBER.fullmatch(answer)) else -1
        return cls(
            texts=frozenset(places_of(answer, choices)),
            quoted=frozenset(places_of(bare_letter(answer), choices)),
            letters=frozenset(() if letter is None else (letter,)),
            numbers=frozenset(range(len(choices))) & {number, number - 1},
        )

    @property
    def kind(self) -> str:
        """By what it names a choice: ``texts``, ``letters`` or ``numbers``; empty if by none or several."""
        found = {"texts": self.texts | self.quoted, "letters": self.letters, "numbers": self.numbers}
        kinds = [kind for kind, places in found.items() if places]
        return kinds[0] if len(kinds) == 1 else ""

    @property
    def differ(self) -> bool:
        """Whether it is the text of one choice and the letter or number of another."""
        texts, others = self.texts or self.quoted, self.letters | self.numbers
        return bool(texts and others) and len(texts | others) > 1

    def chosen(self, kind: str = "") -> int | None:
        """The choice that it names by its text, or by its letter if it is the text of none; None if by neither.

        Args:
            kind: ``texts`` or ``letters``, if it is known to be one.
        """
        places = self.letters if kind == "letters" else self.texts
        if not places and not kind:
            places = self.letters
        return min(places) if len(places) == 1 else None

    def fault(self, choices: Sequence[str]) -> str:
        """That they differ, and what to do."""
        text, letter, number = (
            " or ".join(repr(choices[place]) for place in sorted(places))
            for places in (self.texts or self.quoted, self.letters, self.numbers)
        )
        by, key = ("letter", "answer_letter") if letter else ("number", "answer_index")
        return (
            f"it is the text of the choice {text} and the {by} of {letter or number}; state what the column holds, in "
            f"--columns or the data of a task: columns: {{{key}: NAME}} for {by}s, or answers: texts"
        )
