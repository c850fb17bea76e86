"""A judge by rule, without a model."""

import time
from collections.abc import Sequence

from medix.judge.base import Judge
from medix.judge.clinical.guard import differs
from medix.judge.clinical.text import is_same
from medix.types import JudgeQuestion, Verdict


class ExactJudge(Judge):
    """Says YES if the answer is the reference or an alias after normalisation, else NO.

    Every fact and every word must match in its place (``medix.judge.clinical.text``); writing does not count: case,
    articles, punctuation that limits nothing, number words, units, numerals, spelling and plurals. Deterministic,
    offline, and strict: it knows no synonyms.
    """

    @property
    def identity(self) -> str:
        """``exact/4``: kind and version of the rules; the version changes with every rule."""
        return "exact/4"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """One verdict per question; always scored, except for a question without a reference."""
        return [self._grade(question) for question in questions]

    def _grade(self, question: JudgeQuestion) -> Verdict:
        start = time.perf_counter()
        references = [text for text in (question.reference, *question.aliases) if text.strip()]
        if not references:
            return Verdict(None, self.identity, reason="the question has no reference to compare with")
        matched = next((text for text in references if is_same(question.answer, text)), None)
        if matched is None:
            explanation = differs(question.answer, references[0]) or "other words"
        else:
            explanation = "the reference" if matched == question.reference else f"the alias {matched!r}"
        return Verdict(
            credit=0.0 if matched is None else 1.0,
            judge=self.identity,
            reply="NO" if matched is None else "YES",
            explanation=explanation,
            latency=time.perf_counter() - start,
        )
