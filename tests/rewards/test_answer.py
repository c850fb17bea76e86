"""What is graded."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.rewards import AnswerRule, PublishedAnswer, RewardBatch, StrictAnswer
from medix.rewards.answer import without_space_around_marks
from tests.support.components import BATCH, rows_of
from tests.support.effort import processor_seconds


def batch_of(completion: str, reference: str = "r", aliases: tuple[str, ...] = ()) -> RewardBatch:
    return replace(rows_of(BATCH, [0]), completions=[completion], references=[reference], aliases=[aliases])


def answer(rule: AnswerRule, text: str) -> str | None:
    return rule.answers(batch_of(text))[0]


class Shortened(AnswerRule):
    """A rule of one's own that asks another one."""

    def __init__(self, inner: AnswerRule) -> None:
        self.inner = inner

    def answers(self, batch: RewardBatch) -> list[str | None]:
        return [text and text[:9] for text in self.inner.answers(batch)]


def test_a_rule_that_asks_another_one_has_that_in_its_name() -> None:
    assert [rule.name for rule in (StrictAnswer(), PublishedAnswer())] == ["StrictAnswer", "PublishedAnswer"]
    assert Shortened(Shortened(PublishedAnswer())).name == "Shortened over Shortened over PublishedAnswer"


def test_strict_takes_exactly_one_answer() -> None:
    strict = StrictAnswer()
    assert answer(strict, "<answer> 2 </answer>") == "2"
    assert answer(strict, "Ratio <answer>1:2</answer>") == "1:2"
    for text in ("smaller", "", "<answer></answer>", "<answer>a</answer><answer>b</answer>"):
        assert answer(strict, text) is None
    assert strict.references(batch_of("", "r", ("s", " "))) == [("r", "s")]
    assert strict.references(batch_of("", " ")) == [()]
    assert strict.settled("r", ["r"]) is None


@pytest.mark.parametrize(
    ("completion", "expected"),
    [
        ("smaller", "smaller"),
        ("<answer>a1</answer><answer>b1</answer>", "a1"),
        ("<thinking><answer>in</answer></thinking><answer>out</answer>", "in"),
        ("<answer> .5 mm. </answer>", "5 mm"),
        ("< answer > 120 / 80 mmHg </ answer >", "120/80 mmHg"),
        ("<answer>2</answer>", None),
        ("<answer></answer>", None),
        ("<answer>Ratio 1:2</answer>", None),
        ("<answer>what?</answer>", None),
        ("<answer>a__b</answer>", None),
        ("<ANSWER>up</ANSWER>", "<ANSWER>up</ANSWER>"),
    ],
)
def test_published_takes_the_first_answer_or_everything_and_bans_signs(completion: str, expected: str | None) -> None:
    assert answer(PublishedAnswer(), completion) == expected


def test_published_cleans_the_reference_less_and_knows_no_alias() -> None:
    """White space around / goes from the completion only, so that 120 / 80 never equals itself."""
    published = PublishedAnswer()
    assert published.references(batch_of("", "120 / 80.", ("s",))) == [("120 / 80",)]
    assert published.settled("a", ["a"]) == 1.0
    assert published.settled("A", ["a"]) is None


@given(st.text(alphabet="<>/ \n\tab", max_size=60))
def test_the_clean_up_is_that_of_the_pattern(text: str) -> None:
    assert without_space_around_marks(text) == re.sub(r"\s*(<|>|/)\s*", r"\1", text)


def test_the_clean_up_is_linear_in_white_space() -> None:
    assert processor_seconds(lambda: without_space_around_marks(" " * 200_000 + "<")) < 5.0
