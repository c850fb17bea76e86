"""A judge and a reward suite as scorers of inspect_ai (extra ``inspect``)."""

import asyncio
from collections.abc import Mapping
from typing import Any

from inspect_ai.scorer import Score, Scorer, Target, accuracy, mean, scorer, stderr
from inspect_ai.solver import TaskState

from medix.evaluation.answer_text import AnswerText, answer_text
from medix.evaluation.closed_rule import closed_words
from medix.judge.base import Judge
from medix.judge.clinical.literal import is_literally_same
from medix.judge.options import LETTERS, is_letter_and_text, lone_letter
from medix.modality import ModalitySet
from medix.rewards.columns import check_untagged
from medix.rewards.suite import RewardSuite
from medix.spec.spec_file import from_file
from medix.types import JudgeQuestion, Verdict


@scorer(metrics=[accuracy(), stderr()])
def medix_judge(judge: str) -> Scorer:
    """Whether the answer means the same as the target, by a judge of medix.

    The answer is the text in ``<answer>``, or what follows the reasoning where there is no such tag. A reply that holds
    no verdict, or a judge that is down, is ``Score.unscored`` with its reason, which inspect_ai leaves out of metrics
    and counts; a completion without an answer is wrong. Metrics with a unit of clustering: ``stderr(cluster="case")``.

    Args:
        judge: as ``--judge`` takes it: the file of a judge, a shipped part (``judge_served``), or a run's spec.

    A sample's target may be a list: any of it is enough. Where the sample has choices, a target that is the letter or
    the text of one stands for both, and the judge is shown the choices. "Y" is yes in answer to a closed question. Of
    the sample's metadata ``modality`` is read, the tag of its images.

    Raises:
        ValueError: the judge is not described by that file.
    """
    asked: Judge = from_file(Judge, "judge", judge)  # type: ignore[type-abstract]  # the spec names a class of it

    async def score(state: TaskState, target: Target) -> Score:
        read = _answer(state)
        metadata: dict[str, Any] = {"tag": read.tag, "format_valid": read.format_valid, "judge": asked.identity}
        if read.answer is None:
            return Score(value=0.0, explanation="the completion has no answer", metadata=metadata)
        if is_letter_and_text(read.answer, _choices(state)):  # choices are asked for by their letters
            letter = lone_letter(read.answer)
            credit = float(letter in {_letter(text, _choices(state)) for text in target})
            return Score(value=credit, answer=letter, explanation=f"choice {letter} is named", metadata=metadata)
        if lone_letter(read.answer) and (words := _closed(state, target, read.answer)):
            said, wanted = words
            return Score(value=float(said == wanted), answer=said, explanation=f"it says {said}", metadata=metadata)
        reference, *aliases = _references(state, target)
        question = JudgeQuestion(_question(state), reference, read.answer, tuple(aliases))
        verdict = await _verdict(asked, question)
        metadata |= {"reply": verdict.reply, "confidence": verdict.confidence}
        if verdict.credit is None:
            return Score.unscored(reason="judge", answer=read.answer, explanation=verdict.reason, metadata=metadata)
        return Score(
            value=verdict.credit, answer=read.answer, explanation=verdict.explanation or None, metadata=metadata
        )

    return score


@scorer(metrics={"*": [mean(), stderr()]})
def medix_rewards(rewards: str) -> Scorer:
    """The total of a reward suite as ``total``, and each of its components.

    A component that does not apply to a sample, or could not be scored, is NaN, which inspect_ai leaves out of its
    mean; where the total could not be scored, the whole sample is ``Score.unscored``.

    Args:
        rewards: the file of a suite, or a shipped part (``rewards_medical``). One with a ``normalisation`` needs the
            groups of training, and is refused.

    Target and metadata are as for ``medix_judge``; metadata may hold ``source`` too.

    Raises:
        ValueError: the file describes no suite, or one that normalises within groups.
    """
    suite = RewardSuite.from_spec(rewards)

    async def score(state: TaskState, target: Target) -> Score:
        reference, *aliases = _references(state, target)
        columns: dict[str, Any] = {
            "completions": [state.output.completion],
            "references": [reference],
            "questions": [_question(state)],
            "modalities": [_modality(state.metadata, suite.modalities)],
            "aliases": [tuple(aliases)],
            "sources": [str(state.metadata.get("source") or "")],
            "truncated": [state.output.stop_reason == "max_tokens"],
        }
        table = await asyncio.to_thread(lambda: suite.score(**columns))
        found = next(iter(table))
        answer = _answer(state).answer
        reasons = {name: one.reason for name, one in found.components.items() if one.reason}
        if found.total != found.total:
            return Score.unscored(
                reason="rewards",
                answer=answer,
                explanation="; ".join(f"{name}: {reason}" for name, reason in reasons.items()),
            )
        value = {"total": found.total, **{name: one.value for name, one in found.components.items()}}
        return Score(value=value, answer=answer, metadata={"unscored": reasons} if reasons else None)

    return score


def _answer(state: TaskState) -> AnswerText:
    modalities = ModalitySet()
    has_images = _modality(state.metadata, modalities) is not None
    return answer_text(state.output.completion, modalities, has_images=has_images, needs_tags=False)


def _references(state: TaskState, target: Target) -> list[str]:
    """The accepted answers; of a choice its text, its letter with its text, and its letter."""
    texts = _choices(state)
    for text in target:
        check_untagged("target", text, ModalitySet())
    found = []
    for text in target:
        letter = _letter(text, texts)
        found += [texts[letter], f"{letter}. {texts[letter]}", letter] if letter else [text]
    return found


def _letter(text: str, texts: Mapping[str, str]) -> str:
    """The letter of the choice that a target is, by its letter or else its text; empty if it is none or several."""
    same = [text] if text in texts else [letter for letter in texts if is_literally_same(texts[letter], text)]
    return same[0] if len(same) == 1 else ""


def _closed(state: TaskState, target: Target, answer: str) -> tuple[str, str] | None:
    """What a letter says in answer to a closed question, and what is right; None where it is not clear."""
    texts = _choices(state)
    right = {_letter(text, texts) for text in target} - {""}
    row = {
        "question": _question(state),
        "references": list(target),
        "choices": list(texts.values()),
        "answer_index": list(texts).index(right.pop()) if len(right) == 1 else None,
        "finish_reason": None,
    }
    return closed_words(row, answer)


def _question(state: TaskState) -> str:
    """The question, with its choices as a task of medix has them."""
    lettered = "\n".join(f"{letter}. {text}" for letter, text in _choices(state).items())
    return f"{state.input_text}\n\nChoices:\n{lettered}" if lettered else state.input_text


def _choices(state: TaskState) -> dict[str, str]:
    """By letter, as in the sample: inspect_ai leaves shuffled choices shuffled, but puts the reply's letters back.

    Behind the letters it counts on from 1.
    """
    labels = [*LETTERS, *map(str, range(1, len(state.choices) + 1))]
    ordered = sorted(state.choices, key=lambda choice: choice.original_position)
    return {labels[choice.original_position]: choice.value for choice in ordered}


def _modality(metadata: Mapping[str, Any], modalities: ModalitySet) -> str | None:
    """The tag in a sample's metadata.

    Raises:
        ValueError: it is none of the set.
    """
    tag = metadata.get("modality") or None
    if tag is not None:
        modalities.require(str(tag))
    return None if tag is None else str(tag)


async def _verdict(judge: Judge, question: JudgeQuestion) -> Verdict:
    """The verdict, without blocking inspect_ai's loop."""
    if judge.asks_ahead:
        return await asyncio.wrap_future(judge.submit(question))
    verdicts = await asyncio.to_thread(judge.grade, [question])
    return verdicts[0]
