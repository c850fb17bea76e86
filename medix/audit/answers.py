"""What is wrong with a model's answers, without looking at whether they are right."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from medix.audit.answer_lines import AnswerLine
from medix.audit.quantities import without_unit
from medix.grammar import Fault, closes_unopened_reasoning, parse, with_prompt_prefix
from medix.judge.clinical.modality_terms import ModalityTerms
from medix.modality import ModalitySet
from medix.reporting.table import Table, number

NO_COMPLETION = "no_completion"
TRUNCATED = "truncated"
UNKNOWN_MODALITY = "unknown_modality"
WRONG_TAG = "wrong_tag"
FOREIGN_TERMS = "foreign_terms"
NO_UNIT = "no_unit"

KINDS = {
    NO_COMPLETION: "the line has no completion",
    TRUNCATED: "cut at the token limit",
    Fault.NO_TAG: "does not begin with a modality tag",
    Fault.UNKNOWN_TAG: "begins with a tag that is no modality",
    Fault.UNEXPECTED_TAG: "begins with a tag, without an image",
    Fault.NO_REASONING: "no <think>…</think>",
    Fault.EMPTY_REASONING: "nothing between <think> and </think>",
    Fault.SEVERAL_REASONINGS: "more than one <think>",
    Fault.NO_ANSWER: "no <answer>…</answer>",
    Fault.EMPTY_ANSWER: "nothing between <answer> and </answer>",
    Fault.SEVERAL_ANSWERS: "more than one <answer>",
    Fault.CONTROL_TOKEN: "a tokenizer's control token in reasoning or answer",
    Fault.TEXT_OUTSIDE: "text before, between or after the parts",
    UNKNOWN_MODALITY: "the modality of the image is none of --modalities",
    WRONG_TAG: "the tag is not the modality of the image",
    FOREIGN_TERMS: "words that only another modality can show",
    NO_UNIT: "a measure without its unit",
}
"""What can be wrong, in the order of tables."""

_STRUCTURE = "structure"


@dataclass(frozen=True, slots=True)
class AnswerFinding:
    """Something wrong with one answer.

    Attributes:
        kind: one of ``KINDS``.
        line: the answer.
        detail: the words, or what was expected.
    """

    kind: str
    line: AnswerLine
    detail: str = ""


class AnswerCheck:
    """Checks completions one by one.

    - Structure: the faults of ``medix.grammar``, if the prompt asked for it.
    - The modality that the line states, if it is none of the set; else the tag against it, if it is known.
    - Terms of other modalities (the words of the consistency reward) that neither question nor reference contains. The
      modality is that of the image, or the tag where it is unknown.
    - Measures without a unit (see ``medix.audit.quantities``).

    Args:
        modalities: the valid tags.
        ignored: kinds that are not reported; ``structure`` stands for all faults of the grammar.

    Raises:
        ValueError: a kind is not known.
    """

    def __init__(self, modalities: ModalitySet, ignored: Sequence[str] = ()) -> None:
        if unknown := [kind for kind in ignored if kind not in (*KINDS, _STRUCTURE)]:
            raise ValueError(f"--ignore {unknown[0]}: is no kind; kinds: {_STRUCTURE}, {', '.join(map(str, KINDS))}")
        self.modalities = modalities
        self.ignored = frozenset(ignored) | (frozenset(map(str, Fault)) if _STRUCTURE in ignored else frozenset())
        self._terms = ModalityTerms()

    def findings(self, line: AnswerLine) -> Iterator[AnswerFinding]:
        """What is wrong with one completion; nothing if it is in order."""
        return (
            AnswerFinding(str(kind), line, detail) for kind, detail in self._of(line) if str(kind) not in self.ignored
        )

    def looks_for_words(self, line: AnswerLine) -> bool:
        """Whether words of other modalities can be looked for in an answer; there are none without an image."""
        return not line.has_images or line.completion is None or self._modality(line) in self._terms.covered

    def _modality(self, line: AnswerLine) -> str | None:
        """That of the image, or else the tag."""
        if line.modality is not None or not line.has_images:
            return line.modality
        return parse(line.completion or "", self.modalities).modality

    def _of(self, line: AnswerLine) -> Iterator[tuple[str, str]]:
        if line.completion is None:
            yield NO_COMPLETION, ""
            return
        if line.is_truncated:
            yield TRUNCATED, ""
        completion = line.completion
        if closes_unopened_reasoning(completion):  # the chat template opened it
            completion = with_prompt_prefix(completion, "<think>", self.modalities)
        parsed = parse(completion, self.modalities, expects_tag=line.has_images)
        if line.is_structured:
            yield from ((fault, _shown(completion)) for fault in parsed.faults)
        if line.modality is not None and line.modality not in self.modalities:
            yield UNKNOWN_MODALITY, line.modality[:80]
        elif line.modality is not None and parsed.modality not in (None, line.modality):
            yield WRONG_TAG, f"{parsed.modality}, and the image is {line.modality}"
        modality = self._modality(line)
        if modality in self._terms.covered:
            found = dict.fromkeys(self._terms.foreign(completion, modality, (line.question, *line.references)))
            if found:
                yield FOREIGN_TERMS, f"{', '.join(found)} in {modality}"
        answer = parsed.answer if line.is_structured else completion
        if answer is not None and (numbers := without_unit(answer, line.question, line.references)):
            yield NO_UNIT, ", ".join(numbers)


def _shown(completion: str) -> str:
    return " ".join(completion.split())[:80]


@dataclass(frozen=True)
class AnswerFindings:
    """What is wrong with the answers of a file.

    Attributes:
        answers: number of answers.
        faulty: number of answers with a finding.
        by_kind: findings by kind, in the order of ``KINDS``.
        ignored: kinds that were not reported.
        without_words: number of answers with images in which words of other modalities could not be looked for: the
            modality is unknown, or none of its words are listed.
    """

    answers: int
    faulty: int
    by_kind: dict[str, list[AnswerFinding]]
    ignored: tuple[str, ...]
    without_words: int = 0

    @classmethod
    def of(cls, check: AnswerCheck, lines: Iterable[AnswerLine]) -> "AnswerFindings":
        """Check all answers."""
        by_kind: dict[str, list[AnswerFinding]] = {str(kind): [] for kind in KINDS}
        answers = faulty = without_words = 0
        for line in lines:
            found = list(check.findings(line))
            answers += 1
            faulty += bool(found)
            without_words += not check.looks_for_words(line)
            for one in found:
                by_kind[one.kind].append(one)
        found_kinds = {kind: ones for kind, ones in by_kind.items() if ones}
        return cls(answers, faulty, found_kinds, tuple(sorted(check.ignored)), without_words)

    def table(self) -> Table:
        """Number and share of the answers of each kind."""
        rows = [
            [kind, f"{len(ones):,}", number(len(ones) / self.answers, percent=True)]
            for kind, ones in self.by_kind.items()
        ]
        return Table(f"{self.answers:,} answers", ["finding", "answers", "share"], rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {
            "answers": self.answers,
            "faulty": self.faulty,
            "ignored": list(self.ignored),
            "without_words": self.without_words,
            "counts": {kind: len(ones) for kind, ones in self.by_kind.items()},
            "findings": [
                {"line": one.line.number, "id": one.line.id, "kind": kind, "detail": one.detail}
                for kind, ones in self.by_kind.items()
                for one in ones
            ],
        }
