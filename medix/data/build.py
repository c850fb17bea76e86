"""Builds shards and manifests from the rows of a source: by several processes, and again from where it was killed.

A build works in a hidden folder of its own inside the output folder. A shard is the unit: when it is complete, a
journal notes it and the rows that it holds; a build that was interrupted reads the other rows again. The samples of a
shard are those of the input's rows in order, so that the bytes depend neither on interruptions nor on the number of
processes. Shards, then indexes and manifests move into place at the end.
"""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from medix.data.aliases import Aliases
from medix.data.build_journal import Journal, JournalEntry
from medix.data.build_output import BuildOutput
from medix.data.build_versions import versions
from medix.data.left_out import LeftOut
from medix.data.manifest import DataStatement, Manifest
from medix.data.partition import NO_PATIENT, Partition
from medix.data.row_pool import RowOutcome, outcomes
from medix.data.sample_modality import with_modality
from medix.data.shard_writer import FinishedShard, ShardWriter
from medix.data.sources.source import RowError, Source, SourceRow
from medix.files import folder_lock
from medix.files.atomic_file import naming
from medix.modality import TEXT_ONLY, ModalitySet
from medix.types import Sample

Track = Callable[[Iterable[RowOutcome], int | None], Iterable[RowOutcome]]


class BuildError(ValueError):
    """Rows are faulty, or there is nothing to write."""


@dataclass(frozen=True)
class BuildPlan:
    """What a build makes of the samples of a source.

    Args:
        statement: name, data set, licence and de-identification.
        folder: for the shards; with a partition, for a folder of each part.
        manifest_folder: for the manifests, likewise; None puts them beside the shards.
        samples_per_shard: maximum number of samples per shard.
        partition: divides the samples into parts; None for one part.
        aliases: synonyms that are added to the samples.
        modality: of every sample with images; None takes what the rows state.
        skip_bad: leave faulty rows out.
        workers: number of processes.
    """

    statement: DataStatement
    folder: Path
    manifest_folder: Path | None = None
    samples_per_shard: int = 1000
    partition: Partition | None = None
    aliases: Aliases | None = None
    modality: str | None = None
    skip_bad: bool = False
    workers: int = 1

    def __post_init__(self) -> None:
        for option, value in (("--samples-per-shard", self.samples_per_shard), ("--workers", self.workers)):
            if value < 1:
                raise ValueError(f"{option} {value}: give 1 or more")

    def identity(self, source: Source) -> str:
        """Hash of all that the bytes of the shards depend on, beside the versions of programs."""
        parts = [
            type(source).__name__, source.fingerprint(), self.statement.name, self.statement.dataset,
            list(self.statement.modalities), self.samples_per_shard, asdict(self.partition) if self.partition else None,
            self.aliases.digest if self.aliases else None, self.modality,
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class BuildResult:
    """What a build has written.

    Attributes:
        manifests: by part and modality.
        left_out: rows that are not in the shards.
        resumed: number of samples that an interrupted build had finished.
        notes: sentences about what happened.
        empty_parts: parts of the partition that no sample is in, and that have no manifest.
    """

    manifests: tuple[Manifest, ...]
    left_out: LeftOut
    resumed: int
    notes: tuple[str, ...]
    empty_parts: tuple[str, ...] = ()


class Build:
    """One build.

    Args:
        source: the rows.
        plan: what is made of them.
        name: of the input, for messages.
    """

    def __init__(self, source: Source, plan: BuildPlan, name: str = "") -> None:
        self.source = source
        self.plan = plan
        self.name = name or plan.statement.name
        self.modalities = ModalitySet(plan.statement.modalities)
        self.dataset = plan.statement.dataset or plan.statement.name
        if plan.modality is not None:
            self.modalities.require(plan.modality)
        output = plan.statement, plan.folder, plan.manifest_folder, plan.partition
        self.output = BuildOutput(*output, salt_digest=source.salt_digest)
        self._seen: dict[str, str] = {}
        self._writers: dict[tuple[str, str], ShardWriter] = {}
        self._open: dict[tuple[str, str], list[RowOutcome]] = {}

    @property
    def finished(self) -> int:
        """Number of samples in finished shards, which the next build of the same input finds."""
        return sum(len(shard.rows) for writer in self._writers.values() for shard in writer.finished)

    def run(self, track: Track = lambda found, _: found) -> BuildResult:
        """Write everything or nothing.

        Args:
            track: passes the outcomes of rows on, to show progress; its second argument is their number, if known.

        Raises:
            BuildError: rows are faulty, there are none, or files would be overwritten. Nothing is left behind.
            BaseException: of an interruption; the next build of the same input with the same plan continues.
        """
        work = self.output.work
        with folder_lock.held(work, "--output", "build of shards"):
            try:
                return self._run(work, track)
            except ValueError:
                self.output.discard()
                raise
            finally:
                for writer in self._writers.values():
                    writer.abandon()

    def _run(self, work: Path, track: Track) -> BuildResult:
        journal = Journal(work / "journal.jsonl", self.plan.identity(self.source), versions(), self.output.sizes())
        self.output.refuse_to_overwrite(entry.shard.entry.url for entry in journal.entries)
        done = self._restored(journal)
        resumed = len(done)
        left_out = LeftOut(work / "left_out.jsonl")
        with naming(work):
            rows = ((number, row) for number, row in enumerate(self.source.rows()) if number not in done)
            total = self.source.total()
            found = outcomes(self.source, rows, self.plan.workers)
            for outcome in track(found, None if total is None else total - resumed):
                self._take(outcome, left_out, journal)
            left_out.close()
        if left_out.faults and not self.plan.skip_bad:  # before unfinished shards are closed: they are not whole
            remedy = "Nothing was written. Correct the rows, or leave them out with --skip-bad"
            raise BuildError(left_out.report(self.name, "\n".join([*self._without_patient(left_out), remedy])))
        with naming(work):
            for key in sorted(self._open):
                self._note(key, _closed(self._writers[key]), journal)
        if not journal.entries:
            told = f"{self.name}: there are no samples to write{_why(left_out)}; check the input"
            raise BuildError("\n".join(filter(None, [told, left_out.examples()])))
        manifests = self.output.publish(journal.entries, left_out)
        written = {entry.part for entry in journal.entries}
        empty = tuple(part for part in self.output.parts if part not in written)
        return BuildResult(manifests, left_out, resumed, tuple(self._notes(journal, left_out)), empty)

    def _restored(self, journal: Journal) -> set[int]:
        """Numbers of the rows that are in finished shards."""
        done: set[int] = set()
        for entry in journal.entries:
            self._writer((entry.part, entry.modality)).finished.append(entry.shard)
            self._seen |= {row.id: where for row, where in zip(entry.shard.rows, entry.wheres, strict=True)}
            done.update(entry.numbers)
        return done

    def _take(self, outcome: RowOutcome, left_out: LeftOut, journal: Journal) -> None:
        try:
            if isinstance(outcome.result, RowError):
                raise outcome.result
            sample = self._completed(outcome.result, outcome.counts)
            part = "" if self.plan.partition is None else self.plan.partition.part(self.dataset, sample)
            self._note_id(sample.id, outcome.where)
        except RowError as error:
            left_out.add(outcome.where, error)
            return
        if left_out.faults and not self.plan.skip_bad:
            return  # nothing will be written; the other rows are only checked
        key = part, sample.modality or TEXT_ONLY
        self._open.setdefault(key, []).append(outcome._replace(result=_NO_SAMPLE))
        if (shard := self._writer(key).write(sample)) is not None:
            self._note(key, shard, journal)

    def _completed(self, sample: Sample, counts: Counter[str]) -> Sample:
        """The sample with its modality and all of its aliases; counts the reference whose synonyms it gets."""
        if self.plan.aliases is not None:
            if key := self.plan.aliases.key(sample):
                counts[f"{_SYNONYMS}{key}"] += 1
            sample = self.plan.aliases.added(sample, counts)
        return with_modality(sample, self.plan.modality, self.modalities)

    def _note_id(self, name: str, where: str) -> None:
        if (first := self._seen.get(name)) is None:
            self._seen[name] = where
            return
        if self.source.has_ids:
            raise RowError("id", name, f"{first} has the same; make ids unique", "duplicate-id")
        raise RowError("row", name, f"equal to {first}", "duplicate", refused=True)

    def _writer(self, key: tuple[str, str]) -> ShardWriter:
        if key not in self._writers:
            name = self.output.name(key[0])
            self._writers[key] = ShardWriter(self.output.work, name, key[1], self.plan.samples_per_shard)
        return self._writers[key]

    def _note(self, key: tuple[str, str], shard: FinishedShard, journal: Journal) -> None:
        rows = self._open.pop(key)
        counts: Counter[str] = sum((row.counts for row in rows), Counter())
        numbers, wheres = tuple(row.number for row in rows), tuple(row.where for row in rows)
        journal.add(JournalEntry(*key, shard, numbers, wheres, counts))

    def _without_patient(self, left_out: LeftOut) -> list[str]:
        """How many rows --by patient cannot divide; empty if it can divide all."""
        number = left_out.faults[NO_PATIENT] if self.plan.partition and self.plan.partition.by == "patient" else 0
        return [f"--by patient: {number:,} row{' names' if number == 1 else 's name'} no patient"] if number else []

    def _notes(self, journal: Journal, left_out: LeftOut) -> Iterator[str]:
        if journal.begun_anew:
            yield f"an interrupted build was not continued, but begun anew, because this changed: {journal.begun_anew}"
        counts = sum((entry.counts for entry in journal.entries), left_out.counts)
        yield from self.source.notes(counts)
        if self.plan.aliases is not None:
            used = sum(key.startswith(_SYNONYMS) for key in counts)
            yield f"{used} of {len(self.plan.aliases)} references with synonyms occur in the data"
            yield from self.plan.aliases.notes(counts)
        if self.plan.partition is not None:
            yield from _part_sizes(self.plan.partition, journal.entries)
            yield from (f"{told}: they are in no part (--skip-bad)" for told in self._without_patient(left_out))
            yield from _shared_images(journal.entries)


def _closed(writer: ShardWriter) -> FinishedShard:
    shard = writer.close()
    assert shard is not None
    return shard


def _why(left_out: LeftOut) -> str:
    told = ", ".join(f"{number:,} {kind}" for kind, number in sorted(left_out.counts.items()))
    return f" ({left_out.total:,} rows left out: {told})" if told else ""


_SYNONYMS = "synonyms of "
_NO_SAMPLE = Sample(id="", question="", reference="", modality=None)


def _part_sizes(partition: Partition, entries: Sequence[JournalEntry]) -> Iterator[str]:
    """Samples and cases of each part, and how many samples were divided without a case."""
    rows = {
        part: [row for entry in entries if entry.part == part for row in entry.shard.rows] for part in partition.names
    }
    total = sum(map(len, rows.values()))
    for (part, share), found in zip(partition.shares, rows.values(), strict=True):
        cases = len({row.case for row in found} - {""})
        counted = f"{len(found):,} samples{f' of {cases:,} cases' if cases else ''}, {len(found) / total:.1%} of them"
        yield f"part {part}: {counted} for a share of {share:.1%}"
    unknown = sum(not row.case for of_part in rows.values() for row in of_part)
    if unknown and partition.by == "case":
        yield (
            f"{unknown:,} of {total:,} samples name no case, and were divided by their images, texts by their id: one "
            "patient may be in several parts. Call the column or field of cases case, or state it in --columns"
        )


def _shared_images(entries: Sequence[JournalEntry]) -> Iterator[str]:
    """A warning if an image is in several parts."""
    parts: dict[str, set[str]] = {}
    for entry in entries:
        for row in entry.shard.rows:
            for image in row.images:
                parts.setdefault(image, set()).add(entry.part)
    if shared := sum(len(found) > 1 for found in parts.values()):
        yield (
            f"{shared:,} of {len(parts):,} images are in more than one part: rows that share them differ in "
            "their case, or do not state it"
        )


class _GivenSamples(Source):
    """Samples that are in memory."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = samples

    def rows(self) -> Iterator[SourceRow]:
        for number, sample in enumerate(self.samples):
            yield SourceRow(f"sample {number}", sample)

    def sample(self, row: SourceRow) -> Sample:
        given: Sample = row.content
        return given

    def fingerprint(self) -> str:
        return uuid.uuid4().hex  # never continued


def write_shards(
    samples: Iterable[Sample],
    folder: str | Path,
    statement: DataStatement,
    samples_per_shard: int = 1000,
    manifest_folder: str | Path | None = None,
) -> tuple[Manifest, ...]:
    """Write samples as shards, with one manifest and one index per modality. Writes all files or none.

    Args:
        samples: samples with unique ids; an exception from it leaves ``folder`` unchanged. ``dataset`` is not read.
        folder: created if missing; must not contain shards of the same name.
        statement: name, data set, licence and de-identification.
        samples_per_shard: maximum number of samples per shard.
        manifest_folder: folder for the manifests; None puts them beside the shards.

    Raises:
        ValueError: there are no samples, two samples have the same id, or files would be overwritten.
    """
    manifests = None if manifest_folder is None else Path(manifest_folder)
    build = Build(_GivenSamples(samples), BuildPlan(statement, Path(folder), manifests, samples_per_shard))
    try:
        return build.run().manifests
    except BaseException:
        build.output.discard()
        raise
