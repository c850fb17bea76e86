"""The languages that an encoder reads, and texts in the scripts of others."""

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

_LATIN = (
    "en af ca cs cy da de es et eu fi fr ga gl hr hu id is it la lt lv ms mt nl no nb nn pl pt ro sk sl sq sv sw tl tr "
    "vi"
)
_SCRIPTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_LATIN.split(), ("LATIN",)),
    **dict.fromkeys(("ru", "uk", "bg", "be", "mk", "kk", "mn"), ("CYRILLIC",)),
    "sr": ("CYRILLIC", "LATIN"),
    "el": ("GREEK",),
    **dict.fromkeys(("ar", "fa", "ur", "ps"), ("ARABIC", "EXTENDED")),  # extended Arabic-Indic digits
    "he": ("HEBREW",),
    "zh": ("CJK", "IDEOGRAPHIC", "BOPOMOFO"),
    "ja": ("CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA"),
    "ko": ("HANGUL", "CJK"),
    **dict.fromkeys(("hi", "mr", "ne"), ("DEVANAGARI",)),
    "bn": ("BENGALI",),
    "pa": ("GURMUKHI",),
    "gu": ("GUJARATI",),
    "ta": ("TAMIL",),
    "te": ("TELUGU",),
    "kn": ("KANNADA",),
    "ml": ("MALAYALAM",),
    "si": ("SINHALA",),
    "th": ("THAI",),
    "lo": ("LAO",),
    "my": ("MYANMAR",),
    "km": ("KHMER",),
    "am": ("ETHIOPIC",),
    "ka": ("GEORGIAN",),
    "hy": ("ARMENIAN",),
}
ANY = "any"
"""Stands for every language."""

_COMMON = frozenset(("COMBINING", "MODIFIER", "VARIATION"))
"""First words of the names of marks that belong to no script."""

_SYMBOLS = 2
"""Longest run of Greek letters that is read as symbols: µm, β-blocker, γδ T cells; a longer one is a Greek word."""


class Languages:
    """Decides by their scripts whether texts are in one of the languages.

    Languages of one script are not told apart. A text is readable if all its letters and digits belong to the scripts
    of the languages; punctuation, symbols and ASCII digits belong to all. Full-width forms count as what they stand
    for, and one or two Greek letters without accents as symbols. Unassigned and private characters and replacement
    characters are never readable, because an encoder drops them.

    Args:
        codes: ISO 639-1 codes such as ``en``, or ``any``.

    Raises:
        ValueError: a code is not known, or none is given.
    """

    def __init__(self, codes: Sequence[str]) -> None:
        codes = (codes,) if isinstance(codes, str) else tuple(codes)
        unknown = [code for code in codes if code not in _SCRIPTS and code != ANY]
        if unknown or not codes:
            raise ValueError(
                f"languages: {unknown or list(codes)!r}: give ISO 639-1 codes of the languages that the encoder reads, "
                f"or any; known: {', '.join(sorted(_SCRIPTS))}"
            )
        self.codes = codes
        self.scripts = None if ANY in codes else frozenset(script for code in codes for script in _SCRIPTS[code])

    def __repr__(self) -> str:
        return f"Languages({list(self.codes)})"

    def foreign(self, text: str) -> str:
        """The first character that is not readable; empty if all are."""
        if text.isascii():
            return "" if self.scripts is None or "LATIN" in self.scripts else _first_letter(text)
        greek = 0
        # letter by letter: normalising a long run of combining marks at once takes quadratic time
        for char in (part for letter in text for part in unicodedata.normalize("NFKC", letter)):
            script = _script(char)
            greek = greek + 1 if script == "GREEK" else greek if script in _COMMON else 0
            is_word = greek > _SYMBOLS or (greek > 0 and bool(unicodedata.decomposition(char)))  # or has an accent
            if script == "UNREADABLE" or (is_word and not self._has("GREEK")):
                return char
            if script not in ("", "GREEK") and script not in _COMMON and not self._has(script):
                return char
        return ""

    def _has(self, script: str) -> bool:
        return self.scripts is None or script in self.scripts


def _first_letter(text: str) -> str:
    return next((char for char in text if char.isalpha()), "")


@lru_cache(maxsize=65536)
def _script(char: str) -> str:
    """The first word of a letter's or digit's name, which is its script; empty for what belongs to all scripts."""
    kind = unicodedata.category(char)
    if kind in ("Cn", "Co") or char == "\N{REPLACEMENT CHARACTER}":
        return "UNREADABLE"
    if kind[0] not in "LMN" or (char.isascii() and not char.isalpha()):
        return ""
    name = unicodedata.name(char, "")
    script = name.replace("-", " ").partition(" ")[0]
    if kind in ("No", "Nl") and script not in ("CJK", "IDEOGRAPHIC", "HANGZHOU"):
        return ""  # fractions and the like, which have no script
    return script
