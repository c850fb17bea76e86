# ruff: noqa: RUF001 - multiplication signs are inputs here
"""Numbers as written."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.clinical.numbers import NUMBER, in_words, parse
from medix.judge.clinical.units import unit_named


def key(text: str, unit: str = "") -> str:
    match = NUMBER.match(text)
    assert match
    assert match.end() == len(text)
    number = parse(match)
    number.unit = unit_named(unit) if unit else None
    return number.key


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", "5"), ("05", "5"), ("5.0", "5"), (".5", "1/2"), ("0,5", "1/2"), ("-2.5", "-5/2"), ("+2", "+2"),
        ("1,200", "1200"), ("1,234,567.5", "2469135/2"), ("1e3", "1000"), ("1e-3", "1/1000"), ("10^6", "1000000"),
        ("10^-2", "1/100"), ("2 x 10^3", "2000"), ("2×10^3", "2000"), ("1/2", "1/2"), ("1 1/2", "3/2"), ("3/4", "3/4"),
        ("120/80", "120/80"), ("1:100", "1:100"), ("1 : 100", "1:100"), ("2/6", "2/6"),
        # written as no number is, or with two readings: compared as written
        ("1,5", "1,5"), ("15,00", "15,00"), ("1.2.3", "1.2.3"), ("1,2,3", "1,2,3"), ("9" * 40, "9" * 40),
        ("0^-1", "0^-1"), ("9^999", "9^999"),
    ],
)  # fmt: skip
def test_a_number_is_read_in_one_way_or_kept_as_written(text: str, expected: str) -> None:
    assert key(text) == expected


def test_a_decimal_comma_is_read_where_a_unit_says_that_it_is_one_number() -> None:
    """1,5 cm is 15 mm; 1,500 mm is 1.5 m by the English grouping; 1,5 alone may be 1 and 5."""
    assert key("1,5", "cm") == key("15", "mm") == "3/200 m"
    assert key("1,500", "mm") == key("1500", "mm") != key("1.5", "mm")
    assert key("0,125", "mg") == key("0.125", "mg") != key("125", "mg")
    assert key("1,5") != key("1.5")


@given(st.integers(0, 10**12), st.integers(0, 12))
def test_a_decimal_fraction_is_exact(digits: int, places: int) -> None:
    text = f"{digits:0{places + 1}d}"
    text = f"{text[:-places]}.{text[-places:]}" if places else text
    assert Fraction(key(text)) == Fraction(digits, 10**places)


@given(st.integers(0, 999_999_999))
def test_numbers_in_words_are_those_in_digits(value: int) -> None:
    num2words = pytest.importorskip("num2words").num2words
    text = num2words(value).replace(",", "")
    assert in_words(text, 0) == (value, len(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a hundred", (100, 9)), ("a dozen", (12, 7)), ("twenty-one", (21, 10)), ("two three", (2, 3)),
     ("one one", (1, 3)),
     ("twenty twelve", (20, 6)), ("five and six", (5, 4)), ("onerous", None), ("a cyst", None), ("and one", None)],
)  # fmt: skip
def test_words_that_form_no_number_are_not_added_up(text: str, expected: tuple[int, int] | None) -> None:
    assert in_words(text, 0) == expected
