"""Completion records, one JSON line each, which training, validation and prediction write and tables read."""

import json
import logging
import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medix.files.atomic_file import ESCAPE, naming, write_atomically
from medix.files.text_lines import encoding_fault, read_lines
from medix.grammar import parse
from medix.modality import ModalitySet
from medix.reporting.record_check import check_values
from medix.types import (
    Cluster,
    CompletionScores,
    ComponentScore,
    RolloutGroup,
    SampleKey,
    ScoredGroup,
    Verdict,
    cluster_of,
)

CompletionKey = tuple[str, str, int]
"""Data set and id of the sample, and index of the completion among those of its prompt."""

ASKED_BY = " asked by "
"""After the name of a judge that was asked in the words of an answer rule, which follows."""

ANSWER_RULE = "answer rule "
"""Before the name of an answer rule, in the place of a judge that the rule needed not."""

_LOG = logging.getLogger(__name__)
_DERIVED = ("names_modality", "flags")
"""Fields written for other readers of the file; recomputed when read."""

_LEFT_OUT: tuple[tuple[str, object], ...] = (
    ("normalised", None),
    ("position", -1),
    ("rewards", ""),
    ("own_judges", ""),
    ("exchanged", False),
    ("subgroup", {}),
)
"""Fields that are left out of a line if they have their default value."""


@dataclass(frozen=True, slots=True)
class ComponentRecord:
    """The score by one reward component.

    Attributes:
        value: the value; None unless scored.
        status: ``scored``, ``unscored`` or ``not_applicable``.
        reason: why it is unscored.
        is_judged: whether a judge was asked about this completion; unknown (False) in older files.
        verdict: verdict of that judge; None if it equals the verdict of the record, to avoid storing it twice.
        left_out: whether it earns its value but stays out of every mean.
    """

    value: float | None
    status: str
    reason: str = ""
    is_judged: bool = False
    verdict: Verdict | None = None
    left_out: bool = False

    @property
    def in_means(self) -> tuple[float | None, str]:
        """Value and status; not applicable where it stays out of the means."""
        return (None, "not_applicable") if self.left_out else (self.value, self.status)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the judge's fields are left out if the component has no judge."""
        data: dict[str, Any] = {"value": self.value, "status": self.status, "reason": self.reason}
        if self.left_out:
            data["left_out"] = True
        if self.is_judged:
            data["is_judged"] = True
        if self.verdict is not None:
            data["verdict"] = self.verdict.to_state()
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "ComponentRecord":
        """The inverse of ``to_dict``."""
        if data.get("verdict") is None:
            return cls(**data)
        return cls(**{**data, "verdict": Verdict.from_state(data["verdict"])})


@dataclass(frozen=True, slots=True)
class CompletionRecord:
    """One completion with its scores and verdicts. Absent numbers are None, never 0 and never NaN.

    Attributes:
        step: number of finished steps for validation; in training the step that used it: that trained
            on it, or found its group without a signal. Of a group with a signal that no step has used, the last step of
            the run, without an advantage; a run that goes on writes it anew, with the step that uses it.
        split: ``train``, ``val`` or the name of another split.
        dataset: data set of the sample; empty in files written before it was recorded.
        id: identity of the sample within its data set.
        index: index of the completion among those of its prompt.
        case: patient or case within the data set, the unit that intervals are clustered by; empty if unknown.
        source: origin of the sample.
        modality: true modality; None for a text-only sample.
        question: the question.
        reference: the reference answer.
        completion: the whole output of the policy.
        answer: text of the only answer; None if there is none or several.
        reasoning: text of the only reasoning block.
        named_modality: the modality that the completion starts with.
        faults: deviations from the grammar.
        finish_reason: ``stop`` or ``length``.
        tokens: number of completion tokens.
        policy_version: version of the weights that it was sampled from.
        total: composite reward; None if unscored or never scored.
        components: the score by each component, by name.
        verdict: verdict of the judge, or that it has not exactly one answer (``Verdict.without_answer``); in training
            what the rewards know of it (``verdicts_of_rewards``); None if there is no judge.
        advantage: advantage that it was trained with; None if it was not trained on.
        mean_logprob: mean log-probability of its tokens when sampled.
        images: file names of its images, if they were written.
        image_ids: start of the SHA-256 of each image that the policy was given, in order.
        aliases: other texts accepted as the reference.
        normalised: the value from which the advantage is computed, if the suite normalises within groups.
        position: index of the sample in the order of the data, which distinguishes two draws of one sample; -1 if
            unknown.
        rewards: identity of the rewards that it was scored by; empty if unknown. Totals of other rewards are not
            compared with it.
        own_judges: identity of the arguments of judges that are not of medix, which their own identities may leave out;
            empty if there are none, or unknown.
        exchanged: whether it is of the control experiment, in which the policy sees images of other cases.
        subgroup: further fields of the sample by which results are told, by name.
    """

    step: int
    split: str
    dataset: str = field(default="", kw_only=True)
    id: str
    index: int
    case: str
    source: str
    modality: str | None
    question: str
    reference: str
    completion: str
    answer: str | None
    reasoning: str | None
    named_modality: str | None
    faults: tuple[str, ...]
    finish_reason: str
    tokens: int
    policy_version: int
    total: float | None = None
    components: Mapping[str, ComponentRecord] = field(default_factory=dict)
    verdict: Verdict | None = None
    advantage: float | None = None
    mean_logprob: float | None = None
    images: tuple[str, ...] = ()
    image_ids: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    normalised: float | None = None
    position: int = -1
    rewards: str = ""
    own_judges: str = ""
    exchanged: bool = False
    subgroup: Mapping[str, str] = field(default_factory=dict)

    @property
    def sample_key(self) -> SampleKey:
        """Identity of the sample."""
        return self.dataset, self.id

    @property
    def key(self) -> CompletionKey:
        """Identity of the completion within one validation."""
        return self.dataset, self.id, self.index

    @property
    def cluster(self) -> Cluster:
        """The unit that intervals are clustered by: the case, or the sample if the case is unknown."""
        return cluster_of(self.dataset, self.case, self.id)

    @property
    def credit(self) -> float | None:
        """The judge's verdict as a number; None if unscored or not asked."""
        return None if self.verdict is None else self.verdict.credit

    @property
    def signal(self) -> float | None:
        """The value from which its advantage is computed; None if unscored or never scored."""
        return self.total if self.normalised is None else self.normalised

    @property
    def is_scored_at_all(self) -> bool:
        """Whether a reward suite was applied to it; a suite that could not score it still records its components."""
        return self.total is not None or bool(self.components)

    def verdicts(self) -> dict[str, Verdict]:
        """Verdicts of judges by the component that asked; under an empty name if the file does not record it.

        Files that name their rewards record it: where no component asked, the verdict is of the validation alone.
        """
        found = {name: entry.verdict or self.verdict for name, entry in self.components.items() if entry.is_judged}
        if not found and not self.rewards:
            found = {"": self.judged}
        return {name: verdict for name, verdict in found.items() if verdict is not None}

    @property
    def judged(self) -> Verdict | None:
        """The verdict of the record, if a judge gave it on the plain question (``StrictAnswer``).

        None for one that an answer rule decided or worded the question of, and where there was no answer to grade.
        """
        given = self.verdict
        is_by_rule = given is not None and (given.judge.startswith(ANSWER_RULE) or ASKED_BY in given.asked)
        return None if given is None or is_by_rule or not given.has_answer else given

    @property
    def names_modality(self) -> bool | None:
        """Whether the completion starts with the true modality; None for a text-only sample."""
        return None if self.modality is None else self.named_modality == self.modality

    @property
    def is_truncated(self) -> bool:
        """Whether it was truncated at the token limit."""
        return self.finish_reason == "length"

    @property
    def flags(self) -> tuple[str, ...]:
        """The faults of the completion, and ``truncated``."""
        return (*self.faults, *(("truncated",) if self.is_truncated else ()))

    def to_dict(self) -> dict[str, Any]:
        """Plain data, including the derived modality check and flags for other readers of the file."""
        # Not ``asdict``, which copies every value and takes four times as long.
        data = {name: getattr(self, name) for name in self.__slots__}
        data |= {"names_modality": self.names_modality, "flags": self.flags}
        data["components"] = {name: entry.to_dict() for name, entry in self.components.items()}
        data["verdict"] = None if self.verdict is None else self.verdict.to_state()
        return {name: value for name, value in data.items() if (name, value) not in _LEFT_OUT}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "CompletionRecord":
        """The inverse of ``to_dict``, also after a JSON round trip."""
        verdict = data.get("verdict")
        return cls(
            **{
                **{name: value for name, value in data.items() if name not in _DERIVED},
                "faults": tuple(data["faults"]),
                "images": tuple(data.get("images", ())),
                "image_ids": tuple(data.get("image_ids", ())),
                "aliases": tuple(data.get("aliases", ())),
                "components": {
                    name: ComponentRecord.from_dict(entry) for name, entry in data.get("components", {}).items()
                },
                "verdict": None if verdict is None else Verdict.from_state(verdict),
            }
        )

    def to_json(self) -> str:
        """One line, without the line break."""
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> "CompletionRecord":
        """The inverse of ``to_json``.

        Raises:
            ValueError: the line is not a completion record, or a value in it is of no run.
        """
        try:
            data = json.loads(line)
            check_values(data)
            return cls.from_dict(data)
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not a completion record ({error}): {line[:120]!r}") from error


def record_completion(
    group: RolloutGroup,
    index: int,
    modalities: ModalitySet,
    *,
    step: int = 0,
    split: str = "predict",
    scores: CompletionScores | None = None,
    verdict: Verdict | None = None,
    advantage: float | None = None,
    suite: Mapping[str, str] | None = None,
    exchanged: bool = False,
) -> CompletionRecord:
    """Create the record of one completion of a group.

    Args:
        group, index: prompt and completions, and which of these.
        modalities: the valid tags.
        step, split: number of finished steps, and split of the sample.
        scores: scores by the reward suite.
        verdict: verdict of the judge; None for the first verdict among the scores.
        advantage: advantage that it was trained with.
        suite, exchanged: what scored and judged it (``GroupRLModule.suite``), and whether its images are exchanged.
    """
    sample, completion = group.prompt.sample, group.completions[index]
    parsed = parse(completion.text, modalities, expects_tag=sample.modality is not None)
    components = {} if scores is None else scores.components
    verdict = verdict or next((entry.verdict for entry in components.values() if entry.verdict is not None), None)
    return CompletionRecord(
        step=step,
        split=split,
        dataset=sample.dataset,
        id=sample.id,
        index=index,
        case=sample.case,
        source=sample.source,
        modality=sample.modality,
        question=sample.question,
        reference=sample.reference,
        completion=completion.text,
        answer=parsed.answer,
        reasoning=parsed.reasoning,
        named_modality=parsed.modality,
        faults=tuple(str(fault) for fault in parsed.faults),
        finish_reason=str(completion.finish_reason),
        tokens=len(completion.token_ids),
        policy_version=group.policy_version,
        total=None if scores is None else finite(scores.total),
        components={name: _component_record(entry, verdict) for name, entry in components.items()},
        verdict=verdict,
        advantage=None if advantage is None else finite(advantage),
        mean_logprob=finite(sum(completion.logprobs) / len(completion.logprobs)) if completion.logprobs else None,
        image_ids=sample.image_ids,
        aliases=sample.aliases,
        normalised=None if scores is None or scores.normalised is None else finite(scores.normalised),
        position=group.prompt.index,
        rewards=(suite or {}).get("rewards", ""),
        own_judges=(suite or {}).get("own_judges", ""),
        exchanged=exchanged,
        subgroup=dict(sample.subgroup),
    )


def _component_record(entry: ComponentScore, verdict: Verdict | None) -> ComponentRecord:
    own = None if entry.verdict == verdict else entry.verdict
    is_judged = entry.verdict is not None
    return ComponentRecord(finite(entry.value), str(entry.status), entry.reason, is_judged, own, entry.left_out)


def record_group(
    group: ScoredGroup,
    modalities: ModalitySet,
    *,
    step: int,
    split: str,
    advantages: Sequence[float] | None = None,
    suite: Mapping[str, str] | None = None,
    verdicts: Sequence[Verdict] | None = None,
) -> list[CompletionRecord]:
    """Create the record of every completion of a scored group, in order.

    Args:
        group: prompt, completions and scores.
        modalities, step, split, suite: as for ``record_completion``.
        advantages: one per completion; None if the group was not trained on.
        verdicts: one per completion; None for the first verdict among the scores of each.
    """
    return [
        record_completion(
            group.rollout,
            index,
            modalities,
            step=step,
            split=split,
            scores=scores,
            verdict=None if verdicts is None else verdicts[index],
            advantage=None if advantages is None else advantages[index],
            suite=suite,
        )
        for index, scores in enumerate(group.scores)
    ]


def finite(value: float) -> float | None:
    """The number, or None if it is NaN or infinite, which JSON does not support."""
    return float(value) if math.isfinite(value) else None


def read_records(path: str | Path) -> Iterator[CompletionRecord]:
    """Read a file of completion records.

    A last line that was truncated by a crash is left out with a warning; any other damage is an error.

    Raises:
        TextFileError: the file is of another format.
        ValueError: a line is not a completion record.
    """
    for line in read_lines(Path(path)):
        try:
            record = CompletionRecord.from_json(line.text if line.is_decoded else "")
        except ValueError as error:  # of the text encoding as well: a line may be cut within a character
            if not line.is_ended:
                _LOG.warning("%s: the last line (%d) is truncated and was left out", path, line.number)
                return
            told = error if line.is_decoded else encoding_fault(line.text)
            raise ValueError(f"{path}, line {line.number}: {told}") from error
        yield record


def write_records(path: str | Path, records: Iterable[CompletionRecord]) -> None:
    """Write a file of completion records atomically."""
    write_atomically(path, "".join(record.to_json() + "\n" for record in records))


def append_records(path: str | Path, records: Iterable[CompletionRecord]) -> None:
    """Append records in one write, and flush them to disk before returning."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(record.to_json() + "\n" for record in records).encode(errors=ESCAPE)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        with naming(path):
            view = memoryview(text)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def drop_steps_after(path: str | Path, step: int, waiting: Collection[int] = ()) -> int:
    """Delete the lines of steps after ``step``, and a truncated last line; returns the number of deleted lines.

    Args:
        path: the file.
        step: the last step to keep.
        waiting: positions of samples whose groups wait for a later step: lines of theirs without an advantage, written
            when training ended, are deleted as well.
    """
    path = Path(path)
    if not path.exists():
        return 0
    with path.open("rb") as file:  # lines end at a line feed alone, and the last may be cut within a character
        lines = list(file)
    kept = [line for line in lines if line.endswith(b"\n") and _stays(json.loads(line), step, waiting)]
    if len(kept) != len(lines):
        write_atomically(path, b"".join(kept).decode("utf-8"))
    return len(lines) - len(kept)


def _stays(entry: Mapping[str, Any], step: int, waiting: Collection[int]) -> bool:
    if entry["step"] == step and entry.get("advantage") is None and entry.get("position", -1) in waiting:
        return False
    return bool(entry["step"] <= step)


def with_images(record: CompletionRecord, images: Sequence[str]) -> CompletionRecord:
    """The record with the names of the files that its images were written to."""
    return replace(record, images=tuple(images))
