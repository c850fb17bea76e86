# ruff: noqa: RUF001 - this module normalises look-alike characters
"""Tokenises a short clinical text: words in their normal form, numbers with their units, and ends of clauses."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache

from medix.judge.clinical.words import (
    GRADED,
    NOT_PLURAL,
    NUMBER_WORDS,
    ORDINALS,
    ROMAN,
    SCALES,
    SINGULARS,
    UNITS,
)

CLAUSE_END = "|"
_CONTRACTIONS = re.compile(r"\b(can|won|shan|[a-z]+n)['’`]t\b", re.IGNORECASE)
_COMPARATORS = {"<": "<", ">": ">", "≤": "<=", "≥": ">=", "<=": "<=", ">=": ">="}
_KEPT_SYMBOLS = frozenset(".,:;/-+%<>=≤≥°×()'!?")
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹣－"), "-")


class _Characters(dict[int, str]):
    """A translation table that keeps letters, marks, digits and meaningful symbols, and replaces the rest by spaces.

    Combining marks are kept because many scripts write vowels as marks: replacing one would split a word.
    """

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        if kind[0] in "LM" or char in _KEPT_SYMBOLS:
            result = char
        elif kind == "Nd":
            result = str(unicodedata.decimal(char))
        elif kind == "Cf":
            result = ""  # joiners and direction marks are invisible
        elif kind[0] in "N":
            result = char
        else:
            result = " "
        self[code] = result
        return result


_CHARACTERS = _Characters(_DASHES)
_CHARACTERS[ord("⁄")] = "/"
_CHARACTERS[ord("’")] = _CHARACTERS[ord("`")] = "'"
_TOKEN = re.compile(
    r"""
    (?P<number>(?:(?<![\d.,])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+\.[0-9]+|\.[0-9]+|[0-9]+))
  | (?P<symbol><=|>=|[.,:;/\-+%<>=≤≥°×()'!?])
  | (?P<word>[^\s0-9.,:;/\-+%<>=≤≥°×()'!?][^\s.,:;/\-+%<>=≤≥°×()'!?]*)
    """,
    re.VERBOSE,
)
# NFKC would turn "1½" into 11/2 and "10⁶" into 106, so a space is inserted.
_MISSING_SPACE = re.compile(r"(?<=[0-9])(?=[¼-¾⅐-⅞⁰¹²³⁴-⁹])")
_IDENTIFIER = re.compile(r"([a-z]{1,4})([0-9]+)")
_NUMERALS = frozenset(("II", "III", "VI", "VII", "VIII", "IX", "XI", "XII", "XIII"))  # IV is also intravenous
_EXACT_DIGITS = 28  # a longer number is compared as written


@dataclass(frozen=True, slots=True)
class _Piece:
    """One token of the text as written."""

    kind: str
    text: str
    spaced: bool  # whether white space stands before it


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit, in the base unit of its dimension: 5 mm and 0.5 cm are one quantity."""

    value: str
    dimension: str = ""
    comparator: str = ""

    def __str__(self) -> str:
        return f"{self.comparator}{self.value}" + (f" ({self.dimension})" if self.dimension else "")


Token = str | Quantity


def read(text: str) -> tuple[list[Token], frozenset[str]]:
    """Words and quantities in order, with ``|`` at the end of a clause; and the identifiers in the text."""
    pieces = _pieces(text)
    return _tokens(pieces), _identifiers(pieces)


def _stream_safe(text: str) -> str:
    """Break up runs of more than 30 combining marks (Unicode's stream-safe text format, UAX 15): normalising a run
    takes quadratic time, and a completion may consist of nothing else.
    """
    if text.isascii():
        return text
    safe, run = [], 0
    for char in text:
        run = run + 1 if unicodedata.combining(char) else 0
        if run > _LONGEST_RUN:
            safe.append(_JOINER)
            run = 1
        safe.append(char)
    return "".join(safe)


_SAME_MARKS = str.maketrans({"⩽": "≤", "⩾": "≥", "≦": "≤", "≧": "≥", "™": "", "℠": ""})
_LONGEST_RUN = 30
_JOINER = "\u034f"  # combining grapheme joiner: marks are not reordered across it


def _pieces(text: str) -> list[_Piece]:
    text = _MISSING_SPACE.sub(" ", text)
    text = unicodedata.normalize("NFKC", _stream_safe(text).translate(_SAME_MARKS))
    text = _GREEK_RUN.sub(_spelled, text)
    text = _GREEK_NUMBER.sub(r"\1\2", text)
    text = _CONTRACTIONS.sub(_expand, text)
    text = re.sub(r"(?<=[A-Za-z])\^(?=[0-9])", "", text)  # cm^2 is cm2; 10^6 is not 106
    text = text.translate(_CHARACTERS)
    pieces, end = [], 0
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "symbol"
        pieces.append(_Piece(kind, match.group(), match.start() > end or match.start() == 0))
        end = match.end()
    return pieces


_LETTERS = (
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"),
    *("nu", "xi", "omicron", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
)
# a final sigma ends words only, so it stands between rho and sigma without a name of its own
_GREEK = dict(zip((*range(0x3B1, 0x3C2), *range(0x3C3, 0x3CA)), _LETTERS, strict=True))
_GREEK_RUN = re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]+")
# The number of a letter follows it: β2, beta-2, beta 2; not one with a unit or a decimal point, as in "TNF alpha 5 ng"
_GREEK_NUMBER = re.compile(
    rf"\b({'|'.join(_LETTERS)})(?:-?|[ ](?=\d[a-z]?\b))(\d{{1,2}})(?!\d|[.,]\d)"
    rf"(?![ -]?(?:[%°]|(?:{'|'.join(map(re.escape, sorted(UNITS)))})\b))",
    re.IGNORECASE,
)
GREEK_WORD = re.compile(rf"({'|'.join(_LETTERS)})(\d+[a-z]?)?")
"""The name of a Greek letter as ``read`` gives it, with a number that follows: beta2."""


def _spelled(match: re.Match[str]) -> str:
    """The names of one or two Greek letters, which are symbols; a longer run is a word, and the μ of a unit stays."""
    run, text = match.group(), match.string
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
    names = [_GREEK.get(ord(letter)) for letter in run.lower()]
    if len(run) > 2 or None in names or (run == "μ" and after.isalpha()):
        return run
    spelled = " ".join(filter(None, names))
    return f"{' ' * before.isalnum()}{spelled}{' ' * after.isalpha()}"


def _expand(match: re.Match[str]) -> str:
    stem = match[1].lower()
    return {"can": "can not", "won": "will not", "shan": "shall not"}.get(stem, f"{match[1][:-1]} not")


def _tokens(pieces: Sequence[_Piece]) -> list[Token]:
    tokens: list[Token] = []
    index = 0
    while index < len(pieces):
        kind = pieces[index].kind
        if kind == "symbol":
            tokens.extend(_read_symbol(pieces, index))
            index += 1
            continue
        if kind == "number":
            token, index = _read_quantity(pieces, index)
        else:
            token, index = _read_word(pieces, index, tokens)
        if token:
            tokens.append(token)
    return tokens


def _word(pieces: Sequence[_Piece], index: int) -> str:
    return pieces[index].text.casefold() if index < len(pieces) else ""


def _read_symbol(pieces: Sequence[_Piece], index: int) -> list[Token]:
    piece = pieces[index]
    following = pieces[index + 1] if index + 1 < len(pieces) else None
    if piece.text in ".,;:!?()":
        return [CLAUSE_END]
    if piece.text in "+-" and not piece.spaced and index and pieces[index - 1].kind == "word":
        # ER+ and HER2- state a result; "left- and right-sided" does not
        ends = following is None or following.spaced or following.kind == "symbol"
        stem = pieces[index - 1].text
        if ends and piece.text == "+":
            return ["positive"]
        if ends and (any(map(str.isdigit, stem)) or stem.isupper()):
            return ["negative"]
    if piece.text in _COMPARATORS and (following is None or following.kind != "number"):
        return [_COMPARATORS[piece.text]]
    return []


def _read_quantity(pieces: Sequence[_Piece], index: int) -> tuple[Token, int]:
    """A number, a ratio such as 120/80, an ordinal such as 1st, or the second level of L4-5."""
    level = _level(pieces, index)
    if level:
        return level, index + 1
    comparator, sign = _before(pieces, index)
    value = _plain(pieces[index].text)
    is_ratio = False
    index += 1
    while index + 1 < len(pieces) and pieces[index].text in {"/", ":"} and pieces[index + 1].kind == "number":
        value += pieces[index].text + _plain(pieces[index + 1].text)
        is_ratio = True
        index += 2
    if index < len(pieces) and not pieces[index].spaced and value + _word(pieces, index) in ORDINALS:
        return ORDINALS[value + _word(pieces, index)], index + 1
    unit, index = _read_unit(pieces, index)
    return _quantity(sign + value, unit, comparator, is_ratio=is_ratio), index


def _level(pieces: Sequence[_Piece], index: int) -> str:
    """The second level of "L4-5" or "L4/5", which is L5 and not a number; empty for other numbers."""
    if index < 2 or pieces[index].spaced or pieces[index - 1].text not in "-/" or pieces[index - 2].kind != "word":
        return ""
    match = _IDENTIFIER.fullmatch(_word(pieces, index - 2))
    return match[1] + pieces[index].text if match else ""


def _before(pieces: Sequence[_Piece], index: int) -> tuple[str, str]:
    """The comparator and the sign before a number."""
    sign = ""
    if index and pieces[index - 1].text == "-" and not pieces[index].spaced:
        # a minus sign follows white space, an opening bracket or a comparator; between digits or letters it is a hyphen
        before = pieces[index - 2].text if index > 1 else ""
        if pieces[index - 1].spaced or before in {"", "(", "="} or before in _COMPARATORS:
            sign = "-"
            index -= 1
    if index and pieces[index - 1].text in _COMPARATORS:
        return _COMPARATORS[pieces[index - 1].text], sign
    return "", sign


def _plain(number: str) -> str:
    """A number without grouping commas and superfluous zeros, and with a digit before the decimal point."""
    whole, _, part = number.replace(",", "").partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def _read_unit(pieces: Sequence[_Piece], index: int) -> tuple[str, int]:
    """The unit of a number, empty if it has none, and the index of the next piece."""
    unit, after = _written_unit(pieces, index)
    return (unit, after) if after > index else (_unit_ahead(pieces, index), index)


def _written_unit(pieces: Sequence[_Piece], index: int) -> tuple[str, int]:
    """The unit right after a number: mm, -mm, mm Hg, mg/dl, per cent."""
    start = index
    if _word(pieces, index) == "per" and _word(pieces, index + 1) == "cent":
        return "%", index + 2
    if _word(pieces, index) == "-":
        index += 1
    unit = _unit_name(pieces, index)
    if not unit:
        return "", start
    index += 1
    if unit == "mm" and _word(pieces, index) == "hg":
        return "mmhg", index + 1
    if _word(pieces, index) == "/" and _unit_name(pieces, index + 1):
        return f"{unit}/{_unit_name(pieces, index + 1)}", index + 2
    return unit, index


def _unit_name(pieces: Sequence[_Piece], index: int) -> str:
    name = _word(pieces, index)
    return next((candidate for candidate in (name, singular(name)) if candidate in UNITS), "")


def _unit_ahead(pieces: Sequence[_Piece], index: int) -> str:
    """The unit after the last of several numbers, as in "5 x 3 x 2 cm" and "5-7 mm"."""
    for _ in range(3):
        connected = _word(pieces, index) in {"x", "×", "-", "to", "by"}
        if not connected or index + 1 >= len(pieces) or pieces[index + 1].kind != "number":
            return ""
        index += 2
        unit, after = _written_unit(pieces, index)
        if after > index:
            return unit
    return ""


def _quantity(value: str, unit: str, comparator: str, *, is_ratio: bool) -> Quantity:
    if not unit:
        return Quantity(value, "", comparator)
    (dimension, factor), *per = [UNITS[name] for name in unit.split("/")]
    with localcontext() as context:
        context.prec = 2 * _EXACT_DIGITS
        for below, divisor in per:
            dimension, factor = f"{dimension}/{below}", factor / divisor
        if is_ratio or len(value) > _EXACT_DIGITS:
            return Quantity(f"{value} by {factor.normalize():f}", dimension, comparator)
        return Quantity(format((Decimal(value) * factor).normalize(), "f"), dimension, comparator)


def _read_word(pieces: Sequence[_Piece], index: int, before: Sequence[Token]) -> tuple[Token, int]:
    """A word in its normal form, or the number it spells; empty for an article."""
    word = _word(pieces, index)
    if _is_article(pieces, index):
        return "", index + 1
    if word in NUMBER_WORDS:
        return _read_number_words(pieces, index)
    if word in ROMAN and before and before[-1] in GRADED:
        return Quantity(str(ROMAN[word])), index + 1
    return singular(word), index + 1


_LETTERED = frozenset(
    ("stage", "grade", "type", "class", "group", "vitamin", "hepatitis", "influenza", "haemophilia", "hemophilia",
     "factor", "category", "level", "zone")
)  # fmt: skip
"""Words followed by a letter as a label."""


def _is_article(pieces: Sequence[_Piece], index: int) -> bool:
    word = _word(pieces, index)
    if word in {"the", "an"}:
        return len(pieces) > 1
    # "hepatitis A" and "vitamin A" end in a letter, not in an article; so does a capital inside a sentence
    followed = index + 1 < len(pieces) and pieces[index + 1].kind != "symbol"
    if word != "a" or not followed:
        return False
    if index == 0:  # "A negative" is a blood group and "A C" are two options
        following = pieces[index + 1].text
        return following.lower() not in {"negative", "positive", "neg", "pos"} and not re.fullmatch("[A-Z]", following)
    # "stage 3a" and "type a dissection" end in a letter, not in an article
    follows_digit = not pieces[index].spaced and pieces[index - 1].kind == "number"
    return pieces[index].text == "a" and not follows_digit and _word(pieces, index - 1) not in _LETTERED


def _read_number_words(pieces: Sequence[_Piece], index: int) -> tuple[Token, int]:
    """``twenty-one``, ``one hundred and five``, ``two thousand``."""
    value, index = _below_thousand(pieces, index)
    if _word(pieces, index) in {"thousand", "million"}:
        scale = SCALES[_word(pieces, index)]
        rest, index = _after_scale(pieces, index + 1, _below_thousand)
        value = value * scale + rest
    unit, index = _read_unit(pieces, index)
    return _quantity(str(value), unit, "", is_ratio=False), index


def _below_thousand(pieces: Sequence[_Piece], index: int) -> tuple[int, int]:
    value, index = _below_hundred(pieces, index)
    if _word(pieces, index) == "hundred":
        rest, index = _after_scale(pieces, index + 1, _below_hundred)
        value = value * SCALES["hundred"] + rest
    return value, index


def _after_scale(
    pieces: Sequence[_Piece], index: int, reader: Callable[[Sequence[_Piece], int], tuple[int, int]]
) -> tuple[int, int]:
    """The rest of a number after "hundred" or "thousand", with or without "and"; 0 if none follows."""
    start = index + (_word(pieces, index) == "and")
    if NUMBER_WORDS.get(_word(pieces, start), 0) > 0:
        return reader(pieces, start)
    return 0, index


def _below_hundred(pieces: Sequence[_Piece], index: int) -> tuple[int, int]:
    value = NUMBER_WORDS[_word(pieces, index)]
    index += 1
    if value >= 20:
        start = index + (_word(pieces, index) == "-")
        ones = NUMBER_WORDS.get(_word(pieces, start), 0)
        if 0 < ones < 10:
            return value + ones, start + 1
    return value, index


@lru_cache(maxsize=65536)
def singular(word: str) -> str:
    """The singular of an English or Latin plural, by rule and by list; a comparison key, not always a real word."""
    if word in SINGULARS:
        return SINGULARS[word]
    if len(word) < 4 or not word.endswith("s") or word in NOT_PLURAL or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes", "zzes")):
        return word[:-2]
    return word[:-1]


def _identifiers(pieces: Sequence[_Piece]) -> frozenset[str]:
    """Levels, sequences and types: L4, L4-5 (as L4 and L5), T2 (also in T2WI), single capitals such as B, and VII."""
    found: set[str] = set()
    for index, piece in enumerate(pieces):
        match = _IDENTIFIER.match(piece.text.casefold()) if piece.kind == "word" else None
        if match is not None:
            found.add(match.group())
        elif piece.kind == "number" and _level(pieces, index):
            found.add(_level(pieces, index))
        elif piece.kind == "word" and _is_label(pieces, index):
            found.add(piece.text)
    return frozenset(found)


def _is_label(pieces: Sequence[_Piece], index: int) -> bool:
    """Whether a capital is a word of its own, as in "hepatitis B" or "option C"; not I, not an article, not X-ray. Or a
    Roman numeral that is not read as a number.
    """
    letter = pieces[index].text
    if letter in _NUMERALS:
        return index == 0 or _word(pieces, index - 1) not in GRADED
    if len(letter) != 1 or not letter.isupper() or letter == "I" or _word(pieces, index + 1) == "-":
        return False
    return not _is_article(pieces, index)
