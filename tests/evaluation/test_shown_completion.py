"""A completion on a terminal and in a pipe."""

import io

import pytest

from medix.evaluation.shown_completion import ShownCompletion
from medix.modality import ModalitySet
from medix.plain_console import PlainConsole

WHOLE = "<X_RAY><think>The heart\nis small.</think><answer>smaller</answer>"
PLAIN = "modality     X_RAY\nreasoning    The heart\nis small.\nanswer       smaller\n"


def shown(*texts: str, **console: object) -> str:
    stream = io.StringIO()
    display = ShownCompletion(PlainConsole(file=stream, width=20, **console), ModalitySet())
    for text in texts[:-1]:
        display.grow(text)
    display.end(texts[-1])
    return stream.getvalue()


def test_growing_prints_what_the_whole_prints() -> None:
    grown = [WHOLE[:end] for end in range(len(WHOLE) + 1)]
    assert shown(WHOLE) == shown(*grown, WHOLE) == PLAIN


def test_each_growth_is_printed_at_once() -> None:
    stream = io.StringIO()
    display = ShownCompletion(PlainConsole(file=stream), ModalitySet())
    display.grow("<X_RAY><think>The heart")
    assert stream.getvalue().endswith("reasoning    The heart")


def test_a_terminal_tells_the_parts_apart_by_style_and_obeys_no_sequence_of_a_completion() -> None:
    text = shown(
        "<think>\x1b[2J\x1b]52;c;cm0=\x07</think><answer>\x1b[1mleft\u202e</answer>",
        force_terminal=True,
        color_system="truecolor",
    )
    assert "\x1b[2mreasoning" not in text
    assert "\x1b[2m␛[2J␛]52;c;cm0=\x1b[0m" in text
    assert "\x1b[1m␛[1mleft[U+202E]\x1b[0m" in text


@pytest.mark.parametrize("first", ["<answer>right", "<think>a</think><answer>le", "<answer>left</answer> more"])
def test_an_attempt_that_begins_anew_is_told(first: str) -> None:
    text = shown(first, "<answer>left</answer>")
    assert text.endswith("\n(begun again)\nanswer       left\n")


def test_an_empty_completion_prints_nothing() -> None:
    assert shown("", "") == ""
