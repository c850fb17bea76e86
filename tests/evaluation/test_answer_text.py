"""The answer in a completion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.answer_text import AnswerText, answer_text
from medix.grammar import parse
from medix.modality import ModalitySet

PAPER = ModalitySet()


def read(completion: str, *, has_images: bool = True, needs_tags: bool = False) -> AnswerText:
    return answer_text(completion, PAPER, has_images=has_images, needs_tags=needs_tags)


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("<X_RAY><think>a</think><answer> left </answer>", "left"),
        ("left", "left"),
        ("<think>right?</think>\n\nleft", "left"),
        ("right?</thinking> left", "left"),  # the chat template opened the reasoning
        ("<think>a</think> b <think>c</think> left", "left"),
        ("<X_RAY> left", "left"),
        ("The answer is <5 mm", "The answer is <5 mm"),
        ("<think>it does not end", None),
        ("<think>a</think><think>it does not end", None),
        ("<answer>left</answer> or <answer>right</answer>", None),
        ("<answer></answer>", None),
        ("<think>a</think><answer>left", None),  # cut off
        ("<think>a</think>", None),
        ("  ", None),
    ],
)
def test_answers(completion: str, answer: str | None) -> None:
    assert read(completion).answer == answer


def test_a_prompt_that_asks_for_tags_has_no_answer_without_them() -> None:
    assert read("left", needs_tags=True).answer is None
    assert read("<think>a</think>left", needs_tags=True).answer is None


def test_tag_and_format_are_those_of_training() -> None:
    whole = "<CT_SCAN><think>a</think><answer>left</answer>"
    assert read(whole) == AnswerText("left", "CT_SCAN", True)
    assert read(whole, has_images=False) == AnswerText("left", "CT_SCAN", False)
    assert read("<think>a</think><answer>left</answer>", has_images=False) == AnswerText("left", None, True)
    assert read("<CT_SCAN>a</think><answer>left</answer>") == AnswerText("left", "CT_SCAN", True)


@given(
    st.lists(st.sampled_from(["<answer>", "</answer>", "<think>", "</think>", "<CT_SCAN>", "left", " "]), max_size=9)
)
def test_with_tags_needed_the_answer_is_that_of_training(parts: list[str]) -> None:
    completion = "".join(parts)
    if completion.find("</think>") >= 0 and "<think>" not in completion[: completion.find("</think>")]:
        completion = f"<think>{completion}"
    assert read(completion, needs_tags=True).answer == parse(completion, PAPER, expects_tag=True).answer
