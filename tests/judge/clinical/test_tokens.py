# ruff: noqa: RUF001 - multiplication signs are inputs here
"""A text as a sequence of words, numbers, symbols and breaks."""

import pytest

from medix.judge.clinical.tokens import read


def keys(text: str) -> list[str]:
    return [token.key for token in read(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The left lungs", ["left", "lung"]),
        ("5 mm", ["1/200 m"]),
        ("28x27 mm", ["7/250 m", "×", "27/1000 m"]),
        ("5 to 7 mm", ["1/200 m", "to", "7/1000 m"]),
        ("five-mm", ["1/200 m"]),
        ("L4-5", ["l", "4", "to", "l", "5"]),
        ("V1 to V4", ["v", "1", "to", "v", "4"]),
        ("T2N0M0", ["t", "2", "n", "0", "m", "0"]),
        ("stage IIIb", ["stage", "3", "b"]),
        ("segments VI and VII", ["segment", "6", "and", "7"]),
        ("IV contrast", ["iv", "contrast"]),
        ("2nd rib", ["2th", "rib"]),
        ("no pneumothorax", ["no", "pneumothorax"]),
        ("No, pneumothorax", ["no,", ",", "pneumothorax"]),
        ("no there is cardiomegaly", ["no,", "there", "is", "cardiomegaly"]),
        ("isn't", ["is", "not"]),
        ("w/o contrast", ["without", "contrast"]),
        ("noncontrast", ["non", "contrast"]),
        ("HER2+ ER-", ["her", "2", "positive", "er", "negative"]),
        ("fracture (-)", ["fracture", "negative", ","]),
        ("2+", ["2", "+"]),
        ("Gleason 3 + 4", ["gleason", "3", "+", "4"]),
        ("T-score:-2.5", ["t", "score", "|", "-5/2"]),
        ("T-score of -2.5", ["t", "score", "-5/2"]),
        ("T-score-2.5", ["t", "score", "-", "5/2"]),
        ("left- and right-sided", ["left", "and", "right", "sided"]),
        ("less than 5 mm", ["<", "1/200 m"]),
        ("type a dissection", ["type", "a", "dissection"]),
        ("there is a dissection", ["there", "is", "dissection"]),
        ("A lines", ["a", "line"]),
        ("SARS MRIs ribs", ["sars", "mri", "rib"]),
        ("3'UTR", ["3", "'", "utr"]),
        ("TSH ▲", ["tsh", "▲"]),
        ("C5 5 mm", ["c", "5", "1/200 m"]),
        ("T1 2 s", ["t", "1", "2 s"]),
        ("99mTc", ["99", "mtc"]),
        ("", []),
    ],
)
def test_a_text_is_read_token_by_token(text: str, expected: list[str]) -> None:
    assert keys(text) == expected


def test_a_word_keeps_how_it_was_written() -> None:
    assert [(token.key, token.raw) for token in read("Bronchi")] == [("bronchus", "bronchi")]
