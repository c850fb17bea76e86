# ruff: noqa: RUF001 - typographic dashes and brackets
"""Places where a text stands within another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.mention import end_of, goes_on_with_number, has_number, mentions, sign_after, words_of


@pytest.mark.parametrize(
    "within",
    [
        "5 mg", "It is 5 mg.", "(5 mg)", "“5  MG”", "Dose: 5 mg", "Answer:5 mg", "so\n5 mg", "In 2020,\n5 mg\n10 mg",
        "5 mg - the usual dose", "5 mg, daily", "5 mg; daily",
    ],
)  # fmt: skip
def test_a_number_stands_as_it_is_written(within: str) -> None:
    ((start, end),) = mentions("5 mg", within)
    assert within[start:end].casefold().split() == ["5", "mg"]


@pytest.mark.parametrize(
    "within",
    [
        "2.5 mg", "2,5 mg", ".5 mg", "0. 5 mg", "15 mg", "-5 mg", "- 5 mg", "−5 mg", "–5 mg", "+5 mg", ">5 mg",
        "> 5 mg", "≥\u00a05 mg", "<= 5 mg", "=5 mg", "±5 mg", "~5 mg", "≈ 5 mg", "1 5 mg", "1/5 mg", "1:5 mg", "2-5 mg",
        "2 – 5 mg",
        "2×5 mg", "2 * 5 mg", "10^5 mg", "\\pm 5 mg", "\\frac{1}{5 mg}", "＞5 mg", "1'5 mg", "1·5 mg",
        "5.0 mg", "5,5 mg", "5/2 mg", "5-10 mg", "5 10 mg", "5 mg/kg", "5 mg / kg", "5 mg·h", "5 mg^2", "5 mg-10 mg",
        "5 mg – 10 mg", "5 mg ± 1", "5 mg × 2", "5 mg, 10 mg", "5 mg %", "5 mg and a half", "5-mg", "5 mg \\times 2",
    ],
)  # fmt: skip
def test_a_part_of_another_number_is_none(within: str) -> None:
    assert not mentions("5 mg", within)
    assert not mentions("5 mg", f"It is {within}.")


@pytest.mark.parametrize(
    ("text", "within", "count"),
    [
        ("complete abortion", "An in-complete abortion", 0),
        ("left shunt", "Right-left shunt", 0),
        ("left shunt", "right–left shunt", 0),
        ("left shunt", "right/left shunt", 0),
        ("liver", "the liver–spleen ligament", 0),
        ("liver", "liver - as before", 1),
        ("liver", "- liver", 1),
        ("atrial flutter", "an atrial-flutter, an Atrial Flutter", 2),
        ("grade 2", "- grade 2", 1),
        ("grade 2", "grade -2", 0),
        ("grade 2", "grade 2.5", 0),
        ("vitamin B12", "vitamin B12-", 0),
        ("T-cell", "T cell, T–cell", 2),
        ("T cell", "T-cell", 1),
        ("T cell", "T - cell", 0),
        ("Gram + cocci", "Gram - cocci", 0),
        ("Gram + cocci", "Gram cocci", 0),
        ("Gram - rods", "Gram – rods", 1),
        ("Gram rods", "Gram - rods", 0),
        ("↓ calcium", "↑ calcium, calcium", 0),
        ("↓ calcium", "(↓) calcium", 1),
        ("calcium", "↑ calcium, (-) calcium", 0),
        ("calcium", "-> calcium", 1),
        ("HBsAg (-)", "HBsAg (+), HBsAg, HBsAg-negative", 0),
        ("HBsAg (-)", "HBsAg (−), HBsAg -", 2),
        ("HBsAg", "HBsAg (+), HBsAg-, HBsAg ↑", 0),
        ("legs > arms", "legs < arms, legs >= arms", 0),
        ("ER+, PR-", "ER-, PR+", 0),
        ("ER+, PR-", "ER+ / PR-", 1),
        ("post- and preganglionic", "post- and preganglionic", 1),
        ("10 %", "10%", 1),
        ("10 %", "10 mg", 0),
        ("10", "10%", 0),
        ("<5 mg", "< 5 mg", 1),
        ("<5 mg", "5 mg", 0),
        ("<5 mg", ">5 mg", 0),
        ("-1", "-1", 1),
        ("-1", "3 -1", 0),
        (".5 mg", "0.5 mg", 0),
        ("2.5 mg", "2 5 mg", 0),
        ("2.5 mg", "2. 5 mg", 0),
        ("2.5 mg", "2-5 mg", 0),
        ("2.5 mg", "2.5 mg", 1),
        ("5-10 mg", "5 - 10 mg", 1),
        ("2, 3, and 4", "2, 3, and 4.", 1),
        ("(2 mm)", "2 mm", 1),
        ("½ mg", "1 ½ mg", 0),
        ("...", "...", 0),
    ],
)  # fmt: skip
def test_signs_count_and_hyphens_only_where_they_join_another_word(text: str, within: str, count: int) -> None:
    assert len(mentions(text, within)) == count


@given(st.integers(0, 999), st.integers(0, 999), st.sampled_from("+-−–<>≤≥±~=^*/×.,·:"), st.booleans())
def test_neither_number_of_two_that_a_sign_joins_is_mentioned(one: int, other: int, sign: str, is_wide: bool) -> None:
    joined = f"{one} {sign} {other}" if is_wide else f"{one}{sign}{other}"
    assert not mentions(str(one), joined)
    assert not mentions(str(other), joined)


def test_a_text_ends_after_what_stands_between() -> None:
    within = "(A) the -5 mg"
    between = r"[\W_]*(?:the)?[\W_]*"
    assert end_of("-5 mg", within, 3, between) == len(within)
    assert end_of("5 mg", within, 3, between) is None
    assert end_of("-5 mg", within, 3, r"\s*") is None


def test_words_and_numbers() -> None:
    assert words_of("T2 Flair_x, 0.5") == ["t2", "flair", "x", "0", "5"]
    assert (has_number("½ left"), has_number("left")) == (True, False)
    assert goes_on_with_number("B, -5", 1)
    assert not goes_on_with_number("B\n5", 1)
    assert not goes_on_with_number("B of 5", 1)


@pytest.mark.parametrize(
    ("text", "sign"),
    [("5%", "%"), ("Cl-", "-"), ("HBsAg (-)", "-"), ("37 °.", "°"), ("liver.", ""), ("", ""), ("(gas)", "")],
)
def test_the_sign_after_a_text_is_no_bracket_or_full_stop(text: str, sign: str) -> None:
    assert sign_after(text) == sign
