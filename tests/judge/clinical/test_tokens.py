"""Reading numbers, units and words."""

import time

import pytest

from medix.judge.clinical.tokens import Quantity, read, singular


def quantities(text: str) -> list[Quantity]:
    return [token for token in read(text)[0] if isinstance(token, Quantity)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 mm", [Quantity("5", "length")]),
        (".5cm", [Quantity("5", "length")]),
        ("-3", [Quantity("-3")]),
        ("3-4", [Quantity("3"), Quantity("4")]),
        ("< 3 days", [Quantity("259200", "time", "<")]),
        ("2 x 3 x 4 cm", [Quantity("20", "length"), Quantity("30", "length"), Quantity("40", "length")]),
        ("120/80 mmHg", [Quantity("120/80 by 1", "pressure")]),
        ("2 mg/dl", [Quantity("0.02", "mass/volume")]),
        ("1st rib", []),
        ("type IV", [Quantity("4")]),
        ("IV contrast", []),
        ("L4-5", []),
        ("5 s", [Quantity("5", "time")]),
        ("5 apples", [Quantity("5")]),
        ("1e5", [Quantity("1")]),
        ("9" * 60, [Quantity("9" * 60)]),
        ("9" * 60 + " mm", [Quantity("9" * 60 + " by 1", "length")]),
    ],
)
def test_numbers_are_read_with_their_units(text: str, expected: list[Quantity]) -> None:
    assert quantities(text) == expected


def test_two_long_numbers_are_told_apart_by_their_last_digit() -> None:
    assert quantities("1" * 40 + "2") != quantities("1" * 40 + "3")


def test_identifiers_are_found_in_words_and_ranges() -> None:
    assert read("L4-5 and T2WI")[1] == {"l4", "l5", "t2"}
    assert read("option B")[1] == {"B"}
    assert read("A mass. I see X-ray")[1] == frozenset()


@pytest.mark.parametrize(
    ("plural", "one"),
    [("nodules", "nodule"), ("biopsies", "biopsy"), ("masses", "mass"), ("branches", "branch"), ("foci", "focus"),
     ("pelvis", "pelvis"), ("thrombus", "thrombus"), ("diabetes", "diabetes"), ("gas", "gas"), ("mass", "mass")],
)  # fmt: skip
def test_plurals_are_made_singular(plural: str, one: str) -> None:
    assert singular(plural) == one


@pytest.mark.parametrize("text", ["\u0301\u0316" * 25_000, "a" + "\u0323\u0301" * 25_000, "\u0f74\u0f71" * 25_000])
def test_marks_without_end_take_a_time_that_grows_with_their_number(text: str) -> None:
    """50,000 combining marks in an order that normalisation changes: seconds if a run of them is sorted as one."""
    start = time.process_time()
    read(text)
    assert time.process_time() - start < 3.0


def test_up_to_thirty_marks_compose_as_they_are() -> None:
    assert read("e\u0301de\u0300me") == read("\u00e9d\u00e8me")
    assert read("a" + "\u0316\u0301" * 15) == read("a" + "\u0316\u0301" * 15)
