"""What must agree to the letter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.clinical.literal import is_literally_same, literal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no", "No."), ("left  lung", "Left lung"), ("Pleural Effusion", "pleural effusion."), ("lung", "The lung"),
        ("caf\u00e9", "cafe\u0301"), ("5 mm", "5 mm"), ("T2-weighted", "T2-weighted"),
    ],
)  # fmt: skip
def test_spacing_a_last_point_and_first_capitals_do_not_matter(one: str, other: str) -> None:
    assert is_literally_same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("AA", "aa"), ("Aa", "aa"), ("mM", "mm"), ("5 mm", "0.5 cm"), ("No, fracture", "no fracture"), ("", ""),
        ("lung", "a lung"), ("PNEUMONIA", "pneumonia"), (".5", "5"), ("Rh -", "Rh +"), ("\u22645", "<=5"),
    ],
)  # fmt: skip
def test_whatever_else_differs_is_not_the_same(one: str, other: str) -> None:
    assert not is_literally_same(one, other)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_is_looked_at_and_both_ways_alike(one: str, other: str) -> None:
    assert is_literally_same(one, other) == is_literally_same(other, one)
    assert literal(literal(one)) == literal(one) or literal(one).startswith("the ")
