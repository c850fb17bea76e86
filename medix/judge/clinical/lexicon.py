"""The word lists of ``clinical``, read from words.toml once."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


def data(name: str) -> dict[str, Any]:
    """The content of a TOML file of this package."""
    return tomllib.loads((files(__package__) / name).read_text(encoding="utf-8"))


_WORDS = data("words.toml")


def _listed(name: str) -> frozenset[str]:
    return frozenset(_WORDS["lists"][name].split())


NOT_PLURAL = _listed("not_plural")
REGULAR = _listed("regular")
NEGATORS = _listed("negators")
LIGHT = _listed("light")
GENERIC = _listed("generic")
RELATIONS = _listed("relations")
SEPARATE = _listed("separate")
BEFORE_ARTICLE = _listed("before_article")
NAMED_BY_LETTER = _listed("named_by_letter")
ENDINGS = _listed("endings") | {""}
GRADED = _listed("graded")
SINGULAR: Mapping[str, str] = _WORDS["singular"]
ABBREVIATED: Mapping[str, str] = _WORDS["abbreviated"]
AMERICAN: Mapping[str, str] = _WORDS["american"]
SIDES: Mapping[str, str] = _WORDS["side"]
OPPOSED_PREFIXES = frozenset(frozenset(pair) for pair in _WORDS["contrary"]["prefixes"])

OPPOSITES: dict[str, frozenset[str]] = {}
"""For each listed word, the words that contradict it."""
for _one, _other in ((one.split(), other.split()) for one, other in _WORDS["contrary"]["opposites"]):
    for _words, _against in ((_one, _other), (_other, _one)):
        for _word in _words:
            OPPOSITES[_word] = OPPOSITES.get(_word, frozenset()) | frozenset(_against)


def _counted(name: str, start: int = 1) -> dict[str, int]:
    return {word: value for value, word in enumerate(_WORDS["numerals"][name].split(), start)}


NUMBERS = _counted("ones", 0) | {word: 10 * value for word, value in _counted("tens", 2).items()}
SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000, "dozen": 12}
ORDINALS = _counted("ordinals")
ROMAN = _counted("roman")
