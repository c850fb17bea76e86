"""One completion of an evaluation with its verdict."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medix.evaluation.closed_rule import closed_words
from medix.evaluation.judged_text import JudgedTexts
from medix.evaluation.option_rule import option_of
from medix.evaluation.rule_verdict import rules_of
from medix.judge.clinical.literal import literal

NOT_JUDGED = "not judged yet"
NOT_GIVEN = "not given"
"""What a part is called whose items have nothing in the column that scores are given by."""

OTHER_RULES = "judged before the scoring or the rules of the task changed; run eval judge again"
OTHER_TEXT = "judged when the completion was another one; run eval judge again"
TO_BE_JUDGED = frozenset((NOT_JUDGED, OTHER_RULES, OTHER_TEXT))
"""Reasons for which completions are unscored that ``eval judge`` has still to see."""


@dataclass(frozen=True, slots=True)
class ScoredCompletion:
    """What scores are computed from.

    Attributes:
        item: identity of the item within its task.
        k: index of the completion among those of its item.
        cluster: unit that intervals are clustered by, within its task.
        question: as it was put.
        references: accepted answers, the reference first.
        completion: the whole output; None after a failure.
        answer: the text that was graded; None without one.
        credit: 0 to 1; None if unscored.
        reason: why it is unscored.
        modality: true modality; None without one.
        tag: modality that the completion names; None if it names none.
        format_valid: whether the completion keeps the grammar; None where none was asked for.
        question_type, source: of the item; empty if unknown.
        subgroup: further columns of the item, by name.
        by: ``rule`` or ``judge``; empty if unscored.
        judge: identity of the judge, or of the rule.
        explanation: the judge's.
        images: file names and hashes of the item's images.
        agreement: share of votes for the verdict; None with one vote.
        answer_index: of the right choice; None without choices.
        choices: that the question offers; none for an open one.
        is_cut: whether the completion was cut at the limit of tokens.
    """

    item: str
    k: int
    cluster: str
    question: str
    references: tuple[str, ...]
    completion: str | None
    answer: str | None
    credit: float | None
    reason: str = ""
    modality: str | None = None
    tag: str | None = None
    format_valid: bool | None = None
    question_type: str = ""
    source: str = ""
    subgroup: Mapping[str, str] = field(default_factory=dict)
    by: str = ""
    judge: str = ""
    explanation: str = ""
    images: tuple[Mapping[str, str], ...] = ()
    agreement: float | None = None
    answer_index: int | None = None
    choices: tuple[str, ...] = ()
    is_cut: bool = False

    @classmethod
    def of(cls, generation: Mapping[str, Any], verdict: Mapping[str, Any] | None) -> "ScoredCompletion":
        """Join a row of ``generations.jsonl`` with the verdict on it; None if there is no verdict yet."""
        failure = generation.get("failure")
        given = verdict or {}
        if failure:
            credit, reason = None, f"no completion: {failure}"
        else:
            credit = given.get("credit")
            reason = "" if credit is not None else given.get("reason") or NOT_JUDGED
        return cls(
            item=generation["item"],
            k=generation["k"],
            cluster=generation["cluster"],
            question=generation["question"],
            references=tuple(generation["references"]),
            completion=generation["completion"],
            answer=generation["answer"],
            credit=credit,
            reason=reason,
            modality=generation.get("modality"),
            tag=generation.get("tag"),
            format_valid=generation.get("format_valid"),
            question_type=generation.get("question_type") or "",
            source=generation.get("source") or "",
            subgroup=generation.get("subgroup") or {},
            by=given.get("by") or "" if credit is not None else "",
            judge=given.get("judge") or "",
            explanation=given.get("explanation") or "",
            images=tuple(generation.get("images") or ()),
            agreement=given.get("agreement"),
            answer_index=generation.get("answer_index"),
            choices=tuple(generation.get("choices") or ()),
            is_cut=generation.get("finish_reason") == "length",
        )

    @property
    def choice(self) -> int | None:
        """Index of the choice that the answer names; None if it names none, or not clearly."""
        return None if self.answer is None else option_of(self.answer, self.choices, is_cut=self.is_cut)

    @property
    def meaning(self) -> int | str | None:
        """What answers have in common that rules take for one; None without an answer.

        Index of the choice that the answer names, else the word that answers a closed question ("yes" also for "Y"),
        else the answer.
        """
        if self.answer is None or (choice := self.choice) is not None:
            return None if self.answer is None else choice
        row = {
            "question": self.question,
            "references": self.references,
            "choices": self.choices,
            "answer_index": self.answer_index,
            "finish_reason": "length" if self.is_cut else None,
        }
        said = closed_words(row, self.answer) if self.references else None
        if said is None:
            return self.answer
        return next((index for index, text in enumerate(self.choices) if literal(text) == said[0]), said[0])

    @property
    def names_modality(self) -> bool | None:
        """Whether the completion names the true modality; None where there is none, or no tag was asked for."""
        if self.modality is None or self.completion is None or self.format_valid is None:
            return None
        return self.tag == self.modality


def joined(
    spec: Mapping[str, Any], generations: Iterable[Mapping[str, Any]], verdicts: Iterable[Mapping[str, Any]]
) -> Iterator[ScoredCompletion]:
    """Completions with the last verdict on each, in the order of items and then of completions.

    Verdicts on completions that are no longer there are left out; those on another text than the completion has now,
    and those under another scoring or other rules than the task has now, leave their completions unscored.

    Args:
        spec: content of ``task.json``.
        generations: rows of ``generations.jsonl``.
        verdicts: rows of ``verdicts.jsonl``.

    Raises:
        ValueError: two rows are of one item and index: some are of another evaluation.
    """
    generations = list(generations)
    last = _last_verdicts(spec, {row["key"]: row for row in generations}, list(verdicts))
    rows = sorted(enumerate(generations), key=lambda pair: (pair[1]["k"], pair[0]))
    first: dict[str, int] = {}
    keys: dict[tuple[str, int], str] = {}
    for position, row in rows:
        first.setdefault(row["item"], position)
        if (key := keys.setdefault((row["item"], row["k"]), row["key"])) != row["key"]:
            raise ValueError(
                f"{spec.get('name')}/generations.jsonl: holds completion {row['k']} of item {row['item']} twice, as "
                f"the rows {key} and {row['key']}; restore the file, or remove the rows of another evaluation"
            )
    for _, row in sorted(rows, key=lambda pair: (first[pair[1]["item"]], pair[1]["k"])):
        yield ScoredCompletion.of(row, last.get(row["key"]))


def _last_verdicts(
    spec: Mapping[str, Any], generations: Mapping[str, Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """The last verdict on the present text of each completion, by the completion's key, or why there is none."""
    scoring, rules = spec["scoring"], rules_of(spec)
    texts = JudgedTexts(verdicts, rules, scoring)
    found: dict[str, Mapping[str, Any]] = {}
    for row in verdicts:
        generation = generations.get(row["generation"])
        if generation is None:
            continue
        if (row.get("scoring", scoring), row.get("rules", rules)) != (scoring, rules):
            found[row["generation"]] = {"reason": OTHER_RULES}
        elif texts.holds(row, generation):
            found[row["generation"]] = row
        else:
            found.setdefault(row["generation"], {"reason": OTHER_TEXT})
    return found
