"""A graded rubric for generated reports."""

from collections.abc import Mapping
from typing import Any

from medix.judge.prompt import JudgePrompt, graded, known
from medix.judge.prompt_explained import explained_score
from medix.judge.verdict import Score05Rule
from medix.types import JudgeQuestion


class ReportRubricPrompt(JudgePrompt):
    """Grades a generated report against a reference report from 0 to 5; the credit is the score over 5.

    The judge compares finding by finding (presence, side and place, negation, severity and size), then counts what was
    left out and what was made up, and names them in the explanation before it gives the score. The published evaluation
    of reports (arXiv:2602.23363, public code) also ends in a score from 0 to 5, but shows the report without marks and
    accepts scores outside the scale. A score that a report earns for length is a known fault of such judges; the rubric
    says that length and style earn nothing.
    """

    version = "report-rubric-7"
    options = ("0", "1", "2", "3", "4", "5")
    best = 5.0
    rule = Score05Rule()
    max_tokens = 1024

    @property
    def constraint(self) -> Mapping[str, Any]:
        """A JSON schema; properties are written in its order."""
        return {"json": explained_score((0, 1, 2, 3, 4, 5), longest=2500)}

    def render(self, question: JudgeQuestion) -> str:
        """The message to the judge."""
        parts = [
            "You grade a generated report of a medical image against a reference report of the same image. The "
            "reference report is right.",
            "Compare them finding by finding:\n"
            "- findings: is each finding of the reference report there, under whatever wording?\n"
            "- laterality and location: a finding on the other side or in another place is a wrong finding.\n"
            "- negations: a finding that the one report denies and the other affirms is a contradiction.\n"
            "- severity: degree, size, number, and change over time.\n"
            "- omissions: findings of the reference report that the generated report does not mention.\n"
            "- hallucinations: findings of the generated report that the reference report does not support.",
            _SCALE,
            "A normal report is graded in the same way: a finding made up in it is a hallucination, and a report that "
            "names no finding where the reference names one omits it. Wording, order, style and length earn nothing.",
            *known(question, "reference report"),
        ]
        if question.aliases:
            parts.append("Grade against the reference report that fits best.")
        parts += graded(question, "generated report")
        parts.append(
            "Reply with one JSON object and nothing else. Its first key is explanation: a few sentences that name the "
            "matching, missing, wrong and unsupported findings. Its second key is score: an integer from 0 to 5."
        )
        return "\n\n".join(parts)


_SCALE = (
    "The score:\n"
    "5: every finding agrees in presence, place, negation and severity; nothing that matters is missing or made up.\n"
    "4: every important finding agrees; a minor one, or a detail of severity, is missing or differs.\n"
    "3: most important findings agree; one is missing, made up or of a wrong degree, and none is contradicted.\n"
    "2: some important findings agree, but several are missing or made up, or one is contradicted or on the wrong "
    "side.\n"
    "1: little agrees; most important findings are missing, wrong or made up.\n"
    "0: nothing agrees, or the report is empty, off the subject, or says that it cannot tell."
)
