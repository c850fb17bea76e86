"""A recorded run: its files, its spec, and its groups, rebuilt without images or a policy."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from medix.advantages.base import Advantage
from medix.advantages.grpo import GRPOAdvantage
from medix.advantages.subset import Subset
from medix.judge.base import Judge
from medix.modality import ModalitySet
from medix.reporting.record import CompletionRecord, read_records
from medix.rewards.suite import RewardSuite
from medix.rollout.signal import GroupFilter, SpreadFilter
from medix.spec.spec_fault import read_spec
from medix.spec.spec_file import build
from medix.types import Completion, FinishReason, Prompt, RolloutGroup, Sample, SampleKey

SPLITS = {
    "train": "train.rank*.jsonl",
    "val": "val-step-*.jsonl",
    "validate": "validate-step-*.jsonl",
    "test": "test-step-*.jsonl",
}
"""Files of a run by split: training, validations during training, and runs of ``validate`` and ``test``."""

_WRITTEN = re.compile(r"(train\.rank|(val|validate|test)-step-)[0-9]+\.jsonl")
_LONGEST_LINE = 1 << 24


@dataclass(frozen=True)
class RunParts:
    """The parts of a run's spec that rescoring uses.

    Attributes:
        modalities: the valid tags.
        advantage: computes advantages from totals.
        group_filter: selects the groups that are trained on.
        subset: chooses which of their completions are; None for all.
        judge: judge of rewards and validation; None if the spec has none or it cannot be built here.
        rewards: suite of the run; None if the spec has none or it cannot be built here.
        path: the spec file; None if there is none.
        notes: notes for the reader on parts that could not be used.
    """

    modalities: ModalitySet = field(default_factory=ModalitySet)
    advantage: Advantage = field(default_factory=GRPOAdvantage)
    group_filter: GroupFilter = field(default_factory=SpreadFilter)
    subset: Subset | None = None
    judge: Judge | None = None
    rewards: RewardSuite | None = None
    path: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordedGroup:
    """One prompt and its completions, as recorded."""

    records: tuple[CompletionRecord, ...]

    @property
    def rollout(self) -> RolloutGroup:
        """The group as a reward suite scores it. Token ids are zeros, because only their number is recorded."""
        first = self.records[0]
        sample = Sample(
            id=first.id,
            question=first.question,
            reference=first.reference,
            modality=first.modality,
            source=first.source,
            aliases=first.aliases,
            case=first.case,
            dataset=first.dataset,
        )
        completions = tuple(
            Completion(record.completion, _zeros(record.tokens), (), FinishReason(record.finish_reason))
            for record in self.records
        )
        return RolloutGroup(Prompt(sample, (), index=first.position), completions, first.policy_version)


@dataclass(frozen=True)
class RecordedRun:
    """Files of completions and the spec of their run.

    Attributes:
        path: the folder or file that was given.
        files: the files that are read, in order.
        folder: folder of the run; for a single file without a run, the folder of the file.
    """

    path: Path
    files: tuple[Path, ...]
    folder: Path

    @classmethod
    def find(cls, path: str | Path, split: str = "train") -> "RecordedRun":
        """Find the files of a split of a run, or a single file.

        Raises:
            FileNotFoundError: there are no such files; lists the existing ones.
            ValueError: one of them is a folder.
        """
        path = Path(path)
        if path.is_file():
            beside = path.parent.parent if path.parent.name == "completions" else path.parent
            return cls(path, (path,), beside if (beside / "spec.yaml").exists() else path.parent)
        if not path.is_dir():
            raise FileNotFoundError(
                f"RUN {path}: there is no such folder or file; give the folder of a run, or one JSONL file of its "
                "completions"
            )
        folder = path / "completions" if (path / "completions").is_dir() else path
        files = tuple(sorted(file for file in folder.glob(SPLITS[split]) if _WRITTEN.fullmatch(file.name)))
        if not files:
            existing = ", ".join(sorted(file.name for file in folder.glob("*.jsonl"))[:8]) or "no JSONL files"
            raise FileNotFoundError(
                f"RUN {path}: has no completions of --split {split} ({SPLITS[split]}); found: {existing}. Training "
                "writes them with the callback medix.callbacks.RecordCompletions; give another --split, or one file"
            )
        for file in files:
            if file.is_dir():
                raise ValueError(f"{file}: is a folder in the place of a record; restore the file, or move it away")
        return cls(path, files, path)

    def lines(self) -> int:
        """Number of lines of the files, for a progress bar."""
        total = 0
        for path in self.files:
            with path.open("rb") as file:
                total += sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        return total

    def truncated_files(self) -> list[Path]:
        """The files whose last line was truncated by a crash."""
        return [path for path in self.files if _is_truncated(path)]

    def groups(self, steps: range | None = None, split: str | None = None) -> Iterator[RecordedGroup]:
        """The groups in the order of the files.

        Args:
            steps: read only these steps.
            split: read only lines of this split; all of them if None.

        Raises:
            ValueError: a line is not a completion record, the lines of a group are not adjacent, or a group occurs
                twice.
        """
        seen: set[int] = set()
        for path in self.files:
            selected = (
                record
                for record in read_records(path)
                if (steps is None or record.step in steps) and (split is None or record.split == split)
            )
            yield from group_records(selected, str(path), seen)

    def parts(self) -> RunParts:
        """The parts of its spec; defaults if there is no spec.

        Raises:
            ValueError: the modality set, advantage or filter of the spec cannot be built.
        """
        later = sorted(self.folder.glob("spec.from-step-*.yaml"))
        path = later[-1] if later else self.folder / "spec.yaml"
        if not path.exists():
            return RunParts(notes=(f"No spec.yaml in {self.folder}: the defaults of medix are used instead.",))
        return _parts(path)


def group_records(
    records: Iterator[CompletionRecord], name: str, seen: set[int] | None = None
) -> Iterator[RecordedGroup]:
    """Group adjacent lines, in the order in which they were written. A new group begins where the step, sample, policy
    version or position in the data changes, or where an index repeats: a sample may be drawn twice in a run, and even
    in one step. Its draws differ in their position, where that is recorded.

    Args:
        records: the lines.
        name: name of the file, for messages.
        seen: hashes of the groups of the files before; those of this file are added.

    Raises:
        ValueError: the lines of a group are not adjacent, or a group occurs twice.
    """
    current: list[CompletionRecord] = []
    seen = set() if seen is None else seen  # hashes: a few MB for a million groups
    for record in records:
        if current and (_group_key(record) != _group_key(current[-1]) or record.index <= current[-1].index):
            yield RecordedGroup(tuple(current))
            current = []
        if not current:
            key = hash(_group_key(record))
            if record.index > 0 and key in seen:
                raise ValueError(
                    f"{name}: the completions of sample {record.id!r} at step {record.step} are not adjacent; restore "
                    "the order in which they were written: by step, sample and index"
                )
            if record.position >= 0 and key in seen:
                raise ValueError(
                    f"{name}: the completions of sample {record.id!r} at step {record.step} and position "
                    f"{record.position} occur a second time, here or in a file before; remove the copy"
                )
            seen.add(key)
        current.append(record)
    if current:
        yield RecordedGroup(tuple(current))


def _group_key(record: CompletionRecord) -> tuple[str, int, SampleKey, int, int]:
    return record.split, record.step, record.sample_key, record.policy_version, record.position


def _is_truncated(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LONGEST_LINE))
        last = file.read().rpartition(b"\n")[2]
    if not last.strip():
        return False
    try:
        CompletionRecord.from_json(last.decode("utf-8"))
    except ValueError:  # also raised for invalid UTF-8
        return True
    return False


@lru_cache(maxsize=512)
def _zeros(count: int) -> tuple[int, ...]:
    return (0,) * count


def _parts(path: Path) -> RunParts:
    spec = read_spec(path)
    model = spec.get("model") if isinstance(spec, dict) else None
    if not isinstance(model, dict):
        raise ValueError(f"{path}: model: is not a mapping; this is not the spec of a run. Give only the JSONL file")
    notes = []
    found: dict[str, Any] = {}
    kinds = {"modalities": ModalitySet, "advantage": Advantage, "group_filter": GroupFilter, "subset": Subset}
    for name, kind in kinds.items():
        if model.get(name) is not None:
            try:
                given = model[name]
                found[name] = ModalitySet(given) if isinstance(given, list) else build(kind, name, given)
            except ValueError as error:
                raise ValueError(
                    f"{path}: model.{name}: {error}\n  Its value is {model[name]!r:.200}. Your own classes are "
                    "imported from the working directory: start in the folder where the run was started"
                ) from error
    optional: tuple[tuple[str, type, Any], ...] = (
        ("judge", Judge, spec.get("judge")),
        ("rewards", RewardSuite, model.get("rewards")),
    )
    for name, base, block in optional:
        try:
            found[name] = None if block is None else build(base, name, block)
        except ValueError as error:
            message = str(error).partition("\n")[0]
            notes.append(f"The {name} of {path.name} cannot be built here: {message:.300}")
    if model.get("reward_kl") is not None:
        notes.append(
            "The run subtracts a KL penalty from its totals (model.reward_kl); the advantages here do not include it."
        )
    return RunParts(**found, path=path, notes=tuple(notes))


def steps_of(text: str) -> range:
    """Parse a range of steps: ``10:40`` is steps 10 to 40, inclusive; ``10`` is only step 10, ``10:`` all from 10.

    Raises:
        ValueError: the text is not a range.
    """
    first, colon, last = text.partition(":")
    try:
        start = int(first or 0)
        end = int(last) if last else (2**62 if colon else start)
    except ValueError as error:
        raise ValueError(f"--steps {text}: is not a range of steps; give for example 10:40, 10: or 7") from error
    if start < 0 or end < start:
        raise ValueError(f"--steps {text}: ends before it begins; give for example 10:40")
    return range(start, end + 1)


def describe(files: Sequence[Path], folder: Path) -> str:
    """The names of the files, relative to the folder."""
    names = [str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file) for file in files]
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} to {names[-1]} ({len(names)} files)"
