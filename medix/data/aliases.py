"""Synonyms of reference answers, from a file that a person has checked."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from medix.types import Sample
from medix.yaml_text import read_yaml_option


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

    def added(self, sample: Sample) -> Sample:
        """The sample with the synonyms of its reference behind its own aliases, each once."""
        found = self._synonyms.get(_key(sample.reference), ())
        if not found:
            return sample
        texts: dict[str, str] = {}
        for text in (sample.reference, *sample.aliases, *found):
            texts.setdefault(_key(text), text)
        return replace(sample, aliases=tuple(texts.values())[1:])

    def key(self, sample: Sample) -> str:
        """The reference of a sample as it is compared; empty if it has no synonyms here."""
        key = _key(sample.reference)
        return key if key in self._synonyms else ""


def _key(text: str) -> str:
    return " ".join(text.casefold().split())
