"""One parser of completions: what was found, and what was wrong."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.grammar import (
    Fault,
    closes_unopened_reasoning,
    from_first_visible,
    has_part_tag,
    is_control_token,
    opened_at_end,
    opening_tag,
    parse,
    with_prompt_prefix,
)
from medix.modality import ModalitySet
from tests.support.marks import INVISIBLE

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


@pytest.mark.parametrize(
    "token",
    ["<EOS>", "<eos>", "</s>", "<|im_end|>", "<|END_OF_TURN_TOKEN|>", "<end_of_turn>", "<unused12>",
     "<\uff5cend\u2581of\u2581sentence\uff5c>", "<|[END]|>", "<|<seg>|>", "</EOS>", "<|eot_id|>", "<unk>"],
)  # fmt: skip
def test_a_control_token_inside_a_part_is_a_fault_and_shows_in_the_answer(token: str) -> None:
    assert is_control_token(token)
    assert parse(f"<X_RAY><think>r</think><answer>le{token}ft</answer>", MODALITIES).faults == (Fault.CONTROL_TOKEN,)
    assert parse(f"<X_RAY><think>r {token}</think><answer>left</answer>", MODALITIES).faults == (Fault.CONTROL_TOKEN,)
    assert parse(f"<X_RAY><think>r</think><answer>le{token}ft</answer>", MODALITIES).answer == f"le{token}ft"


@pytest.mark.parametrize(
    "text",
    [
        "p<0.05 and x>3",
        "<b>left</b>",
        "<5 mm|>2",
        "a < B > c",
        "<X_RAY>, not <CT_SCAN>",
        "<HU>",
        "1<|x|<2",
        "<br/>",
        "<HER2> positive",
        "HLA-<B27>",
        "<TNM> stage",
        "<IMAGE> 1",
        "the <REDACTED> patient",
        "x<|y| or |z|>w",
        "<S> wave",
        "3 <|4|> 5",
        "<LESION>",
        "<PATIENT_NAME>",
        "<|b|>",
    ],
)
def test_signs_markup_and_modalities_are_no_control_tokens(text: str) -> None:
    assert parse(f"<X_RAY><think>see {text}</think><answer>a {text}</answer>", MODALITIES).is_well_formed


# Templates that open the reasoning.

REST = "It is on the left.</think><answer>left</answer>"


@pytest.mark.parametrize(
    ("completion", "prefix", "whole"),
    [
        (REST, "<think>", f"<think>{REST}"),
        (REST, "<think>\n", f"<think>\n{REST}"),
        (REST, "", REST),
        (f"<CT_SCAN> {REST}", "<think>", f"<CT_SCAN><think> {REST}"),
        (f"\n<ct_scan>{REST}", "<THINK>", f"\n<ct_scan><THINK>{REST}"),
        (f"<BRAIN> {REST}", "<think>", f"<think><BRAIN> {REST}"),  # not a tag of the set: text of the reasoning
        (f"<CT_SCAN><think>{REST}", "<think>", f"<CT_SCAN><think>{REST}"),  # the policy begins anew
        (REST, "<CT_SCAN><think>", f"<CT_SCAN><think>{REST}"),
        (f"<think>{REST}", "<CT_SCAN><think>", f"<CT_SCAN><think>{REST}"),
        (f"<think>{REST}", "<CT_SCAN>", f"<CT_SCAN><think>{REST}"),
        (
            f"so <answer>a</answer></think><think>{REST}",
            "<think>",
            f"<think>so <answer>a</answer></think><think>{REST}",
        ),
        ("still thinking", "<think>", "<think>still thinking"),
        ("", "<think>", "<think>"),
    ],
)
def test_what_the_prompt_holds_stands_where_the_grammar_has_it(completion: str, prefix: str, whole: str) -> None:
    assert with_prompt_prefix(completion, prefix, MODALITIES) == whole


@given(NAMES, TEXT, TEXT, BLANK)
def test_with_the_opening_in_the_prompt_a_completion_earns_what_it_earns_with_its_own(
    name: str, reasoning: str, answer: str, blank: str
) -> None:
    rest = f"{reasoning}</think><answer>{answer}</answer>"
    own = parse(f"<{name}>{blank}<think>{rest}", MODALITIES)
    for completion in (f"<{name}>{blank}{rest}", f"<{name}>{blank}<think>{rest}"):
        assert parse(with_prompt_prefix(completion, "<think>", MODALITIES), MODALITIES) == own


@pytest.mark.parametrize(
    ("text", "expected"),
    [(REST, True), (f"<think>{REST}", False), (f"<thinking>{REST}", True), ("left", False), ("<think>a", False),
     (f"<THINK>{REST}", False), (f"a</thinking><think>{REST}", True)],
)  # fmt: skip
def test_a_reasoning_that_is_closed_and_was_not_opened_is_found(text: str, expected: bool) -> None:
    assert closes_unopened_reasoning(text) is expected


@pytest.mark.parametrize(
    ("prompt", "tag"),
    [("assistant\n<think>\n", "<think>"), ("<thinking>", "<thinking>"), ("<think>\n\n</think>\n\n", ""), ("Think", ""),
     ("<think> step", "")],
)  # fmt: skip
def test_a_prompt_that_ends_with_an_opened_reasoning_is_found(prompt: str, tag: str) -> None:
    assert opened_at_end(prompt) == tag


@pytest.mark.parametrize("text", ["<think>", "a </Thinking> b", "cut <answer>", "</ANSWER>"])
def test_tags_of_parts_are_found_wherever_they_stand(text: str) -> None:
    assert has_part_tag(text)
    assert not has_part_tag(text.replace("<", "< "))


@pytest.mark.parametrize("mark", INVISIBLE, ids=ascii)
def test_a_reference_may_begin_with_what_nobody_sees_and_a_completion_may_not(mark: str) -> None:
    assert opening_tag(f"{mark} {mark}\n<CT_SCAN>\nleft") == "<CT_SCAN>"
    assert from_first_visible(f"{mark}l{mark}") == f"l{mark}"
    assert from_first_visible(mark) == ""
    completion = f"{mark}<X_RAY><think>r</think><answer>a</answer>"
    assert parse(completion, MODALITIES).is_well_formed == mark.isspace()


@pytest.mark.parametrize("text", ["-", "a", "\u0301", "\u4e00", "\U0001f44d", "\ue000", "<"])
def test_what_can_be_seen_is_no_mark(text: str) -> None:
    assert from_first_visible(f"{text} <CT_SCAN>") == f"{text} <CT_SCAN>"
    assert opening_tag(f"{text} <CT_SCAN>") == ""
