"""One question to a scripted model, and the verdict on its answer."""

import hashlib

import pytest

from medix.evaluation.decoding import Decoding
from medix.evaluation.model_arguments import Evaluated
from medix.evaluation.single_question import SingleAnswer, SingleQuestion, ask_one, verdict_lines, verdict_on
from medix.judge.exact import ExactJudge
from tests.support.evaluations import ScriptedModel
from tests.support.tiny import picture


def answer(completion: str | None, prompt: str = "medix", *pictures: bytes) -> tuple[SingleAnswer, list[str]]:
    evaluated = Evaluated(ScriptedModel(lambda ask: completion), prompt, Decoding(), {})  # type: ignore[arg-type]
    grown: list[str] = []
    return ask_one(evaluated, SingleQuestion("Which side?", pictures), grown.append), grown


def test_the_answer_is_read_as_that_of_an_evaluation() -> None:
    found, grown = answer("<X_RAY><think>a</think><answer>left</answer>", "medix", picture(1))
    assert found.read is not None
    assert (found.read.answer, found.read.tag, found.read.format_valid, found.reasoning) == ("left", "X_RAY", True, "a")
    assert grown == [found.reply.completion]


def test_a_prompt_that_asks_for_no_tags_has_a_plain_answer() -> None:
    plain, medix = answer("left", "plain")[0].read, answer("left")[0].read
    assert plain is not None
    assert medix is not None
    assert (plain.answer, medix.answer) == ("left", None)


def test_a_failure_is_no_answer() -> None:
    found, grown = answer(None)
    assert (found.read, found.reasoning, grown) == (None, "", [])
    assert found.reply.failure


def test_the_item_holds_the_pictures_and_their_hashes() -> None:
    (image,) = SingleQuestion("Which side?", (picture(1),)).item.images
    assert (image.data, image.sha256) == (picture(1), hashlib.sha256(picture(1)).hexdigest())
    with pytest.raises(ValueError, match="--question: is empty"):
        SingleQuestion(" ")


def test_bytes_that_are_no_text_are_refused_before_a_tokenizer_gets_them() -> None:
    with pytest.raises(ValueError, match=r"--question 'c\\udcf4t\\udce9\?': is not valid Unicode; write it in UTF-8"):
        SingleQuestion("côté?".encode("latin-1").decode("utf-8", "surrogateescape"))


@pytest.mark.parametrize(
    ("said", "references", "credit"), [("left", ["left"], 1.0), ("left", ["right"], 0.0), (None, ["left"], 0.0)]
)
def test_the_verdict_compares_with_the_references(said: str | None, references: list[str], credit: float) -> None:
    verdict = verdict_on(ExactJudge(), "Which side?", said, references)
    assert (verdict.credit, verdict.judge) == (credit, ExactJudge().identity)


def test_a_judge_is_named_only_where_there_was_an_answer_to_ask_it_about() -> None:
    lines = [verdict_lines(verdict_on(ExactJudge(), "Which side?", said, ["left"])) for said in ("right", None)]
    assert [one["verdict"] for one in lines] == ["NO", "NO"]
    assert ["judge" in one for one in lines] == [True, False]


def test_further_references_count() -> None:
    assert verdict_on(ExactJudge(), "Which side?", "left", ["right", "left"]).credit == 1.0
