# ruff: noqa: RUF001 - other scripts have look-alike characters
"""Which texts are in the scripts of an encoder's languages."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medix.rewards.languages import Languages

ENGLISH = Languages(["en"])


@pytest.mark.parametrize(
    "text",
    ["left lung", "caf\u00e9", "cafe\u0301 Me\u0301nie\u0300re", "\uff2c\uff25\uff26\uff34 lung", "5 \u00b5m",
     "\u03bcm", "\u03b2-blocker", "\u03b3\u03b4 T cells", "TGF-\u03b21", "5 mm", "1\u00bd, 10\u2076, T\u2082",
     "+", "?!", "\u2265 5 \u00b0C", "\u2160\u2161", "\ufb01brosis", "\u0142 \u00f8 \u00df", "lung\u200b", "",
     "\u2019", "x\u0304", "L4\u2013L5", "\U0001f44d"],
)  # fmt: skip
def test_english_reads_latin_letters_symbols_and_greek_letters_in_units(text: str) -> None:
    assert ENGLISH.foreign(text) == ""


@pytest.mark.parametrize(
    ("text", "char"),
    [
        ("左肺", "左"),
        ("左 lung", "左"),
        ("pneumonia (肺炎)", "肺"),
        ("левое", "л"),
        ("l\u0435ft", "\u0435"),  # a Cyrillic letter in a Latin word
        ("اليمين", "ا"),
        ("왼쪽", "왼"),
        ("ひだり", "ひ"),
        ("ﾋﾀﾞﾘ", "ヒ"),  # half-width
        ("हाँ", "ह"),
        ("αριστερός", "ι"),  # the third letter of a run: a word, no symbol
        ("\u0665 mm", "\u0665"),  # an Arabic digit
        ("〇", "〇"),
        ("left \ue000", "\ue000"),  # a private character
        ("le\ufffdt", "\ufffd"),
    ],
)
def test_english_does_not_read_other_scripts(text: str, char: str) -> None:
    assert ENGLISH.foreign(text) == char


def test_languages_decide_scripts() -> None:
    assert Languages(["zh"]).foreign("左肺，5") == ""
    assert Languages(["zh"]).foreign("CT") == "C"
    assert Languages(["zh", "en"]).foreign("左 lung CT") == ""
    assert Languages(["ja"]).foreign("左の肺はカメラー") == ""
    assert Languages(["ru"]).foreign("левое лёгкое 5 μм") == ""
    assert Languages(["el"]).foreign("αριστερός") == ""
    assert Languages(["any"]).foreign("左 левое αριστερός") == ""
    assert Languages(["any"]).foreign("\ue000") == "\ue000"
    assert Languages("en").codes == ("en",)


@settings(max_examples=50)
@given(st.text(max_size=40))
def test_any_text_is_judged_and_the_character_found_is_in_it(text: str) -> None:
    found = ENGLISH.foreign(text)
    assert found == "" or any(found in unicodedata.normalize("NFKC", letter) for letter in text)
    assert ENGLISH.foreign(f"left {text}") == found or "\u0370" <= text[:1] <= "\u03ff"


def test_a_text_that_consists_of_combining_marks_takes_linear_time() -> None:
    assert ENGLISH.foreign("a" + "\u0301\u0323" * 100_000) == ""


@pytest.mark.parametrize("codes", [["english"], [], ["en", "xx"]])
def test_an_unknown_language_is_refused_with_those_that_are_known(codes: list[str]) -> None:
    with pytest.raises(ValueError, match=r"languages: .* give ISO 639-1 codes .* or any; known: af, am, ar"):
        Languages(codes)
