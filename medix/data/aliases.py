"""Synonyms of reference answers, from a file that a person has checked."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from unicodedata import normalize

from medix.judge.clinical.characters import unaccented
from medix.judge.clinical.text import normalise
from medix.judge.clinical.tokens import BREAK
from medix.judge.options import letter_and_text, lone_letter
from medix.types import Sample
from medix.yaml_text import read_yaml_option

_LEFT_OUT = "in the question"


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

        Synonyms whose words stand in the question are left out, whether it is seen to list choices or not: a file of
        synonyms is general, and does not know that one of them is another choice, or its letter.

        Args:
            sample: the sample.
            counts: gets the number of synonyms that are left out, for ``notes``.
        """
        key = _key(sample.reference)
        synonyms = [text for text in self._synonyms.get(key, ()) if _key(text) != key]
        found = [text for text in synonyms if not _is_in(text, sample.question)]
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
        told = "synonyms that are not added where they are another choice or a word of the question: "
        return [f"{told}{counts[_LEFT_OUT]:,}"] if counts[_LEFT_OUT] else []

    def key(self, sample: Sample) -> str:
        """The reference of a sample as it is compared; empty if it has no synonyms here."""
        key = _key(sample.reference)
        return key if key in self._synonyms else ""


def _is_in(text: str, question: str) -> bool:
    """Whether a text, or what it says behind a letter of a choice, stands in a question as whole words in their order.

    Words are compared as written and in the normal form of ``is_same``, by which "fever and rash" is "rash, fever".
    """
    text = normalize("NFKC", text)
    said = [one for one in (text, letter_and_text(text.strip())[1], lone_letter(text)) if one]
    forms = (_written, _normal_words, _plain_words, _raw_words)
    return any(
        _items_stand_in(one, question) or any(_stands_in(form(one), form(question)) for form in forms) for one in said
    )


def _items_stand_in(text: str, question: str) -> bool:
    """Whether the items of a plain list stand in a question one behind the other, in any order."""
    items = normalise(text).items or ()
    words = [word for word in _normal_words(question) if word != "and"]
    starts = range(len(words) - len(items) + 1)
    return bool(items) and any(sorted(words[start : start + len(items)]) == sorted(items) for start in starts)


def _stands_in(words: list[str], others: list[str]) -> bool:
    """Whether words stand among others one behind the other, also written together: "sub acute" and "subacute"."""
    joined, whole = "".join(words), "".join(others)
    limits = {0, *accumulate(map(len, others))}
    starts = (match.start() for match in re.finditer(f"(?={re.escape(joined)})", whole))
    return bool(joined) and any(start in limits and start + len(joined) in limits for start in starts)


def _written(text: str) -> list[str]:
    """The words; letters of ASCII are words of their own beside others, as in East Asia."""
    return re.findall(r"[a-z0-9]+|[^\W_a-z0-9]+", unaccented(normalize("NFKC", text)).casefold())


def _normal_words(text: str) -> list[str]:
    return [token.key for token in normalise(text).parts if token.kind != BREAK]


def _plain_words(text: str) -> list[str]:
    return _normal_words(unaccented(text))


def _raw_words(text: str) -> list[str]:
    return [token.raw for token in normalise(text).parts if token.kind != BREAK]


def _key(text: str) -> str:
    return " ".join(text.casefold().split())
