"""One question of a person to a model: as an item of a task is asked, without a task."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from medix.evaluation.answer_text import AnswerText, answer_text
from medix.evaluation.completion_parts import completion_parts
from medix.evaluation.evaluated_model import Ask, Reply
from medix.evaluation.model_arguments import Evaluated
from medix.evaluation.tasks.item import Item, ItemImage
from medix.judge import outcome
from medix.judge.base import Judge
from medix.types import JudgeQuestion, Verdict


def check_text(key: str, text: str) -> None:
    """Refuse what no tokenizer reads: halves of characters, as bytes that are no UTF-8 arrive from a command line.

    Raises:
        ValueError: there is one.
    """
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{key} {ascii(text)[:80]}: is not valid Unicode; write it in UTF-8")


@dataclass(frozen=True, slots=True)
class SingleQuestion:
    """A question.

    Attributes:
        text: what is asked; markers (``<image>``) may place the pictures.
        pictures: encoded, in order; none for a question without a picture.
    """

    text: str
    pictures: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise ValueError("--question: is empty; write what is asked")
        check_text("--question", self.text)

    @property
    def item(self) -> Item:
        """The item that ``eval generate`` would ask, without references."""
        images = [ItemImage("", hashlib.sha256(data).hexdigest(), data) for data in self.pictures]
        return Item(
            id="question",
            cluster="question",
            question=self.text,
            references=(),
            choices=(),
            answer_index=None,
            modality=None,
            question_type="open",
            source="",
            subgroup={},
            images=tuple(images),
        )


@dataclass(frozen=True, slots=True)
class SingleAnswer:
    """What a model says.

    Attributes:
        reply: its completion, or why there is none.
        read: what the completion answers; None without one.
        reasoning: what it wrote as its reasoning.
    """

    reply: Reply
    read: AnswerText | None
    reasoning: str

    @property
    def notes(self) -> list[str]:
        """What is to be known beside the completion."""
        if self.read is None:
            return []
        cut = "the limit of tokens cut the completion off; see --max-tokens"
        found = [cut] if self.reply.finish_reason == "length" else []
        return [*found, "it does not have exactly one answer"] if self.read.answer is None else found


def ask_one(evaluated: Evaluated, question: SingleQuestion, on_text: Callable[[str], None]) -> SingleAnswer:
    """Ask one question.

    Args:
        evaluated: the model, which is asked with the prompt and the decoding of an evaluation.
        question: what is asked.
        on_text: called with all that is written so far, possibly from another thread.
    """
    item = question.item
    reply = evaluated.model.stream(Ask(item.id, item, 0), evaluated.decoding, on_text)
    if reply.completion is None:
        return SingleAnswer(reply, None, "")
    modalities = evaluated.model.prompting.modalities
    read = answer_text(
        reply.completion, modalities, has_images=bool(item.images), needs_tags=evaluated.prompt == "medix"
    )
    thoughts = [part.text for part in completion_parts(reply.completion, modalities) if part.kind == "reasoning"]
    return SingleAnswer(reply, read, "\n".join(thoughts))


def verdict_on(judge: Judge, question: str, answer: str | None, references: Sequence[str]) -> Verdict:
    """Whether an answer means what a reference does. Without an answer it is wrong, and the judge is not asked.

    Args:
        judge: is asked.
        question: what was asked.
        answer: what was answered.
        references: the reference, then other texts that count as it.
    """
    if answer is None:
        return Verdict.without_answer(judge.identity)
    (verdict,) = outcome.grade(judge, [JudgeQuestion(question, references[0], answer, tuple(references[1:]))])
    return verdict


def verdict_lines(verdict: Verdict) -> dict[str, str]:
    """What a reader is told of a verdict: ``verdict``, and as far as there are any ``because`` and ``judge``."""
    if verdict.credit is None:
        said = f"unscored: {verdict.reason}"
    else:
        said = {1.0: "YES", 0.0: "NO"}.get(verdict.credit, f"credit {verdict.credit:g}")
    lines = {"verdict": said, "because": verdict.explanation, "judge": verdict.judge if verdict.has_answer else ""}
    return {name: text for name, text in lines.items() if text}
