"""What a reader sees of a completion, whole and while it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.completion_parts import CompletionPart, completion_parts
from medix.modality import ModalitySet

MODALITIES = ModalitySet()


def parts(text: str, *, is_whole: bool = True) -> list[tuple[str, str]]:
    return [(part.kind, part.text) for part in completion_parts(text, MODALITIES, is_whole=is_whole)]


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        (
            "<X_RAY><think>The heart is small.</think><answer> smaller </answer>",
            [("modality", "X_RAY"), ("reasoning", "The heart is small."), ("answer", "smaller")],
        ),
        (" <x_ray>\n<THINKING>a</THINKING>", [("modality", "X_RAY"), ("reasoning", "a")]),
        ("<HER2> is high", [("text", "<HER2> is high")]),
        ("left", [("text", "left")]),
        ("a<answer>b</answer>c<answer>d", [("text", "a"), ("answer", "b"), ("text", "c"), ("answer", "d")]),
        ("<think></think> \n", []),
        ("", []),
    ],
)
def test_parts_of_a_whole_completion(completion: str, expected: list[tuple[str, str]]) -> None:
    assert parts(completion) == expected


def test_what_may_be_the_beginning_of_a_tag_is_kept_back_until_it_is_known() -> None:
    assert parts("<X_R", is_whole=False) == []
    assert parts("a < b <ans", is_whole=False) == [("text", "a < b")]
    assert parts("a < b <ans") == [("text", "a < b <ans")]
    assert parts("caf\ufffd", is_whole=False) == [("text", "caf")]


PIECES = st.sampled_from(
    ["<X_RAY>", "<think>", "</think>", "<answer>", "</answer>", "<", ">", "a", " ", "\n", "</", "<an", "swer>", "é"]
)


@given(st.lists(PIECES, max_size=12).map("".join))
def test_the_parts_of_a_longer_text_continue_those_of_a_shorter_one(completion: str) -> None:
    before: list[CompletionPart] = []
    grown = [completion_parts(completion[:end], MODALITIES, is_whole=False) for end in range(len(completion) + 1)]
    for now in (*grown, completion_parts(completion, MODALITIES)):
        assert len(now) >= len(before)
        assert now[: max(0, len(before) - 1)] == before[:-1]
        if before:
            assert now[len(before) - 1].kind == before[-1].kind
            assert now[len(before) - 1].text.startswith(before[-1].text)
        before = now
