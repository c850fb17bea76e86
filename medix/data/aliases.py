"""Synonyms of reference answers, from a file that a person has checked."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medix.data.sources.table_choices import choice_of, choices_in, names_other, places_of, without_label
from medix.types import Sample
from medix.yaml_text import read_yaml_option

_LEFT_OUT = "another choice"


class Aliases:
    """Adds synonyms to the accepted answers of samples.

    References are compared without regard to case and white space.

    Args:
        synonyms: texts that are accepted as well, by reference.
    """

    def __init__(self, synonyms: Mapping[str, list[str]]) -> None:
        self._synonyms = {_key(reference): tuple(texts) for reference, texts in synonyms.items()}
        self.digest = hashlib.sha256(repr(sorted(self._synonyms.items())).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self._synonyms)

    @classmethod
    def read(cls, path: Path) -> "Aliases":
        """Read a YAML file that maps each reference to a list of texts.

        Raises:
            ValueError: it cannot be read, or does not map texts to lists of texts.
        """
        content, lines = read_yaml_option("--aliases", path)
        if not isinstance(content, dict):
            raise ValueError(f"--aliases {path}: write REFERENCE: [TEXT, …], one reference a line")
        first: dict[str, str] = {}
        for reference, texts in content.items():
            where = f"--aliases {path}, line {lines.get((reference,), '?')}: {reference!r:.80}"
            if not isinstance(reference, str) or not isinstance(texts, list):
                raise ValueError(f"{where}: {texts!r:.80}; give a list of texts (numbers in quotes)")
            if wrong := [text for text in texts if not isinstance(text, str) or not text.strip()]:
                raise ValueError(f"{where}: {wrong[0]!r:.80} is no text; write it in quotes")
            if first.setdefault(_key(reference), reference) != reference:
                raise ValueError(f"{where}: the same reference as {first[_key(reference)]!r}; join their lists")
        return cls(content)

    def added(self, sample: Sample, counts: Counter[str]) -> Sample:
        """The sample with the synonyms of its reference behind its own aliases, each once.

        Where choices stand in the question, synonyms that are another one, or its letter, are left out: a file of
        synonyms is general, and does not know the question.

        Args:
            sample: the sample.
            counts: gets the number of synonyms that are left out, for ``notes``.
        """
        choices = choices_in(sample.question)
        synonyms = self._synonyms.get(_key(sample.reference), ())
        found = [text for text in synonyms if not _is_other(text, sample.reference, choices)]
        counts[_LEFT_OUT] += len(synonyms) - len(found)
        if not found:
            return sample
        texts: dict[str, str] = {}
        for text in (sample.reference, *sample.aliases, *found):
            texts.setdefault(_key(text), text)
        return replace(sample, aliases=tuple(texts.values())[1:])

    def notes(self, counts: Counter[str]) -> list[str]:
        """How many synonyms were left out, as a sentence; none if no one was.

        Args:
            counts: sums of those of ``added``.
        """
        told = "synonyms that are not added where they are another choice of the question, or its letter: "
        return [f"{told}{counts[_LEFT_OUT]:,}"] if counts[_LEFT_OUT] else []

    def key(self, sample: Sample) -> str:
        """The reference of a sample as it is compared; empty if it has no synonyms here."""
        key = _key(sample.reference)
        return key if key in self._synonyms else ""


def _is_other(text: str, reference: str, choices: Sequence[str]) -> bool:
    """Whether a text names another choice than a reference does; if this is none of them, whether it names any."""
    keys = [_key(choice) for choice in choices]
    right = choice_of(without_label(_key(reference), keys), keys)
    same = places_of(text, keys)  # before its letter: a file of synonyms names no letters of a question
    return right not in same if same else names_other(_key(text), keys, right)


def _key(text: str) -> str:
    return " ".join(text.casefold().split())
