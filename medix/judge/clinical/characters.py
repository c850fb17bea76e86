# ruff: noqa: RUF001 - this module searches for signs of all kinds
"""Characters of a text that are written in several ways, and symbols that say nothing."""

import html
import re
import unicodedata
from functools import lru_cache

from medix.judge.clinical.latex import plain_latex

_CONTROLS = dict.fromkeys({*range(32), 127} - {9, 10}, " ")
_INSIDE = re.compile(r"(?<=\w)[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+(?=\w)")  # a word is not put together again
_MARKS = frozenset("™℠®©\N{VARIATION SELECTOR-15}\N{VARIATION SELECTOR-16}")
_BULLET = re.compile(r"^[ \t]*(?:[•●○◦◉■□▪▫◆◇▶▷►▸▹➢➤➣❖\uf0a7-\uf0d8]|[-*](?=[ \t]+[^\W\d]))(?=[ \t])", re.MULTILINE)
# Names of symbols that say something of the text before them
_TELLING = re.compile(
    r"\b(?:PLUS|MINUS|CROSS|X|THUMBS?|SQUARED|CIRCLED|ARROWS?|ARROWHEAD|TRIANGLE|UPWARDS|DOWNWARDS|UP|DOWN|NO|NOT|PROHIBITED|"
    r"NEGATIVE|POSITIVE|LETTER|DIGIT|NUMBER|REGIONAL)\b"
)
_SAME = str.maketrans(
    dict.fromkeys("‐‑‒–—―−﹣－➖", "-") | dict.fromkeys("＋➕", "+")
    | dict.fromkeys("’‘‛′ʹʼ´`", "'") | dict.fromkeys("“”„‟«»", '"')
    | dict.fromkeys("⬆⇑🔼🡅", "↑") | dict.fromkeys("⬇⇓🔽🡇", "↓") | dict.fromkeys("⬅⇐", "←") | dict.fromkeys("➡⇒➜➔", "→")
    | dict.fromkeys("≈∼～", "~") | dict.fromkeys("⩽≦", "≤") | dict.fromkeys("⩾≧", "≥") | dict.fromkeys("⋅∙", "·")
    | {"″": "''", "…": " ", "⁄": "/", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "\u00ad": "", "™": "", "℠": ""}
)  # fmt: skip
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_FRACTION = re.compile(r"(?<=[0-9])(?=[¼-¾⅐-⅞])")
_GROUPED = re.compile(r"(?<=\d)[\u00a0\u202f\u2009\u2007](?=\d{3}(?!\d))")
_MIDDLE_DOT = re.compile(r"(?<=\d)[·∙](?=\d)(?!10[\^⁰-⁹⁻¹²³])")
_EMPHASIS = re.compile(r"(?<![\w*_`])(\*{1,3}|_{1,3}|`{1,3})(?=[^\s*_`])([^*_`\n]{0,2000}[^\s*_`])\1(?![\w*_`])")
_RAISED_TAG = re.compile(r"(?<=\w)<sup>([-+]?\d{1,3})</sup>", re.IGNORECASE)
_LOWERED_TAG = re.compile(r"(?<=[a-z])<sub>(\d{1,3})</sub>", re.IGNORECASE)
_MARKUP = re.compile(r"</?(?:b|i|u|p|br|em|strong|answer) ?/?>|(?<=[^\W\d_])\(s\)(?!\w)", re.IGNORECASE)
_ANNOUNCED = re.compile(
    r"[\s;]{0,9}(?:(?:(?:the|my)\s{1,3})?(?:final\s{1,3})?answer(?:\s{1,3}is)?\s{0,3}:|the\s{1,3}answer\s{1,3}is\b)",
    re.IGNORECASE,
)
_LONGEST_RUN = 30
_JOINER = "\u034f"  # combining grapheme joiner: marks are not reordered across it
GREEK_LETTERS = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"),
    *("nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
)
# a final sigma ends words only, so it stands between rho and sigma without a name of its own
_GREEK = dict(zip((*range(0x3B1, 0x3C2), *range(0x3C3, 0x3CA)), GREEK_LETTERS, strict=True))
_GREEK_RUN = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]+")
_ACCENTS = frozenset("\u0300\u0301\u0302\u0308\u030c\u0327")  # not the tilde nor the ring: ñ and å are other letters


def cleaned(text: str) -> str:
    """The text with one writing for each character, without markup and bullets; case and white space are kept.

    Powers are written with ``^``, Greek letters by name, symbols with a space on both sides.
    """
    if not text.isprintable():
        text = _INSIDE.sub(" \ufffd ", text).translate(_CONTROLS)
    if "&" in text:
        text = html.unescape(text).replace("&", " and ")
    if "\\" in text or "$" in text or "^{" in text:
        text = plain_latex(text)
    if not text.isascii():
        text = _plain(text)
    if ">" in text or "(s)" in text:
        text = _MARKUP.sub("", _LOWERED_TAG.sub(r"\1", _RAISED_TAG.sub(r"^\1", text)))
    if "*" in text or "_" in text or "`" in text:
        text = _EMPHASIS.sub(r"\2", text)
    if text[:1] in " \t-*" or "\n" in text:
        text = _BULLET.sub(";", text)
    announced = _ANNOUNCED.match(text) if "nswer" in text[:60].lower() else None
    return text[announced.end() :] if announced else text


def _plain(text: str) -> str:
    text = _BULLET.sub(";", text)
    text = _MIDDLE_DOT.sub(".", _GROUPED.sub("", text))
    text = _RAISED_RUN.sub(_raised, _FRACTION.sub(" ", text))
    text = unicodedata.normalize("NFKC", _stream_safe(text).translate(_SAME)).translate(_SAME)
    text = _GREEK_RUN.sub(_spelled, text)
    return text.translate(_CHARACTERS)


_RAISED_RUN = re.compile(r"[⁰¹²³⁴-⁹⁺⁻]+")


def _raised(match: re.Match[str]) -> str:
    """``10⁶`` is 10^6, ``cm²`` is cm^2, ``Na⁺`` is Na+, and ``⁹⁹Tc`` is 99Tc."""
    plain = match.group().translate(_SUPERSCRIPTS)
    before = match.string[match.start() - 1 : match.start()]
    is_power = before.isalnum() and plain.strip("+-") and plain[-1] not in "+-"
    return f"^{plain}" if is_power else plain


def _stream_safe(text: str) -> str:
    """Break up runs of more than 30 combining marks (Unicode's stream-safe text format, UAX 15): normalising a run
    takes quadratic time, and a completion may consist of nothing else.
    """
    safe, run = [], 0
    for char in text:
        run = run + 1 if unicodedata.combining(char) else 0
        if run > _LONGEST_RUN:
            safe.append(_JOINER)
            run = 1
        safe.append(char)
    return "".join(safe)


def _spelled(match: re.Match[str]) -> str:
    """The names of one or two Greek letters, which are symbols; a longer run is a word, and the μ of a unit stays."""
    run, text = match.group(), match.string
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    names = [_GREEK.get(ord(letter)) for letter in run.lower()]
    if len(run) > 2 or None in names or (run == "μ" and after.isalpha()):
        return run
    spelled = " ".join(filter(None, names))
    return f"{' ' * before.isalnum()}{spelled}{' ' * after.isalpha()}"


class _Characters(dict[int, str]):
    """A translation table that keeps letters, marks and ASCII, writes digits of all scripts alike, sets symbols apart,
    and replaces the rest, and symbols that are decoration, by spaces.

    Combining marks are kept because many scripts write vowels as marks: replacing one would split a word.
    """

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        if code < 128 or kind[0] in "LM" or char in "°×±≤≥·%‰'":
            result = char
        elif kind == "Nd":
            result = str(unicodedata.decimal(char))
        elif kind == "Cf":
            result = ""  # joiners and direction marks are invisible
        elif kind[0] == "N" or is_telling(char):
            result = f" {char} "
        else:
            result = "," if kind == "Po" and unicodedata.east_asian_width(char) in "WF" else " "
        self[code] = result
        return result


_CHARACTERS = _Characters()


@lru_cache(maxsize=4096)
def is_telling(char: str) -> bool:
    """Whether a symbol says something: arrows, crosses, mathematical signs; not bullets, trade marks and pictures.

    Private and unassigned characters and replacement characters count: nobody knows what they stand for.
    """
    kind = unicodedata.category(char)
    if kind in ("Co", "Cn") or char == "\N{REPLACEMENT CHARACTER}":
        return True
    if kind == "Sm" or char in "✓✔✗✘∅♀♂":
        return True
    return kind == "So" and not is_decoration(char)


def is_decoration(char: str) -> bool:
    """Whether a text means the same without this symbol: bullets, trade marks, pictures, ticks; not a cross, a letter
    in a square or a thumb down, nor a mathematical symbol.
    """
    if unicodedata.category(char) != "So" or char in "°\N{REPLACEMENT CHARACTER}" or unicodedata.decomposition(char):
        return char in _MARKS
    return not _TELLING.search(unicodedata.name(char, ""))


def decorations(text: str) -> tuple[str, ...]:
    """The decoration of a text in order, without bullets."""
    if text.isascii():
        return ()
    return tuple(char for char in _BULLET.sub(" ", text) if ord(char) > 127 and char not in _MARKS and _decorates(char))


@lru_cache(maxsize=4096)
def _decorates(char: str) -> bool:
    return unicodedata.category(char) == "So" and not is_telling(char)


def unaccented(text: str) -> str:
    """The text without the accents of Latin letters that are often left out: é, ö, ç; not ñ or å."""
    parts = unicodedata.normalize("NFD", _stream_safe(text))
    return unicodedata.normalize("NFC", "".join(char for char in parts if char not in _ACCENTS))
