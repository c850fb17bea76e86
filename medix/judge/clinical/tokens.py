# ruff: noqa: RUF001 - multiplication signs are read here
"""Reads a short clinical text as a sequence of tokens: words in their normal form, quantities, symbols, breaks."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from medix.judge.clinical.characters import cleaned
from medix.judge.clinical.lexicon import (
    ABBREVIATED,
    BEFORE_ARTICLE,
    GRADED,
    NAMED_BY_LETTER,
    NUMBERS,
    ORDINALS,
    ROMAN,
    SCALES,
)
from medix.judge.clinical.numbers import NUMBER, SCALE, Number, in_words, parse
from medix.judge.clinical.spelling import base_form
from medix.judge.clinical.units import read_unit

WORD, NUMERIC, SYMBOL, BREAK = "word", "number", "symbol", "break"
NO, YES = "no,", "yes,"
"""Replies, which negate and affirm nothing that follows."""


class Token(NamedTuple):
    """One token.

    Attributes:
        kind: word, number, symbol or break.
        key: equal for equal tokens; of a break, ``|`` after a sentence and ``,`` within one.
        raw: the word in lower case as it is written; the key of other tokens.
    """

    kind: str
    key: str
    raw: str


@dataclass(slots=True)
class _Piece:
    """A word, number or symbol as written.

    Attributes:
        kind: as of a token.
        text: as written.
        end: where it ends in the text.
        spaced: whether white space or the beginning of the text stands before it.
        number: of a number.
    """

    kind: str
    text: str
    end: int
    spaced: bool
    number: Number | None = None


_SYMBOLS = r""".,;:!?()\[\]{}|/+\-%<>=≤≥°×±·*'"~^#$@\\_`"""
_WORD = re.compile(rf"[^\s\d{_SYMBOLS}]+(?:'[^\s\d{_SYMBOLS}]+)*'?")
_SPACES = re.compile(r"[^\S\n]{2,}|\t")
_TWO_SIGNS = {"<=": "≤", ">=": "≥", "=<": "≤", "=>": "≥", "->": "→", "<-": "←", "''": "''", "--": "-"}
_SLASHED = re.compile(r"\b(?:w/o\b|b/l\b|[hr]/o\b|c/w\b|w/(?=\s))|(?<!\S)[-+]ve\b", re.IGNORECASE)
# C5-6, C5/6 and C5-C6 are one level; V1-4 and V1-V4 one series
_SPINAL = re.compile(r"\b([CTLS])(\d{1,2}) ?[-/] ?([CTLS]?)(\d{1,2})\b(?![.,]\d)", re.IGNORECASE)
_SERIES = re.compile(r"\b([A-Za-z]{1,3})(\d{1,3}) ?- ?(?:\1)?(\d{1,3})\b(?![.,/]\d)", re.IGNORECASE)
_POWER_OF_WORD = re.compile(r"(?<=[^\W\d])\^(?=\d)")
_SUFFIX = re.compile(r"(?i:st|nd|rd|th)(?![^\W_])")
_ROMAN_LETTER = re.compile(r"(I{2,3}|IV|VI{0,3}|I?X|I)([A-Fa-f])")
_NUMERALS = frozenset(("II", "III", "VI", "VII", "VIII", "IX", "XI", "XII", "XIII"))  # IV is also intravenous
_BREAKS = dict.fromkeys(".;:!|\n", "|") | dict.fromkeys(",()[]{}=_`", ",")
_COMPARED = {("less", "than"): "<", ("fewer", "than"): "<", ("smaller", "than"): "<", ("more", "than"): ">",
             ("greater", "than"): ">", ("larger", "than"): ">", ("at", "least"): "≥", ("at", "most"): "≤"}  # fmt: skip
_CONTINUES_REPLY = frozenset(["there", "it", "this", "that", "the", "they", "he", "she", "we", "i", "these", "those"])
_POLARITY = {"+": "positive", "-": "negative"}


def read(text: str) -> list[Token]:
    """The tokens of a text in order."""
    pieces = _pieces(_prepared(text))
    _connect(pieces)
    tokens: list[Token] = []
    index, is_quoted = 0, False
    while index < len(pieces):
        piece = pieces[index]
        if piece.kind == WORD:
            index = _read_word(pieces, index, tokens)
        elif piece.kind == NUMERIC:
            assert piece.number is not None
            tokens.append(_token(NUMERIC, piece.number.key))
            index += 1
        else:
            if piece.text != '"' or not is_quoted:  # of inches, or opening
                _read_symbol(pieces, index, tokens)
            is_quoted = is_quoted or piece.text == '"'
            index += 1
    return tokens


def _token(kind: str, key: str) -> Token:
    return Token(kind, key, key)


def _prepared(text: str) -> str:
    text = _SPACES.sub(" ", cleaned(text))
    if "/" in text or "ve" in text or "VE" in text:
        text = _SLASHED.sub(lambda match: f" {ABBREVIATED.get(match.group().lower(), match.group())} ", text)
    if "/-" in text:
        text = text.replace("+/-", "±")
    if "^" in text:
        text = _POWER_OF_WORD.sub("", text)
    if "-" in text or "/" in text:
        text = _SPINAL.sub(lambda match: f"{match[1]}{match[2]}-{match[3] or match[1]}{match[4]}", text)
        text = _SERIES.sub(r"\1\2-\1\3", text)
    return text


def _pieces(text: str) -> list[_Piece]:
    pieces: list[_Piece] = []
    position, size, spaced = 0, len(text), True
    while position < size:
        char = text[position]
        if char.isspace():
            if char == "\n":
                pieces.append(_Piece(SYMBOL, char, position + 1, spaced=True))
            position, spaced = position + 1, True
            continue
        if char in _BEGINS_NUMBER and (match := NUMBER.match(text, position)):
            position = _read_number(text, match, pieces, spaced=spaced)
        elif match := _WORD.match(text, position):
            position = _read_letters(text, match, pieces, spaced=spaced)
        else:
            sign = text[position : position + 2]
            sign = sign if sign in _TWO_SIGNS else char
            position += len(sign)
            pieces.append(_Piece(SYMBOL, _TWO_SIGNS.get(sign, sign), position, spaced))
        spaced = False
    return pieces


_BEGINS_NUMBER = frozenset("0123456789.-+±")


def _read_number(text: str, match: re.Match[str], pieces: list[_Piece], *, spaced: bool) -> int:
    number, end = parse(match), match.end()
    suffix = _SUFFIX.match(text, end) if match["digits"] and match["digits"].isdigit() else None
    names = not spaced and bool(pieces) and pieces[-1].kind == WORD  # the 2 of T2 has no unit, the 8 of 12x8 has
    names = names and not (pieces[-1].text in "xX" and len(pieces) > 1 and pieces[-2].kind == NUMERIC)
    if suffix:
        end = suffix.end()
        number = Number(f"{int(match['digits']) if len(match['digits']) < 9 else match['digits']}th", None, number.sign)
    elif not names:
        if number.value is not None and (scale := SCALE.match(text, end)):
            number.value, end = number.value * SCALES[scale["word"].lower()], scale.end()
        number.unit, end = read_unit(text, end)
    pieces.append(_Piece(NUMERIC, match.group(), end, spaced, number))
    return end


def _read_letters(text: str, match: re.Match[str], pieces: list[_Piece], *, spaced: bool) -> int:
    """A word, or a number in words with its unit."""
    word = match.group().lower()
    found = in_words(text, match.start()) if word in _OPEN_NUMBERS else None
    if found is None:
        pieces.append(_Piece(WORD, match.group(), match.end(), spaced))
        return match.end()
    value, end = found
    unit, end = read_unit(text, end)
    pieces.append(_Piece(NUMERIC, word, end, spaced, Number(word, Fraction(value), unit=unit)))
    return end


_OPEN_NUMBERS = frozenset((*NUMBERS, *SCALES, "a"))


def _connect(pieces: Sequence[_Piece]) -> None:
    """Name what stands between two numbers, × or a range, and give the first the unit of the second."""
    for index in range(len(pieces) - 2, 0, -1):
        piece, before, after = pieces[index], pieces[index - 1], pieces[index + 1]
        if before.kind != NUMERIC:
            continue
        follows = after.kind == NUMERIC or (after.kind == WORD and index + 2 < len(pieces) and _is_label(pieces, index))
        lower = piece.text.lower()
        if not follows or lower not in _CONNECTORS:
            continue
        piece.kind, piece.text = SYMBOL, _CONNECTORS[lower]
        if after.number and before.number and before.number.unit is None:
            before.number.unit = after.number.unit


_CONNECTORS = {"x": "×", "×": "×", "*": "×", "by": "×", "-": "to", "to": "to"}


def _is_label(pieces: Sequence[_Piece], index: int) -> bool:
    """Whether a label such as L4 stands on both sides: L4 - S1, V1 to V4."""
    first, second = pieces[index + 1], pieces[index + 2]
    named = index > 1 and pieces[index - 2].kind == WORD and not pieces[index - 1].spaced
    return named and len(first.text) <= 3 and second.kind == NUMERIC and not second.spaced


def _word(pieces: Sequence[_Piece], index: int) -> str:
    return pieces[index].text.casefold() if 0 <= index < len(pieces) else ""


def _kind(pieces: Sequence[_Piece], index: int) -> str:
    return pieces[index].kind if 0 <= index < len(pieces) else BREAK


def _read_word(pieces: Sequence[_Piece], index: int, tokens: list[Token]) -> int:
    """Add the tokens of the word at an index; the index of what comes after it."""
    text = pieces[index].text
    word = text.casefold()
    if word not in _SPECIAL and text[0] not in "IVXivx":
        tokens.extend(_plain(text))
        return index + 1
    if word in {"the", "an"}:
        if len(pieces) == 1:
            tokens.append(_token(WORD, word))
    elif word == "a":
        if not _is_article(pieces, index, tokens):
            tokens.append(_token(WORD, word))
    elif word in ORDINALS:
        tokens.append(_token(NUMERIC, f"{ORDINALS[word]}th"))
    elif word in {"no", "yes"}:
        tokens.append(_token(WORD, _reply(pieces, index)))
    elif (compared := _COMPARED.get((word, _word(pieces, index + 1)))) and _kind(pieces, index + 2) == NUMERIC:
        tokens.append(_token(SYMBOL, compared))
        return index + 2
    elif word == "of" and _kind(pieces, index + 1) == NUMERIC and _kind(pieces, index - 1) == WORD:
        pass
    else:
        tokens.extend(_numeral(pieces, index, tokens) or _plain(text))
    return index + 1


_SPECIAL = frozenset(("the", "an", "a", "no", "yes", "of", *ORDINALS, *(first for first, _ in _COMPARED)))


@lru_cache(maxsize=65536)
def _plain(text: str) -> list[Token]:
    """The tokens of an ordinary word."""
    word = text.casefold()
    if word == "cannot":
        return [_token(WORD, "can"), _token(WORD, "not")]
    if word.endswith("n't"):
        stem = {"can't": "can", "won't": "will", "shan't": "shall"}.get(word, word[:-3])
        return [_token(WORD, stem), _token(WORD, "not")]
    if len(word) == 1 and unicodedata.category(word)[0] not in "LM":
        return [_token(SYMBOL, word)]
    if len(word) > 7 and word.startswith("non") and word not in {"nonsense", "nonetheless", "nonagenarian"}:
        return [_token(WORD, "non"), Token(WORD, base_form(word[3:]), word[3:])]
    if word in ABBREVIATED:
        return [_token(WORD, part) for part in ABBREVIATED[word].split()]
    # SARS is no plural; a letter is what it is
    if text[-1] in "Ss" and text[:-1].isupper() and len(text) <= 5:
        return [Token(WORD, word if text[-1] == "S" else word[:-1], word)]
    return [Token(WORD, base_form(word), word)]


def _numeral(pieces: Sequence[_Piece], index: int, tokens: Sequence[Token]) -> list[Token]:
    """A Roman numeral as a number, with the letter that may follow it: II, stage iv, IIIA. Empty for other words."""
    text = pieces[index].text
    if text[0] not in "IVXivx" or (_kind(pieces, index + 1) == NUMERIC and not pieces[index + 1].spaced):
        return []  # the V of V1 is a lead
    is_grade = _is_graded(tokens)
    if text in _NUMERALS or (is_grade and text.casefold() in ROMAN):
        return [_token(NUMERIC, str(ROMAN[text.casefold()]))]
    match = _ROMAN_LETTER.fullmatch(text.upper() if is_grade else text)
    if match and (is_grade or match[1] in {"II", "III"}):
        return [_token(NUMERIC, str(ROMAN[match[1].lower()])), _token(WORD, match[2].lower())]
    return []


def _is_graded(tokens: Sequence[Token]) -> bool:
    """Whether a word such as "stage" stands before, perhaps with other grades between: segments VI and VII."""
    for token in reversed(tokens[-7:]):
        if token.kind == WORD and len(token.key) > 1 and token.key not in {"and", "or", "to"}:
            return token.key in GRADED
    return False


def _is_article(pieces: Sequence[_Piece], index: int, tokens: Sequence[Token]) -> bool:
    """Whether an "a" is an article: "a fracture", not "type a dissection", "A, C", "A lines" or "A negative"."""
    if _kind(pieces, index + 1) != WORD:
        return False
    following = pieces[index + 1].text
    word = following.casefold()
    base = base_form(word)
    if base in {"negative", "positive", "and", "or", "is", "to", "plus"} or base in NAMED_BY_LETTER or base != word:
        return False
    if len(following) == 1 and following.isalpha():
        return False
    return not tokens or tokens[-1].kind == BREAK or tokens[-1].key in BEFORE_ARTICLE


def _reply(pieces: Sequence[_Piece], index: int) -> str:
    """``no`` where it negates what follows, ``no,`` and ``yes,`` where they answer."""
    word = _word(pieces, index)
    following = _word(pieces, index + 1)
    ends = _kind(pieces, index + 1) != WORD and following not in {"", "-"} and not following[-1:].isdigit()
    if word == "yes":
        return YES
    return NO if ends or not following or following in _CONTINUES_REPLY else "no"


def _read_symbol(pieces: Sequence[_Piece], index: int, tokens: list[Token]) -> None:
    text = pieces[index].text
    before = pieces[index - 1] if index else None
    after = pieces[index + 1] if index + 1 < len(pieces) else None
    is_glued = before is not None and not pieces[index].spaced
    if text in _BREAKS:
        tokens.append(_token(BREAK, _BREAKS[text]))
    elif text in "+-":
        found = _sign(text, before, after, pieces, index)
        if found and found[0].kind == WORD and tokens and before is not None and before.text == "(":
            tokens.pop()  # HER2 (+) is HER2+
        tokens.extend(found)
    elif text in "'\"":
        if is_glued and before is not None and before.kind == NUMERIC:
            tokens.append(_token(SYMBOL, text))
    elif text == "*" and not is_glued:
        tokens.append(_token(BREAK, ","))
    else:
        tokens.append(_token(SYMBOL, text))


def _sign(text: str, before: _Piece | None, after: _Piece | None, pieces: Sequence[_Piece], index: int) -> list[Token]:
    """What a plus or a minus between two pieces is: a hyphen, a dash, a result such as HER2+, or a symbol."""
    spaced = pieces[index].spaced
    ends = after is None or (after.kind == SYMBOL and after.text in ").,;:]!")
    if before is None:
        return [_token(SYMBOL, text)]
    is_count = before.kind == NUMERIC and (before.spaced or index < 2 or pieces[index - 2].kind != WORD)
    if ends and not is_count:
        return [_token(WORD, _POLARITY[text])]
    if after is None or text == "+":
        is_result = after is not None and not spaced and after.spaced and not is_count and before.kind != SYMBOL
        return [_token(WORD, "positive") if is_result else _token(SYMBOL, text)]
    if spaced:
        return [_token(BREAK, ",") if after.spaced else _token(SYMBOL, text)]
    if not after.spaced:
        # T-score-2.5 may be negative
        is_number = after.kind == NUMERIC and "." in after.text
        return [_token(SYMBOL, text)] if is_number else []
    if before.kind == NUMERIC or before.text.isupper():
        return [_token(WORD, "negative")]
    return [] if after.text in {"and", "or", "to"} else [_token(SYMBOL, text)]
