"""A judge of reports by rule, without a model."""

import re
import time
from collections.abc import Iterator, Sequence

from medix.judge.base import Judge
from medix.judge.clinical.text import is_same
from medix.judge.prompt import JudgePrompt
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.types import JudgeQuestion, Verdict

_MARKUP = re.compile(r"\*\*|__|^#{1,6}[ \t]", re.MULTILINE)
_HEADING = re.compile(
    r"\b(?:the\s+)?(?:findings|impression)\s*:|^(?:findings|impression)[ \t]*$", re.IGNORECASE | re.MULTILINE
)
_END = re.compile(r"[.;!](?=\s|$)|\n")
_NUMBER = re.compile(r"\d{1,3}")
_BRACKETED = re.compile(r"^\(?\d{1,3}\)\s+")
_BEST = 5


class StatementJudge(Judge):
    """Grades a report from 0 to 5 by its sentences, for reports of fixed wording such as those of phantoms.

    The headings "Findings:" and "Impression:", the numbers of numbered sentences ("1. … 2. …", "1) …") and Markdown's
    marks of bold text and headings are removed, the rest is split into sentences, and two sentences agree if
    they are the same after normalisation (``medix.judge.clinical.text``). A sentence that the reference has earns one
    point, one that it does not have costs one, and repetitions count once: to state a finding and its opposite earns as
    little as to state neither. The credit is (agreeing - unsupported) / (sentences of the reference), at least 0,
    rounded down to a fifth. With several references, the best one counts.

    It takes the place of a served judge with ``ReportRubricPrompt`` where none runs, and knows no synonyms: reports of
    free wording need a judge that reads.
    """

    @property
    def identity(self) -> str:
        """``statement/3``: kind and version of the rules."""
        return "statement/3"

    def asking(self, prompt: JudgePrompt) -> Judge:
        """Itself for the rubric of reports, whose scale it has.

        Raises:
            ValueError: another prompt.
        """
        return self if isinstance(prompt, ReportRubricPrompt) else super().asking(prompt)

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """One verdict per question; always scored, except for a question without a reference."""
        return [self._grade(question) for question in questions]

    def _grade(self, question: JudgeQuestion) -> Verdict:
        start = time.perf_counter()
        references = [found for text in (question.reference, *question.aliases) if (found := statements(text))]
        if not references:
            return Verdict(None, self.identity, reason="the question has no reference with a sentence to compare with")
        # with more sentences, more are unsupported than the longest reference has, and the grade is 0 all the same
        answer = statements(question.answer, 2 * max(map(len, references)) + 1)
        grade, explanation = max((_compared(answer, reference) for reference in references), key=lambda one: one[0])
        return Verdict(
            credit=grade / _BEST,
            judge=self.identity,
            reply=str(grade),
            explanation=explanation,
            latency=time.perf_counter() - start,
        )


def statements(text: str, most: int | None = None) -> list[str]:
    """The sentences of a report without its headings, each once.

    Args:
        text: the report.
        most: sentences after which no others are read.
    """
    found: list[str] = []
    pieces = [piece.strip() for piece in _END.split(_HEADING.sub("\n", _MARKUP.sub("", text)))]
    for sentence in dict.fromkeys(_without_numbers([piece for piece in pieces if piece])):
        if len(found) == most:
            break
        if not any(is_same(sentence, other) for other in found):
            found.append(sentence)
    return found


def _without_numbers(pieces: Sequence[str]) -> Iterator[str]:
    """Leave out the numbers of a list, 1, 2, 3 before its sentences; other numbers are statements."""
    number = 0
    for place, piece in enumerate(pieces, start=1):
        if _NUMBER.fullmatch(piece) and place < len(pieces) and int(piece) in (1, number + 1):
            number = int(piece)
        else:
            yield _BRACKETED.sub("", piece)


def _compared(answer: Sequence[str], reference: Sequence[str]) -> tuple[int, str]:
    """Grade from 0 to 5, and what it is made of."""
    unsupported = [one for one in answer if not any(is_same(one, other) for other in reference)]
    missing = [one for one in reference if not any(is_same(one, other) for other in answer)]
    points = len(reference) - len(missing) - len(unsupported)
    explanation = f"{len(reference) - len(missing)} of {len(reference)} sentences agree"
    for name, sentences in (("missing", missing), ("unsupported", unsupported)):
        if sentences:
            explanation += f"; {name}: {'. '.join(sentences)}"
    return max(0, _BEST * points // len(reference)), explanation
