"""The second phase of an evaluation: verdicts on the completions of a task."""

import queue
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from medix.evaluation.folder import EvaluationFolder
from medix.evaluation.judged_text import text_digest, verdict_key
from medix.evaluation.progress import Progress
from medix.evaluation.row_file import RowFile, exchange
from medix.evaluation.rule_verdict import IDENTITY, is_unclear_letter, question_of, rule_verdict, rules_of
from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.own_arguments import named
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.judge.prompt_vote import VotePrompt, prompt_of, voting
from medix.types import JudgeQuestion, Verdict

OTHERS = "other_verdicts.jsonl"
"""Verdicts of other judges, which are used again when these judge again."""

_AT_ONCE = 256
_BEST = 5.0  # of the rubric
NO_JUDGE = "no rule decides, and no judge was given"
UNCLEAR_LETTER = (
    "a letter that may be that of a choice or stand in the text of one; give a judge that reads the question"
)
NO_REFERENCE = "the item has no reference answer"


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """What became of the completions of a task.

    Attributes:
        completions: that there are.
        known: of them that had a verdict before.
        by_rule: decided now without a judge.
        judged: decided now by the judge.
        unscored: number of those without a verdict, by reason.
    """

    completions: int
    known: int
    by_rule: int
    judged: int
    unscored: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Plan:
    """One verdict to be reached."""

    key: str
    row: Mapping[str, Any]


class Judging:
    """Writes ``TASK/verdicts.jsonl``, one row for each completion.

    What the task's rules decide is decided by them, the rest by the judge; without one it is unscored. Reports are
    graded from 0 to 5 by the rubric of ``ReportRubricPrompt``. The key of a row is a hash of completion, references,
    judge, prompt and rules: what is there is not asked again, an unscored row is. Rows name the judge that was asked,
    whichever judge or rule inside it decided, and one of one's own with a digest of its arguments. The file holds
    verdicts of one judge; those of others are kept in ``other_verdicts.jsonl``. Those of a guest are written there at
    once, so that a kill leaves the folder with its own judge. ``text`` is a digest of completion and answer: a verdict
    on another text than the completion has when scores are computed does not count.

    Args:
        folder: with completions.
        judge: asked where no rule decides; None for none.
        votes: independent votes for each verdict.
        is_guest: whether the verdicts are for a comparison only.
    """

    def __init__(
        self, folder: EvaluationFolder, judge: Judge | None, votes: int = 1, *, is_guest: bool = False
    ) -> None:
        self.folder = folder
        self.judge = judge
        self.votes = votes
        self.is_guest = is_guest

    def judge_of(self, scoring: str) -> Judge | None:
        """The judge of a kind of scoring.

        Raises:
            ValueError: the judge cannot be asked with the rubric, or cannot cast several votes.
        """
        if self.judge is None:
            return None
        return voting(self.judge, self.votes, ReportRubricPrompt() if scoring == "rubric" else None)

    def run(self, task: str) -> VerdictCounts:
        """Reach the verdicts of a task that are not there yet.

        Raises:
            ValueError: the task has no completions, or the judge cannot be asked.
        """
        scoring, rules, judge, plans = self._planned(task)
        counts: Counter[str] = Counter()
        keys = {plan.key for plan in plans}
        with self.folder.verdicts(task) as own, RowFile(self.folder.path / task / OTHERS) as others:
            rows = others if self.is_guest else own
            if not self.is_guest:
                exchange(own, others, keys)
            for plan in plans:  # its key says the same of a row from before there were digests
                if (row := rows.rows.get(plan.key)) is not None and "text" not in row:
                    rows.append({**row, "text": text_digest(plan.row)})
            missing = [plan for plan in plans if rows.rows.get(plan.key, {}).get("credit") is None]
            known = len(plans) - len(missing)
            with Progress(f"{task} verdicts", len(plans), known) as progress:
                for row in self._verdicts(missing, judge, rules, scoring):
                    rows.append({**row, "scoring": scoring, "rules": list(rules)})
                    counts[row["by"]] += row["credit"] is not None
                    progress.advance(is_failure=row["credit"] is None)
            rows.keep(set(rows.rows) if self.is_guest else keys)
            unscored = Counter(row["reason"] for plan in plans if (row := rows.rows[plan.key])["credit"] is None)
        return VerdictCounts(len(plans), known, counts["rule"], counts["judge"], dict(unscored.most_common()))

    def reached(self, task: str) -> list[dict[str, Any]]:
        """The rows of this judge."""
        *_, plans = self._planned(task)
        rows = RowFile(self.folder.path / task / OTHERS) if self.is_guest else self.folder.verdicts(task)
        return [rows.rows[plan.key] for plan in plans if plan.key in rows.rows]

    def _planned(self, task: str) -> tuple[str, list[str], Judge | None, list[_Plan]]:
        """Scoring, rules and judge of a task, and the verdicts to be reached."""
        spec = self.folder.task(task)
        scoring, rules = spec["scoring"], rules_of(spec)
        judge = self.judge_of(scoring)
        completions = [row for row in self.folder.generations(task) if row["completion"] is not None]
        name, version = None if judge is None else named(judge), _version(judge)
        keys = (verdict_key(row, name, version, rules, scoring) for row in completions)
        return scoring, rules, judge, [_Plan(key, row) for key, row in zip(keys, completions, strict=True)]

    def _verdicts(
        self, plans: Sequence[_Plan], judge: Judge | None, rules: Sequence[str], scoring: str
    ) -> Iterator[dict[str, Any]]:
        """A row for each plan, as verdicts arrive; equal questions are asked once."""
        asked: dict[JudgeQuestion, list[_Plan]] = {}
        for plan in plans:
            if not plan.row["references"]:
                yield _row(plan, by="rule", judge=IDENTITY, reason=NO_REFERENCE)
            elif (found := rule_verdict(plan.row, rules)) is not None:
                yield _row(plan, by="rule", judge=IDENTITY, credit=found.credit, explanation=found.explanation)
            elif judge is None:
                yield _row(plan, by="rule", judge=IDENTITY, reason=NO_JUDGE)
            elif "option" in rules and not _version(judge) and is_unclear_letter(plan.row, plan.row["answer"]):
                yield _row(plan, by="rule", judge=IDENTITY, reason=UNCLEAR_LETTER)
            else:
                asked.setdefault(question_of(plan.row), []).append(plan)
        if judge is None:
            return
        version, name = _version(judge), named(judge)
        for question, verdict in _graded(judge, list(asked)):
            for plan in asked[question]:
                yield _judged(plan, verdict, name, version, scoring)


def _graded(judge: Judge, questions: Sequence[JudgeQuestion]) -> Iterator[tuple[JudgeQuestion, Verdict]]:
    """The verdict on each question, as it arrives."""
    if not judge.asks_ahead:
        for start in range(0, len(questions), _AT_ONCE):
            chunk = questions[start : start + _AT_ONCE]
            yield from zip(chunk, outcome.grade(judge, chunk), strict=True)
        return
    done: queue.SimpleQueue[tuple[JudgeQuestion, Verdict]] = queue.SimpleQueue()

    def arrived(question: JudgeQuestion, future: "Future[Verdict]") -> None:
        done.put((question, outcome.verdict_of(judge, future)))

    waiting, under_way = iter(questions), 0
    while True:
        while under_way < _AT_ONCE and (question := next(waiting, None)) is not None:
            outcome.submit(judge, question).add_done_callback(partial(arrived, question))
            under_way += 1
        if not under_way:
            return
        yield done.get()
        under_way -= 1


def _version(judge: Judge | None) -> str:
    """Version of the prompt that a judge is asked with; empty for none."""
    prompt = None if judge is None else prompt_of(judge)
    if isinstance(prompt, VotePrompt):
        prompt = prompt.prompt
    return "" if prompt is None else prompt.version


def _judged(plan: _Plan, verdict: Verdict, judge: str, version: str, scoring: str) -> dict[str, Any]:
    score = None
    if scoring == "rubric" and verdict.credit is not None:
        score = verdict.credit * _BEST
    votes = [
        {"judge": vote.judge, "credit": vote.credit, "reason": vote.reason, "reply": vote.reply}
        for vote in verdict.votes
    ]
    return _row(
        plan,
        by="judge",
        judge=judge,
        credit=verdict.credit,
        score=score,
        prompt_version=version,
        votes=votes,
        agreement=verdict.confidence if votes else None,
        reason=verdict.reason,
        reply=verdict.reply,
        explanation=_explanation(verdict, scoring),
    )


def _explanation(verdict: Verdict, scoring: str) -> str:
    """The judge's; of several grades each with its own, since what a report lacks is said there."""
    if scoring != "rubric" or not verdict.votes:
        return verdict.explanation
    return "\n".join(
        f"No grade: {vote.reason}" if vote.credit is None else f"{_BEST * vote.credit:g} of 5: {vote.explanation}"
        for vote in verdict.votes
    )


def _row(
    plan: _Plan,
    *,
    by: str,
    judge: str,
    credit: float | None = None,
    score: float | None = None,
    prompt_version: str = "",
    votes: Sequence[Mapping[str, Any]] = (),
    agreement: float | None = None,
    reason: str = "",
    reply: str | None = None,
    explanation: str = "",
) -> dict[str, Any]:
    return {
        "key": plan.key,
        "generation": plan.row["key"],
        "text": text_digest(plan.row),
        "item": plan.row["item"],
        "k": plan.row["k"],
        "credit": credit,
        "score": score,
        "by": by,
        "judge": judge,
        "prompt_version": prompt_version,
        "votes": list(votes),
        "agreement": agreement,
        "reason": reason,
        "reply": reply,
        "explanation": explanation,
    }
