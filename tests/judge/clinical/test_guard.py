"""What texts must agree in before their similarity may earn credit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.clinical.guard import Comparison, compare, differs
from medix.judge.clinical.text import is_same
from tests.judge.clinical.pairs import CROSSED, SAME, generated_crossed, generated_same, pairs
from tests.support.effort import processor_seconds

# The encoder sees these: whether their words replace each other is not for the guard to say
LEFT_TO_THE_ENCODER = {("sin fractura", "con fractura")}

AGREEING = """
heart attack|Myocardial infarction; no fracture|without fracture; no fracture|fracture is absent; T2WI|T2-WI
no evidence of fracture|no fracture; no fracture|negative for fracture; a nodule|one nodule; both lungs|bilateral lungs
neither fracture nor dislocation|no fracture or dislocation; no fracture, no mass|no fracture and no mass
X-ray|radiograph; not absent|present; Optic tract|optic tracts; left- and right-sided|bilateral
left pleural effusion|pleural effusion on the left; femur fracture|fracture of the femur
RUQ pain|right upper quadrant pain; diabetes mellitus type 2|diabetes type 2; consistent with pneumonia|pneumonia
Alzheimer's|Alzheimer's disease; calcified nodule|nodule with calcification; T2 hyperintense|hyperintense on T2
tuberculosis|positive for tuberculosis; CT|computed tomography; MI|myocardial infarction; no mass seen|no mass
"""


@pytest.mark.parametrize(("one", "other"), pairs(SAME) + pairs(AGREEING))
def test_texts_that_may_mean_the_same_are_left_to_the_encoder(one: str, other: str) -> None:
    assert differs(one, other) is None
    assert differs(other, one) is None


@pytest.mark.parametrize(("one", "other"), pairs(CROSSED))
def test_facts_are_never_crossed(one: str, other: str) -> None:
    if (one, other) in LEFT_TO_THE_ENCODER:
        assert compare(one, other).rest
    else:
        assert differs(one, other)
        assert differs(other, one)


def test_pairs_generated_from_rules_are_told_apart() -> None:
    assert [pair for pair in generated_same() if differs(*pair)] == []
    assert [pair for pair in generated_crossed() if not (differs(*pair) and differs(*pair[::-1]))] == []


@pytest.mark.parametrize(
    ("one", "other", "fault"),
    [
        ("3", "2", "number: 3 against 2"),
        ("5 mm", "5 cm", "number: 0.005 m against 0.05 m"),
        ("120/80 mmHg", "120/0 mmHg", "number: 120/80 x 133.322 Pa against 120/0 x 133.322 Pa"),
        ("left lung", "right lung", "laterality: left against right"),
        ("smaller", "larger", "opposites: smaller against larger"),
        ("fracture", "no fracture", "negation: none against not"),
        ("T1", "T2", "number: t1 against t2"),
        ("left cyst, right stone", "left stone, right cyst", "order: of cyst, stone"),
        ("melanoma", "melanoma in situ", "only in one: situ"),
        ("abduction", "adduction", "opposites: abduction against adduction"),
        ("ureter", "urethra", "other words: ureter against urethra"),
        ("MRI", "CT", "abbreviations: mri against ct"),
        ("lesion 🔴", "lesion 🟢", "symbols: 🔴 against 🟢"),
    ],
)
def test_the_fault_is_named(one: str, other: str, fault: str) -> None:
    assert compare(one, other) == Comparison(fault)


@pytest.mark.parametrize(
    ("one", "other", "rest"),
    [
        ("femoral neck fracture", "femoral shaft fracture", ("neck", "shaft")),
        ("kidney stone", "renal calculus", None),
        ("kidney disease", "renal disease", ("kidney", "renal")),
        ("the 5 mm kidney cysts", "renal cyst of 5 mm", ("kidney", "renal")),
    ],
)
def test_words_that_replace_each_other_must_be_similar_by_themselves(
    one: str, other: str, rest: tuple[str, str] | None
) -> None:
    assert compare(one, other) == Comparison(rest=rest)


def test_resolved_is_not_resolving_and_inflections_are_no_replacements() -> None:
    assert differs("resolved mass", "resolving mass")
    assert compare("stenotic valve", "stenosis of the valve") == Comparison()


PIECES = "no|left|right|5|mm|lung|nodule|in|of|or|and|absent|,|cyst|stone|CT"
WORDS = st.lists(st.sampled_from(PIECES.split("|")), max_size=9)


@given(WORDS, WORDS)
def test_texts_are_compared_both_ways_alike(one: list[str], other: list[str]) -> None:
    first, second = " ".join(one), " ".join(other)
    assert (differs(first, second) is None) == (differs(second, first) is None)
    assert differs(first, first) is None or not first
    if is_same(first, second):
        assert compare(first, second) == Comparison()


@given(WORDS)
def test_a_negation_in_front_is_noticed(words: list[str]) -> None:
    text = " ".join(word for word in words if word not in {"no", "absent", ",", "or", "and"})
    if text:
        assert differs(f"no {text}", text)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_two_texts_are_compared(one: str, other: str) -> None:
    assert (differs(one, other) is None) == (differs(other, one) is None)


@pytest.mark.parametrize(
    "part", ["a", "1 ", "no ", "left ", "cyst stone ", "not absent ", "and ", "5 mm, ", "word%d ", "CT "]
)
def test_time_grows_with_the_length_and_not_with_its_square(part: str) -> None:
    def seconds(length: int) -> float:
        repeats = length // len(part)
        text = "".join(part % number for number in range(repeats)) if "%d" in part else part * repeats
        return processor_seconds(lambda: differs(text, "no 5 mm left word of a cyst"))

    short = seconds(3_000)
    assert seconds(12_000) < 10 * short + 0.2
