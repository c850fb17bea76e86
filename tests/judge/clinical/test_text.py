"""Which texts are the same."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.clinical.text import is_same, normalise
from medix.judge.clinical.units import _EXACT
from tests.judge.clinical.pairs import CROSSED, SAME, generated_crossed, generated_same, pairs
from tests.support.effort import processor_seconds


@pytest.mark.parametrize(("one", "other"), pairs(SAME))
def test_another_writing_is_the_same(one: str, other: str) -> None:
    assert is_same(one, other)
    assert is_same(other, one)


@pytest.mark.parametrize(("one", "other"), pairs(CROSSED))
def test_another_fact_is_not(one: str, other: str) -> None:
    assert not is_same(one, other)
    assert not is_same(other, one)


def test_pairs_generated_from_rules_are_told_apart() -> None:
    """Some 160 pairs that are the same and 900 that are not."""
    refused = [pair for pair in generated_same() if not is_same(*pair)]
    credited = [pair for pair in generated_crossed() if is_same(*pair)]
    assert (refused, credited) == ([], [])


def test_pairs_written_before_they_were_read_stay_told_apart() -> None:
    """The three sets of BENCHMARKS.md: 1 or 0 for the same or not, and two texts, separated by tabs."""
    lines = Path(__file__).with_name("pairs.tsv").read_text(encoding="utf-8").strip("\n").split("\n")
    rows = [line.split("\t") for line in lines]
    assert len(rows) == 785
    assert [row for row in rows if is_same(row[1], row[2]) != (row[0] == "1")] == []


def test_a_number_with_one_unit_is_not_the_same_number_with_another() -> None:
    """Each of some 130 units with every other."""
    units = {unit: name for name, unit in _EXACT.items()}
    for one, other in itertools.combinations(units.values(), 2):
        assert not is_same(f"7 {one}", f"7 {other}"), (one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("", ""),
        (" ", " "),
        ("", "a"),
        ("+", "-"),
        ("?", "!"),
        ("कि", "का"),
        ("肺", "胃"),
        ("...", "a"),
        ("left \ue000", "left"),
    ],
)
def test_what_is_empty_or_other_signs_is_not_the_same(one: str, other: str) -> None:
    assert not is_same(one, other)


@pytest.mark.parametrize(
    "text", ["+", "-", "...", "(A)", "the", "an", "?", "\ud800", "\x00", "a", "'", "5", "\ue000", "|"]
)
def test_what_is_left_of_nothing_but_signs_is_still_an_answer(text: str) -> None:
    assert is_same(text, text)


NUMBERS = st.decimals(min_value=0, max_value=10_000, places=2, allow_nan=False).map(lambda d: format(d, "f"))


@given(NUMBERS, st.sampled_from(["mm", "mg", "mL", "%", "mmol/L", ""]), st.data())
def test_a_changed_digit_is_never_crossed_and_zeros_do_not_count(number: str, unit: str, data: st.DataObject) -> None:
    text = f"{number} {unit}"
    assert is_same(text, f"0{number}000{unit}")
    index = data.draw(st.sampled_from([index for index, char in enumerate(number) if char.isdigit()]))
    digit = data.draw(st.sampled_from([char for char in "0123456789" if char != number[index]]))
    assert not is_same(text, f"{number[:index]}{digit}{number[index + 1 :]} {unit}")


@given(
    st.integers(1, 9_999),
    st.sampled_from([("mm", "cm", 10), ("mg", "g", 1000), ("ml", "l", 1000), ("cm", "m", 100), ("s", "min", 60)]),
)
def test_a_quantity_is_the_same_in_another_unit(value: int, units: tuple[str, str, int]) -> None:
    small, large, factor = units
    assert is_same(f"{value * factor} {small}", f"{value} {large}")
    assert not is_same(f"{value} {small}", f"{value} {large}")


PIECES = "no|left|right|5|.5|mm|cm|a|the|lung|nodule|L4|-|/|:|,|1,000|two|hundred|x|isn't|%|<|(|)|grade|II|+|no,|and|or"
TEXTS = st.lists(st.sampled_from(PIECES.split("|")), min_size=1, max_size=10)


@given(TEXTS, TEXTS)
def test_texts_of_clinical_pieces_are_compared_both_ways_alike(one: list[str], other: list[str]) -> None:
    for glue in (" ", ""):
        first, second = glue.join(one), glue.join(other)
        assert is_same(first, first)
        assert is_same(first, second) == is_same(second, first)
        assert is_same(first, f"  {first} ".replace(" ", "  "))


@given(st.lists(st.sampled_from("no left lungs 5 mm fracture of the grade and bronchi without".split()), min_size=1))  # noqa: SIM905
def test_case_does_not_count_in_words_and_common_units(words: list[str]) -> None:
    text = " ".join(words)
    assert is_same(text, text.upper())
    assert is_same(text, text.title().replace(" Mm", " mm"))


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_read_and_equals_itself(one: str, other: str) -> None:
    assert is_same(one, one) == bool(one.strip())
    assert is_same(one, other) == is_same(other, one)


def test_an_unseen_pair_takes_microseconds() -> None:
    """At most 100 µs a pair on a quiet machine; ten times as much is allowed here, under the type checker and load."""
    texts = [f"{number} mm nodule in the left lower lobe" for number in range(400)]

    def compare() -> None:
        normalise.cache_clear()
        for one, other in itertools.pairwise(texts):
            is_same(one, other)

    assert processor_seconds(compare) / len(texts) < 1e-3
    assert len(normalise(texts[0]).words) == 6


LONG = [
    "a", "1", "1,", "1,000", "no ", "'", "5 x ", "< ", "mm/", " ", "can't ", "\x00\ud800", "twenty-", "1/", "५", "A.",
    "hundred thousand ", "one hundred thousand ", "-", "5-", "\u0301", "1.", "L4-", "+", "per cent ", "word%d ", "🔴",
    "β", "beta-1", "*", "*a", "\\boxed{", "&lt;", "10^", "1e9", "1/2 ", "a a ", "no, ", "left ", "\n", "- a\n", "II ",
    "5 mm ", "mm^2", "(", "_", "⁶", "1:", "{",
]  # fmt: skip


@pytest.mark.parametrize("text", ["no a," * 20_000, '5 "' * 30_000, "left, " * 20_000, "answe nswer" + " " * 100_000])
def test_a_hundred_thousand_characters_take_no_longer_each_than_ten_thousand(text: str) -> None:
    def seconds(text: str) -> float:
        return processor_seconds(lambda: normalise.__wrapped__(text))

    short = seconds(text[: len(text) // 10])
    assert seconds(text) < 40 * short + 0.2  # the square would be a hundred times as long


@pytest.mark.parametrize("part", LONG)
def test_time_grows_with_the_length_and_not_with_its_square(part: str) -> None:
    """Four times the text takes four times as long, sixteen times if it were the square."""

    def seconds(length: int) -> float:
        repeats = length // len(part)
        text = "".join(part % number for number in range(repeats)) if "%d" in part else part * repeats

        def unseen() -> None:
            normalise.cache_clear()
            is_same(text, "no 5 mm left word")

        return processor_seconds(unseen)

    short = seconds(3_000)
    assert seconds(12_000) < 10 * short + 0.1
