"""A run as it is on record: its files, its spec, and its groups, built again without images or a policy."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from medix.advantages.base import Advantage
from medix.advantages.grpo import GRPOAdvantage
from medix.judge.base import Judge
from medix.modality import ModalitySet
from medix.reporting.record import CompletionRecord, read_records
from medix.rewards.suite import RewardSuite
from medix.rollout.signal import GroupFilter, SpreadFilter
from medix.spec_fault import read_spec
from medix.spec_file import build
from medix.types import Completion, FinishReason, Prompt, RolloutGroup, Sample, SampleKey

SPLITS = {
    "train": "train.rank*.jsonl",
    "val": "val-step-*.jsonl",
    "validate": "validate-step-*.jsonl",
    "test": "test-step-*.jsonl",
}
"""Files of a run by what they hold: training, its validations, and those made on their own afterwards."""

_LONGEST_LINE = 1 << 24


@dataclass(frozen=True)
class RunParts:
    """What rescoring takes from the spec of a run.

    Attributes:
        modalities: the tags that count.
        advantage: from totals to advantages.
        group_filter: which groups are trained.
        judge: of rewards and validation; None if the spec names none that can be built here.
        rewards: the suite of the run; None likewise.
        path: the spec; None if there is none.
        notes: what a reader must know of what could not be taken from it.
    """

    modalities: ModalitySet = field(default_factory=ModalitySet)
    advantage: Advantage = field(default_factory=GRPOAdvantage)
    group_filter: GroupFilter = field(default_factory=SpreadFilter)
    judge: Judge | None = None
    rewards: RewardSuite | None = None
    path: Path | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RecordedGroup:
    """One prompt and its completions, as they were written down."""

    records: tuple[CompletionRecord, ...]

    @property
    def rollout(self) -> RolloutGroup:
        """What a reward suite scores: texts and counts. Token ids are zeros, as many as there were."""
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
    """Files of completions and the spec beside them.

    Attributes:
        path: what was named: a folder or a file.
        files: the files that are read, in order.
        folder: where the run is; for a file that stands alone, where the file is.
    """

    path: Path
    files: tuple[Path, ...]
    folder: Path

    @classmethod
    def find(cls, path: str | Path, split: str = "train") -> "RecordedRun":
        """The files of a split of a run, or the one file that is named.

        Raises:
            FileNotFoundError: nothing of the kind; names what there is.
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
        files = tuple(sorted(folder.glob(SPLITS[split])))
        if not files:
            there = ", ".join(sorted(file.name for file in folder.glob("*.jsonl"))[:8]) or "no JSONL file at all"
            raise FileNotFoundError(
                f"RUN {path}: holds no completions of --split {split} ({SPLITS[split]}); there is {there}. Training "
                "writes them with the callback medix.callbacks.RecordCompletions; give another --split, or one file"
            )
        return cls(path, files, path)

    def lines(self) -> int:
        """How many lines the files have; fast, for a progress bar."""
        total = 0
        for path in self.files:
            with path.open("rb") as file:
                total += sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
        return total

    def cut(self) -> list[Path]:
        """The files whose last line a crash cut off."""
        return [path for path in self.files if _is_cut(path)]

    def groups(self, steps: range | None = None, split: str | None = None) -> Iterator[RecordedGroup]:
        """The groups in the order of the files.

        Args:
            steps: read only these.
            split: read only lines of this split; all of them if None.

        Raises:
            ValueError: a line that is not a completion record, or groups whose lines do not stand together.
        """
        for path in self.files:
            wanted = (
                record
                for record in read_records(path)
                if (steps is None or record.step in steps) and (split is None or record.split == split)
            )
            yield from group_records(wanted, str(path))

    def parts(self) -> RunParts:
        """What its spec says; the defaults without a spec.

        Raises:
            ValueError: the spec names a modality set, an advantage or a filter that cannot be built.
        """
        later = sorted(self.folder.glob("spec.from-step-*.yaml"))
        path = later[-1] if later else self.folder / "spec.yaml"
        if not path.exists():
            return RunParts(notes=(f"No spec.yaml in {self.folder}: the defaults of medix are taken for its own.",))
        return _parts(path)


def group_records(records: Iterator[CompletionRecord], name: str) -> Iterator[RecordedGroup]:
    """Groups out of lines. A group's lines stand together, as they were written; the next group begins where step,
    sample, weights or place in the data change, or where an index comes again: one sample may be drawn twice in a run,
    and even in a step.

    Raises:
        ValueError: lines of one group that do not stand together.
    """
    current: list[CompletionRecord] = []
    seen: set[int] = set()  # hashes: a few MB for a million groups
    for record in records:
        if current and (_draw(record) != _draw(current[-1]) or record.index <= current[-1].index):
            yield RecordedGroup(tuple(current))
            current = []
        if not current:
            draw = hash(_draw(record))
            if record.index > 0 and draw in seen:
                raise ValueError(
                    f"{name}: the completions of sample {record.id!r} at step {record.step} do not stand together; "
                    "sort the lines as they were written: by step, sample and index"
                )
            seen.add(draw)
        current.append(record)
    if current:
        yield RecordedGroup(tuple(current))


def _draw(record: CompletionRecord) -> tuple[str, int, SampleKey, int, int]:
    return record.split, record.step, record.sample_key, record.policy_version, record.position


def _is_cut(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LONGEST_LINE))
        last = file.read().rpartition(b"\n")[2]
    if not last.strip():
        return False
    try:
        CompletionRecord.from_json(last.decode("utf-8"))
    except ValueError:  # of the text encoding as well
        return True
    return False


@lru_cache(maxsize=512)
def _zeros(count: int) -> tuple[int, ...]:
    return (0,) * count


def _parts(path: Path) -> RunParts:
    spec = read_spec(path)
    model = spec.get("model") if isinstance(spec, dict) else None
    if not isinstance(model, dict):
        raise ValueError(f"{path}: model: is not a mapping; this is no spec of a run. Name the JSONL file alone")
    notes = []
    found: dict[str, Any] = {}
    for name, kind in (("modalities", ModalitySet), ("advantage", Advantage), ("group_filter", GroupFilter)):
        if model.get(name) is not None:
            try:
                found[name] = build(kind, name, model[name])
            except ValueError as error:
                raise ValueError(
                    f"{path}: model.{name}: {error}\n  It was {model[name]!r:.200}. Classes of your own are imported "
                    "from the working directory: start from where the run was started"
                ) from error
    whole: tuple[tuple[str, type, Any], ...] = (
        ("judge", Judge, spec.get("judge")),
        ("rewards", RewardSuite, model.get("rewards")),
    )
    for name, base, block in whole:
        try:
            found[name] = None if block is None else build(base, name, block)
        except ValueError as error:
            told = str(error).partition("\n")[0]
            notes.append(f"The {name} of {path.name} cannot be built here: {told:.300}")
    if model.get("reward_kl") is not None:
        notes.append(
            "The run subtracts a KL penalty from its totals (model.reward_kl); advantages here are without it."
        )
    return RunParts(**found, path=path, notes=tuple(notes))


def steps_of(text: str) -> range:
    """``10:40`` as steps 10 to 40, both included; ``10`` is that step alone, ``10:`` all from there.

    Raises:
        ValueError: anything else.
    """
    first, colon, last = text.partition(":")
    try:
        start = int(first or 0)
        end = int(last) if last else (2**62 if colon else start)
    except ValueError as error:
        raise ValueError(f"--steps {text}: is no range of steps; give for example 10:40, 10: or 7") from error
    if start < 0 or end < start:
        raise ValueError(f"--steps {text}: ends before it begins; give for example 10:40")
    return range(start, end + 1)


def describe(files: Sequence[Path], folder: Path) -> str:
    """The files by name, the folder left out."""
    names = [str(file.relative_to(folder)) if file.is_relative_to(folder) else str(file) for file in files]
    return ", ".join(names) if len(names) <= 3 else f"{names[0]} to {names[-1]} ({len(names)} files)"
