"""Verdicts of one judge on scored groups."""

from collections.abc import Container, Mapping, Sequence

from medix.grammar import parse
from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.own_arguments import named, names_of, on_record
from medix.modality import ModalitySet
from medix.reporting.record import without_answer
from medix.types import CompletionScores, JudgeQuestion, Sample, ScoredGroup, Verdict


class NoJudge(Judge):
    """In place of a judge where neither the spec nor the rewards have one: every answer is unscored, and says so."""

    @property
    def identity(self) -> str:
        """``none``."""
        return "none"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """Unscored, with what to set."""
        return [outcome.unscored(self, "no judge: set `judge` in the spec, or JudgeValidation.judge")] * len(questions)


def judge_groups(
    groups: Sequence[ScoredGroup],
    modalities: ModalitySet,
    judge: Judge,
    asked: Mapping[str, Sequence[JudgeQuestion | None]] | None = None,
) -> list[list[Verdict]]:
    """One verdict per completion: taken from the rewards if they have one of this judge, else requested in one call.

    A completion without exactly one answer is wrong; the judge is not asked about it. Accuracy does not depend on the
    rewards: the verdict on another question, such as one without aliases (``PublishedAnswer``), is not used.

    Args:
        groups: scored groups.
        modalities: the valid tags.
        judge: the judge.
        asked: for each component, what it asked about each completion; a component that is missing asked this question.
    """
    rows = iter(range(sum(len(group.scores) for group in groups)))
    found: dict[tuple[int, int], Verdict] = {}
    missing: list[tuple[int, int]] = []
    questions: list[JudgeQuestion] = []
    name = named(judge)
    for row, group in enumerate(groups):
        sample = group.rollout.prompt.sample
        for column, (completion, scores) in enumerate(zip(group.rollout.completions, group.scores, strict=True)):
            number = next(rows)
            answer = parse(completion.text, modalities, expects_tag=sample.modality is not None).answer
            if answer is None:
                found[row, column] = without_answer(judge.identity)
                continue
            question = _question(sample, answer)
            others = {part for part, column in (asked or {}).items() if column[number] != question}
            known = _known_verdict(scores, others, name)
            if known is not None:
                found[row, column] = known
            else:
                missing.append((row, column))
                questions.append(question)
    found |= dict(zip(missing, outcome.grade(judge, questions), strict=True))
    found = dict(zip(found, on_record(judge, found.values()), strict=True))
    return [[found[row, column] for column in range(len(group.scores))] for row, group in enumerate(groups)]


def _question(sample: Sample, answer: str) -> JudgeQuestion:
    """What ``StrictAnswer`` asks."""
    return JudgeQuestion(
        sample.question, sample.reference, answer, tuple(text for text in sample.aliases if text.strip())
    )


def _known_verdict(scores: CompletionScores, others: Container[str], name: str) -> Verdict | None:
    """The judge's verdict on the question of the validation, if a component has it; a scored one if any is.

    Args:
        scores: of the completion.
        others: components that asked another question.
        name: of the judge (``named``).
    """
    verdicts = [
        entry.verdict
        for part, entry in scores.components.items()
        if part not in others and entry.verdict is not None and name in names_of(entry.verdict)
    ]
    return next((one for one in verdicts if one.is_scored), verdicts[0] if verdicts else None)
