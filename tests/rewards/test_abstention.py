# ruff: noqa: RUF001 - apostrophes of all kinds are what is looked for
"""What an answer earns that says it does not know."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.scripted import ScriptedJudge
from medix.rewards.abstention import AbstentionAnswer
from medix.rewards.answer import PublishedAnswer
from medix.rewards.embedding import EmbeddingReward
from medix.rewards.judged import JudgeReward
from tests.rewards.test_answer import batch_of
from tests.support.components import BATCH, check_component
from tests.support.effort import processor_seconds
from tests.support.encoders import CountingEncoder

RULE = AbstentionAnswer(0.2)

ABSTAINING = (
    "I don't know", "I don’t know.", "I do not know", "No idea", "Unknown.", "UNKNOWN!", "I'm not sure", "unsure",
    "cannot be determined", "Cannot be determined.", "Can't be determined", "It can not be determined",
    "It cannot be reliably determined from the given image", "The laterality cannot be determined.",
    "The tumour grade cannot be determined based on the provided information", "Unable to assess",
    "unable to determine",
    "Sorry, but I cannot answer this question.", "Unfortunately, it is not possible to determine the diagnosis",
    "insufficient information", "There is not enough information in the image", "The diagnosis is unclear",
    "hard to say",
    "It is impossible to say without further imaging", "I cannot tell for sure", "more information is needed",
    "As an AI, I cannot provide medical advice", "I’m afraid that I can’t say", "  cannot \t be\ndetermined ",
    "\u200fcannot be determined\u200f", "**Cannot be determined**", "I have no idea", "It is unclear",
    "This is unknown",
    "The answer is not clear", "The question is unanswerable", "The correct diagnosis is uncertain",
    "The image lacks sufficient information", "The lung bases could not be assessed", "Further information is required",
)  # fmt: skip
ANSWERING = (
    "", ".", "?", "no", "none", "pneumonia", "No abnormality", "pneumonia, but I am not sure",
    "I don't know, maybe mass",
    "unknown primary", "carcinoma of unknown primary", "indeterminate", "indeterminate nodule", "inconclusive",
    "The gallbladder cannot be seen", "malignancy cannot be excluded", "cannot be identified", "unclear margins",
    "uncertain malignant potential", "not known to be malignant", "insufficient evidence of fracture",
    "A fracture, the age of which cannot be determined", "The age of the fracture cannot be determined; left rib",
    "do not know about a fracture", "不明",
    # findings, and what is to be done next
    "The right costophrenic angle is not clear", "The margins are unclear", "The left heart border is unclear",
    "The lung bases are not clear", "The optic disc is not clear", "The etiology is unknown", "The cause is not known",
    "The prognosis is uncertain", "The patient is unsure", "The patient does not know", "The patient cannot tell",
    "The child is unable to answer", "The tissue lacks sufficient detail", "Its origin is undetermined",
    "Additional imaging is required", "further imaging needed",
)  # fmt: skip


@pytest.mark.parametrize("text", ABSTAINING)
def test_a_text_that_says_nothing_but_that_it_does_not_know_abstains(text: str) -> None:
    assert RULE.abstains(text)


@pytest.mark.parametrize("text", ANSWERING)
def test_a_text_that_says_anything_else_is_an_answer(text: str) -> None:
    assert not RULE.abstains(text)


def test_an_abstention_earns_its_value_from_judge_and_encoder_and_neither_is_asked() -> None:
    judge, encoder = ScriptedJudge("YES"), CountingEncoder()
    batch = batch_of("<answer>I don't know.</answer>", "pneumonia")
    for reward in (JudgeReward(judge, RULE), EmbeddingReward(encoder, answer_rule=RULE)):
        assert reward.score(batch).value.tolist() == [0.2]
    assert judge.asked == encoder.calls == []
    assert JudgeReward(ScriptedJudge("NO")).score(batch).value.tolist() == [0.0]  # without the rule


def test_a_right_answer_a_wrong_one_and_none_are_graded_as_without_it() -> None:
    reward = JudgeReward(ScriptedJudge("NO", {"smaller": "YES"}), RULE)
    assert reward.score(BATCH).value.tolist() == [1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(("reference", "aliases"), [("Cannot be determined", ()), ("x", ("I do not know",))])
def test_where_the_reference_abstains_the_judge_is_asked(reference: str, aliases: tuple[str, ...]) -> None:
    judge = ScriptedJudge("YES")
    batch = batch_of("<answer>unknown</answer>", reference, aliases)
    assert JudgeReward(judge, RULE).score(batch).value.tolist() == [1.0]
    assert len(judge.asked) == 1


def test_further_phrases_count_in_any_language_by_their_words() -> None:
    rule = AbstentionAnswer(0.5, ["No sabe / no contesta", "我不知道", "पता नहीं"])
    for text in ("no sabe, no contesta.", "我不知道。", "पता नहीं!", "I don't know"):
        assert rule.abstains(text)
    for text in ("no sabe", "我知道", "पता नहा"):
        assert not rule.abstains(text)


def test_it_wraps_another_rule() -> None:
    rule = AbstentionAnswer(0.3, answer_rule=PublishedAnswer())
    batch = batch_of("no tags: none", "120 / 80.", ("alias",))
    assert rule.answers(batch) == [None]  # a colon is banned there
    assert rule.answers(batch_of("I do not know")) == ["I do not know"]
    assert rule.references(batch) == [("120 / 80",)]
    assert rule.settled("same", ["same"]) == 1.0
    assert rule.settled("unknown", ["same"]) == 0.3
    assert rule.settled("unknown", ["unknown"]) == 1.0


@given(st.text(max_size=300))
def test_no_text_raises(text: str) -> None:
    assert isinstance(RULE.abstains(text), bool)


@pytest.mark.parametrize("piece", ["I think ", "based on the image ", "cannot ", " from the image", "the a b ", " "])
def test_a_long_text_takes_no_time(piece: str) -> None:
    texts = [(piece * length)[:length] + "!" for length in (190, 1900, 50_000)]
    assert not any(map(RULE.abstains, texts))
    assert (
        processor_seconds(lambda: list(map(RULE.abstains, texts))) < 5.0
    )  # of processor time: a few milliseconds; quadratic work takes minutes


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_value_that_is_no_credit_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"AbstentionAnswer\.value: .*from 0 to 1"):
        AbstentionAnswer(value)


@pytest.mark.parametrize(("phrases", "told"), [("unknown", "give a list"), (["a", " ! "], "contains no word")])
def test_phrases_that_cannot_be_are_refused(phrases: list[str], told: str) -> None:
    with pytest.raises(ValueError, match=rf"AbstentionAnswer\.phrases: .*{told}"):
        AbstentionAnswer(0.1, phrases)


def test_the_contract_is_kept_by_a_component_with_the_rule(tmp_path: Path) -> None:
    spec = """
        class_path: medix.rewards.JudgeReward
        init_args: {answer_rule: {class_path: medix.rewards.abstention.AbstentionAnswer,
                                  init_args: {value: 0.2, phrases: [smaller]}}}
    """
    reward = JudgeReward(answer_rule=AbstentionAnswer(0.2, ["larger"]))
    assert reward.score(BATCH).value.tolist() == [1, 0.2, 1, 0, 0, 0]
    check_component(reward, spec, tmp_path)


def test_the_name_tells_rules_apart_that_may_call_another_answer_right() -> None:
    """A credit below 1 is never right, however high it is."""
    assert RULE.name == AbstentionAnswer(0.5).name == "AbstentionAnswer over StrictAnswer"
    others = (
        AbstentionAnswer(0.2, answer_rule=PublishedAnswer()), AbstentionAnswer(0.2, ["keine Ahnung"]),
        AbstentionAnswer(0.2, ["keine Ahnung"], PublishedAnswer()), AbstentionAnswer(0.2, answer_rule=RULE),
        AbstentionAnswer(1), AbstentionAnswer(1, ["keine Ahnung"]),
    )  # fmt: skip
    assert len({RULE.name, *(rule.name for rule in others)}) == 7
    assert AbstentionAnswer(0.2, ["b", "a"]).name == AbstentionAnswer(0.3, ["A!", "b"]).name
