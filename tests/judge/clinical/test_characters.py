# ruff: noqa: RUF001 - look-alike characters are inputs here
"""One writing for each character."""

import pytest

from medix.judge.clinical.characters import cleaned, decorations, is_decoration, is_telling, unaccented
from tests.support.effort import processor_seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10⁶", "10^6"), ("10⁻⁶", "10^-6"), ("cm²", "cm^2"), ("Na⁺", "Na+"), ("Ca²⁺", "Ca2+"), ("CO₂", "CO2"),
        ("⁹⁹Tc", "99Tc"), ("1½", "1 1/2"), ("5㎝", "5cm"), ("38℃", "38°C"), ("Ⅲ", "III"), ("ﬁbrosis", "fibrosis"),
        ("lung\u200b", "lung"), ("β2", "beta2"), ("γδ T", "gamma delta T"), ("5 µm", "5 μm"), ("−2", "-2"), ("œ", "oe"),
        ("&lt;5 mm", "<5 mm"), ("&amp;", " and "), ("*left*", "left"), ("__left__", "left"), ("`left`", "left"),
        ("T2* and T1*", "T2* and T1*"), ("T2*", "T2*"), ("\\boxed{left}", "left"), ("Answer: left", " left"),
        ("• left", "; left"), ("- left\n- right", "; left\n; right"), ("-left", "-left"), ("- 5 mm", "- 5 mm"),
        ("५", "5"), ("1\u202f200", "1200"), ("肺。", "肺,"), ("TSH ▲", "TSH  ▲ "),
        ("mass 🦠", "mass  "), ("Tylenol™", "Tylenol"),
        ("\x00left\x07", " left "), ("left\nlung", "left\nlung"),
    ],
)  # fmt: skip
def test_writings_of_one_text_become_one(text: str, expected: str) -> None:
    assert cleaned(text) == expected


def test_symbols_that_say_something_are_kept_and_pictures_are_not() -> None:
    assert all(map(is_telling, "▲▼↑↓✗✓❌⊕♂∅≲\ue000\ufffd"))
    assert all(map(is_decoration, "🦠🔴"))
    assert decorations("• mass 🔴") == ("🔴",)
    assert decorations("mass") == ()


def test_accents_that_are_often_left_out_are_removed_and_other_letters_stay() -> None:
    assert unaccented("Ménière, Sjögren, façade") == "Meniere, Sjogren, facade"
    assert unaccented("año Å") == "año Å"


@pytest.mark.parametrize("text", ["\u0301\u0316" * 25_000, "a" + "\u0323\u0301" * 25_000, "\u0f74\u0f71" * 25_000])
def test_marks_without_end_take_a_time_that_grows_with_their_number(text: str) -> None:
    """50,000 combining marks in an order that normalisation changes: seconds if a run of them is sorted as one."""
    assert processor_seconds(lambda: cleaned(text)) < 3.0


def test_up_to_thirty_marks_compose_as_they_are() -> None:
    assert cleaned("e\u0301de\u0300me") == cleaned("\u00e9d\u00e8me")
    assert cleaned("a" + "\u0316\u0301" * 15) == cleaned("a" + "\u0316\u0301" * 15)
