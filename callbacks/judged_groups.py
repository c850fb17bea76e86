"""Verdicts of one judge on scored groups."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace

from medix.grammar import parse
from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.own_arguments import named, names_of, on_record
from medix.modality import ModalitySet
from medix.reporting.record import ANSWER_RULE, ASKED_BY
from medix.rewards.answer import AnswerRule
from medix.types import CompletionScores, JudgeQuestion, Sample, ScoredGroup, Status, Verdict


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
    rows = list(_known(groups, modalities, judge, asked or {}))
    given = iter(outcome.grade(judge, [question for question, verdict in rows if question and verdict is None]))
    return _grouped(on_record(judge, [next(given) if verdict is None else verdict for _, verdict in rows]), groups)


def verdicts_of_rewards(
    groups: Sequence[ScoredGroup],
    modalities: ModalitySet,
    judge: Judge,
    component: str,
    rule: AnswerRule | None,
    asked: Mapping[str, Sequence[JudgeQuestion | None]],
) -> list[list[Verdict]]:
    """One verdict per completion as ``judge_groups`` has it, but from the rewards alone: the judge is asked nothing.

    Where a component asks in the words of its own answer rule (``PublishedAnswer``), accuracy is by that rule, and the
    verdict says so: one on another question is of the judge ``... asked by PublishedAnswer``; where the rule needs no
    judge, the verdict is of ``answer rule PublishedAnswer``: right if it gives the whole credit, else wrong, as an
    abstention or an answer that is not valid. Where nothing is known, the completion is unscored, with the reason.

    Args:
        groups, modalities, asked: as for ``judge_groups``.
        judge: that of the component (``accuracy_component``).
        component: name of the component whose questions and answer rule count.
        rule: its answer rule; None if it is unknown.
    """
    rows = _known(groups, modalities, judge, asked)
    scores = (one for group in groups for one in group.scores)
    kind, name = rule.name if rule else "", named(judge)
    found = []
    for (_, verdict), one in zip(rows, scores, strict=True):
        entry = one.components.get(component)
        if verdict is not None:
            (verdict,) = on_record(judge, [verdict])
        elif entry is not None and entry.verdict is not None and kind and name in names_of(entry.verdict):
            verdict = replace(entry.verdict, asked=f"{name}{ASKED_BY}{kind}")
        elif entry is not None and entry.verdict is None and kind and entry.status is Status.SCORED:
            why = f"the answer rule gave {entry.value:g} without asking the judge"
            verdict = Verdict(credit=float(entry.value == 1), judge=f"{ANSWER_RULE}{kind}", explanation=why)
        else:
            reason = entry.reason if entry is not None else ""
            (verdict,) = on_record(judge, [outcome.unscored(judge, reason or "the rewards have no verdict of it")])
        found.append(verdict)
    return _grouped(found, groups)


def _known(
    groups: Sequence[ScoredGroup],
    modalities: ModalitySet,
    judge: Judge,
    asked: Mapping[str, Sequence[JudgeQuestion | None]],
) -> Iterator[tuple[JudgeQuestion | None, Verdict | None]]:
    """Per completion, the question of its accuracy, if it has one answer, and the verdict, if it is known."""
    name = named(judge)
    rows = ((group.rollout.prompt.sample, *row) for group in groups for row in _rows(group))
    for number, (sample, text, scores) in enumerate(rows):
        answer = parse(text, modalities, expects_tag=sample.modality is not None).answer
        if answer is None:
            yield None, Verdict.without_answer(judge.identity)
            continue
        question = _question(sample, answer)
        others = {part for part, column in asked.items() if column[number] != question}
        yield question, _known_verdict(scores, others, name)


def _rows(group: ScoredGroup) -> Iterator[tuple[str, CompletionScores]]:
    return zip((one.text for one in group.rollout.completions), group.scores, strict=True)


def _grouped(verdicts: Sequence[Verdict], groups: Sequence[ScoredGroup]) -> list[list[Verdict]]:
    rows = iter(verdicts)
    return [[next(rows) for _ in group.scores] for group in groups]


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
