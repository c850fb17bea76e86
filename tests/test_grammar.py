"""One parser of completions: what was found, and what was wrong."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.grammar import Fault, parse
from medix.modality import ModalitySet

MODALITIES = ModalitySet()
NAMES = st.sampled_from(list(MODALITIES))
BLANK = st.text(alphabet=" \n\t", max_size=3)
PART = ("<think", "</think", "<answer", "</answer")
TEXT = st.text(min_size=1, max_size=30).filter(
    lambda text: bool(text.strip()) and not any(part in text.lower() for part in PART) and "<" not in text
)


@given(NAMES, TEXT, TEXT, BLANK, st.sampled_from(["think", "thinking", "THINK"]))
def test_what_was_written_is_read_back(name: str, reasoning: str, answer: str, blank: str, word: str) -> None:
    completion = f"{blank}<{name}>{blank}<{word}>{reasoning}</{word}>{blank}<answer>{blank}{answer}</answer>{blank}"
    parsed = parse(completion, MODALITIES)
    assert parsed.is_well_formed
    assert (parsed.modality, parsed.reasoning, parsed.answer) == (name, reasoning.strip(), answer.strip())


@given(NAMES, TEXT, TEXT)
def test_a_text_only_completion_is_the_same_without_the_tag(name: str, reasoning: str, answer: str) -> None:
    rest = f"<think>{reasoning}</think><answer>{answer}</answer>"
    assert parse(rest, MODALITIES, expects_tag=False).is_well_formed
    assert parse(rest, MODALITIES).faults == (Fault.NO_TAG,)
    assert parse(f"<{name}>{rest}", MODALITIES, expects_tag=False).faults == (Fault.UNEXPECTED_TAG,)


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for expects_tag in (True, False):
        parsed = parse(text, MODALITIES, expects_tag=expects_tag)
        assert parsed.is_well_formed == (not parsed.faults)
        assert parsed.answer is None or parsed.answer.strip() == parsed.answer != ""


FRAGMENTS = [
    "<X_RAY>",
    "<x_ray>",
    "<BRAIN>",
    "<think>",
    "</think>",
    "<thinking>",
    "</thinking>",
    "<answer>",
    "</answer>",
    "a",
    " ",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_an_answer_is_found_exactly_when_one_is_opened_closed_and_not_empty(text: str) -> None:
    parsed = parse(text, MODALITIES)
    wrong = {Fault.NO_ANSWER, Fault.SEVERAL_ANSWERS, Fault.EMPTY_ANSWER}
    assert (parsed.answer is None) == bool(wrong & set(parsed.faults))
    if text.count("<answer>") > 1:
        assert Fault.SEVERAL_ANSWERS in parsed.faults
    assert list(parsed.faults) == sorted(set(parsed.faults), key=list(Fault).index)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join))
def test_well_formed_means_the_whole_text_is_tag_reasoning_answer(text: str) -> None:
    if parse(text, MODALITIES).is_well_formed:
        assert text.count("<answer>") == text.count("</answer>") == 1
        assert text.lower().strip().startswith("<x_ray>")
        assert text.strip().endswith("</answer>")
        assert text.count("<think") == 1


@pytest.mark.parametrize(
    ("completion", "faults"),
    [
        ("", (Fault.NO_TAG, Fault.NO_REASONING, Fault.NO_ANSWER, Fault.TEXT_OUTSIDE)),
        ("smaller", (Fault.NO_TAG, Fault.NO_REASONING, Fault.NO_ANSWER, Fault.TEXT_OUTSIDE)),
        ("<BRAIN><think>r</think><answer>a</answer>", (Fault.UNKNOWN_TAG,)),
        ("<X_RAY><think></think><answer>a</answer>", (Fault.EMPTY_REASONING,)),
        ("<X_RAY><think> <b></b> </think><answer>a</answer>", (Fault.EMPTY_REASONING,)),
        ("<X_RAY><think>r</think><answer> </answer>", (Fault.EMPTY_ANSWER,)),
        ("<X_RAY><think>r</think><answer><CT_SCAN></answer>", (Fault.EMPTY_ANSWER,)),
        ("<X_RAY><answer>a</answer>", (Fault.NO_REASONING, Fault.TEXT_OUTSIDE)),
        ("<X_RAY><think>r<answer>a</answer>", (Fault.NO_REASONING, Fault.TEXT_OUTSIDE)),
        ("<X_RAY><think>r</think><answer>a", (Fault.NO_ANSWER, Fault.TEXT_OUTSIDE)),
        ("<X_RAY><think>r</think><answer>a</answer>!", (Fault.TEXT_OUTSIDE,)),
        ("<X_RAY>so<think>r</think><answer>a</answer>", (Fault.TEXT_OUTSIDE,)),
        ("<X_RAY><think>r</think>so<answer>a</answer>", (Fault.TEXT_OUTSIDE,)),
        ("<X_RAY><CT_SCAN><think>r</think><answer>a</answer>", (Fault.TEXT_OUTSIDE,)),
        ("<X_RAY><answer>a</answer><think>r</think>", (Fault.TEXT_OUTSIDE,)),
        ("<X_RAY><think>r</think><think>s</think><answer>a</answer>", (Fault.SEVERAL_REASONINGS, Fault.TEXT_OUTSIDE)),
        ("<X_RAY><think>r <answer>a</answer></think>", (Fault.TEXT_OUTSIDE,)),
    ],
)
def test_each_fault_is_named(completion: str, faults: tuple[Fault, ...]) -> None:
    assert parse(completion, MODALITIES).faults == faults


def test_two_answers_are_none_also_when_one_stands_in_the_reasoning_or_is_not_closed() -> None:
    for completion in (
        "<X_RAY><think>r</think><answer>a</answer><answer>b</answer>",
        "<X_RAY><think>maybe <answer>a</answer></think><answer>b</answer>",
        "<X_RAY><think>r</think><answer>a<answer>b</answer>",
    ):
        parsed = parse(completion, MODALITIES)
        assert parsed.answer is None
        assert Fault.SEVERAL_ANSWERS in parsed.faults
        assert parsed.modality == "X_RAY"


def test_a_tag_counts_only_as_the_first_text() -> None:
    assert parse("The scan: <X_RAY><think>r</think><answer>a</answer>", MODALITIES).modality is None
    assert parse("\n <x_ray><think>r</think><answer>a</answer>", MODALITIES).modality == "X_RAY"


def test_answers_with_signs_of_their_own_are_kept_whole() -> None:
    for answer in ("p < 0.05", "120 / 80 mmHg", "1:2", "B", "2", "5 > 3", "a?b"):
        assert parse(f"<X_RAY><think>r</think><answer>{answer}</answer>", MODALITIES).answer == answer


def test_a_look_alike_letter_does_not_make_a_tag() -> None:
    """U+017F is folded to s and U+212A to k by a case-blind match that is not limited to ASCII."""
    assert parse("<X_RAY><think>r</think><an\u017fwer>a</an\u017fwer>", MODALITIES).answer is None
    assert parse("<X_RAY><thin\u212a>r</thin\u212a><answer>a</answer>", MODALITIES).reasoning is None


@pytest.mark.parametrize(
    "part", ["<answer>", "<think>", "</answer>", "<answer", " ", "<", "<X_RAY>", "<think><answer>"]
)
def test_a_long_completion_is_read_in_linear_time(part: str) -> None:
    start = time.perf_counter()
    parse(part * (50_000 // len(part)), MODALITIES)
    assert time.perf_counter() - start < 1.0


def test_another_modality_set_has_other_tags() -> None:
    assert parse("<BRAIN><think>r</think><answer>a</answer>", ModalitySet(["BRAIN"])).is_well_formed


@pytest.mark.parametrize("markup", ["<br/>", '<b class="x">', "<img src=a>", "</p><br />"])
def test_markup_with_attributes_is_no_answer_either(markup: str) -> None:
    parsed = parse(f"<X_RAY><think>r</think><answer>{markup}</answer>", ModalitySet())
    assert parsed.answer is None
    assert Fault.EMPTY_ANSWER in parsed.faults


def test_a_comparison_is_not_markup() -> None:
    assert parse("<X_RAY><think>r</think><answer>< 5 mm, not > 3</answer>", ModalitySet()).answer == "< 5 mm, not > 3"
