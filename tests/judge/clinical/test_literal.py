"""What must agree to the letter, and signs that reverse a finding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.clinical.literal import is_literally_same, literal, signs, signs_differ
from medix.judge.clinical.text import differs, is_same


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Rh -", ("-",)), ("Rh-", ("-",)), ("HER2 +", ("+",)), ("-ve", ("-",)), ("ER (+), PR (-)", ("+", "-")),
        ("T-score:-2.5", ("-",)), ("T-score: 2.5", ()), ("X-ray", ()), ("well-defined", ()), ("T2-weighted", ()),
        ("COVID-19", ()),
        ("- oedema\n- effusion", ()), ("T1-T5", ("-",)), ("5\u20137 mm", ("-",)), ("T2*", ("*",)),
        ("**bold** text", ()),
        ("<= 5 mm", ()), ("\u2b06", ("\u2191",)),
    ],
)  # fmt: skip
def test_a_hyphen_is_a_sign_only_where_it_can_be_one(text: str, expected: tuple[str, ...]) -> None:
    assert signs(text) == expected


def test_opposed_signs_differ_also_among_other_words() -> None:
    assert signs_differ("TSH \u2191 today", "\u2193 TSH") == "signs: \u2191 against \u2193"
    assert signs_differ("HER2 +", "HER2 positive") is None
    assert signs_differ("ER + PR -", "PR - ER +") is None
    assert differs("Gram + cocci", "Gram - cocci") == "signs: + against -"


@pytest.mark.parametrize(
    ("one", "other"),
    [("O +", "O -"), ("Rh+", "Rh-"), ("3+", "3-"), ("patient \u2642", "patient \u2640"), ("T2*", "T2"),
     ("stage 3a lung cancer", "stage 3 lung cancer"), ("type a dissection", "type dissection"), ("A C", "C"),
     ("A negative", "negative"), ("left \u2192 right shunt", "left \u2190 right shunt")],
)  # fmt: skip
def test_the_exact_judge_keeps_signs_and_letters_that_specify(one: str, other: str) -> None:
    assert not is_same(one, other)


def test_an_article_is_still_one() -> None:
    assert is_same("A fracture", "fracture")
    assert is_same("there is a mass", "there is mass")


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_is_looked_at_and_both_ways_alike(one: str, other: str) -> None:
    assert is_literally_same(one, other) == is_literally_same(other, one)
    assert (signs_differ(one, other) is None) == (signs_differ(other, one) is None)
    assert literal(literal(one)) == literal(one) or literal(one).startswith("the ")
