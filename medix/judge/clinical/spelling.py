"""The normal form of a word: singular, American, without a possessive ending."""

import re
from functools import lru_cache

from medix.judge.clinical.lexicon import AMERICAN, NOT_PLURAL, REGULAR, SINGULAR

_BRITISH = re.compile("|".join(sorted(AMERICAN, key=len, reverse=True)))
_OUR = re.compile(r"(?<=[a-z]{3})our")
_ISE = re.compile(r"(?<=[a-z]{3})is(?=(?:e|ed|es|er|ing|ations?)$)")
_LYSE = re.compile(r"(?<=[a-z]{2})lys(?=(?:e|ed|es|er|ing)$)")
_LATIN = (("aces", "ax"), ("ices", "ix"), ("oses", "osis"), ("yses", "ysis"), ("eses", "esis"), ("ata", "a"))


@lru_cache(maxsize=65536)
def base_form(word: str) -> str:
    """The form under which spellings of one word agree; a key for comparison, not always a real word.

    Args:
        word: one word in lower case.
    """
    word = word.removesuffix("'s").rstrip("'")
    if len(word) < 4:
        return SINGULAR.get(word, word)
    word = singular(_OUR.sub("or", _BRITISH.sub(lambda match: AMERICAN[match[0]], word)))
    return _LYSE.sub("lyz", _ISE.sub("iz", word))


@lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """The singular of an English or Latin plural, by rule and by list; a comparison key, not always a real word."""
    if word in SINGULAR:
        return SINGULAR[word]
    if len(word) < 4 or word in NOT_PLURAL:
        return word
    if word in REGULAR:
        return word[:-1]
    if word[-1] != "s":
        return _latin(word)
    if word.endswith(("ss", "us", "is")):
        return word
    for plural, one in _LATIN:
        if word.endswith(plural) and len(word) > len(plural) + 2:
            return word[: -len(plural)] + one
    if word.endswith("itides"):
        return word[:-4] + "is"
    if word.endswith("uses") and len(word) > 5 and word[-5] not in "ao":  # sinuses, not causes
        return word[:-2]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "xes", "ches", "shes", "zzes")) else word[:-1]


def _latin(word: str) -> str:
    if len(word) > 4 and word.endswith("i") and not word.endswith("ii"):
        return word[:-1] + "us"
    if len(word) > 4 and word.endswith("ae"):
        return word[:-1]
    if len(word) > 6 and word.endswith("mata"):
        return word[:-2]
    return word
