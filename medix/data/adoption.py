"""Lists existing tars of WebDataset in manifests, without writing them again."""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from medix.data.build import BuildError, BuildPlan, BuildResult, Track
from medix.data.index import IndexRow, index_path, write_index
from medix.data.left_out import LeftOut
from medix.data.manifest import Manifest, ShardEntry, build_digest
from medix.data.row_pool import NumberedRow, outcomes
from medix.data.sample_modality import with_modality
from medix.data.shards import replacing
from medix.data.sources.source import RowError
from medix.data.sources.stored_image import listed_image
from medix.data.sources.webdataset import TarRow, WebDatasetSource
from medix.modality import TEXT_ONLY, ModalitySet

REMEDY = "Tars are listed as they are; build with --rewrite, and with --skip-bad to leave rows out"


class Adoption:
    """Manifests for the tars of a source, one for each modality.

    Every sample is read once, so that faults are found here. A tar must hold samples of one modality.

    Args:
        source: the tars.
        plan: ``statement``, ``folder`` or ``manifest_folder`` for the manifests, ``modality`` and ``workers`` are used.
    """

    def __init__(self, source: WebDatasetSource, plan: BuildPlan) -> None:
        if plan.partition is not None or plan.aliases is not None or plan.skip_bad:
            raise ValueError("--partition, --aliases and --skip-bad change the samples of a tar; build with --rewrite")
        if source.reading.data is not None and (wanted := source.reading.data.filter):
            raise ValueError(f"--columns: filter: {wanted} leaves samples of a tar out; build with --rewrite")
        self.source = WebDatasetSource(source.path, source.reading, listed_image)
        self.plan = plan
        self.folder = plan.manifest_folder or plan.folder

    def run(self, track: Track = lambda found, _: found) -> BuildResult:
        """Read every tar and write the manifests and their indexes.

        Args:
            track: passes the outcomes of rows on, to show progress; its second argument is their number.

        Raises:
            BuildError: samples are faulty, a tar holds several modalities, or files would be overwritten.
        """
        name = self.plan.statement.name
        if any(self.folder.glob(f"{name}-*.yaml")):
            raise BuildError(f"{self.folder} already contains {name}-*.yaml; remove these files or choose another name")
        grouped: dict[str, list[tuple[Path, tuple[IndexRow, ...]]]] = defaultdict(list)
        left_out, counts = LeftOut(Path(os.devnull)), Counter[str]()
        for tar, found in self._read(track, left_out, counts).items():
            if len(found) > 1:
                raise BuildError(
                    f"{tar}: holds {' and '.join(sorted(found))}, and a manifest lists tars of one modality. {REMEDY}"
                )
            ((modality, rows),) = found.items()
            grouped[modality].append((Path(tar), tuple(rows)))
        self.folder.mkdir(parents=True, exist_ok=True)
        checksums = {tar: _checksum(tar) for tars in grouped.values() for tar, _ in tars}
        manifests = tuple(self._manifest(modality, tars, checksums) for modality, tars in sorted(grouped.items()))
        return BuildResult(manifests, left_out, 0, tuple(self.source.notes(counts)))

    def _read(self, track: Track, left_out: LeftOut, counts: Counter[str]) -> dict[str, dict[str, list[IndexRow]]]:
        """The samples of each tar by modality."""
        modalities = ModalitySet(self.plan.statement.modalities)
        found: dict[str, dict[str, list[IndexRow]]] = defaultdict(lambda: defaultdict(list))
        tars: list[str] = []
        seen: dict[str, str] = {}
        for outcome in track(outcomes(self.source, self._numbered(tars), self.plan.workers), self.source.total()):
            try:
                if isinstance(outcome.result, RowError):
                    raise outcome.result
                sample = with_modality(outcome.result, self.plan.modality, modalities)
                if (first := seen.get(sample.id)) is not None:
                    raise RowError("id", sample.id, f"{first} has the same; make ids unique", "duplicate-id")
                seen[sample.id] = outcome.where
            except RowError as error:
                left_out.add(outcome.where, error)
                continue
            counts.update(outcome.counts)
            found[tars[outcome.number]][sample.modality or TEXT_ONLY].append(IndexRow.of(sample))
        left_out.close()
        if left_out.total:
            raise BuildError(left_out.report(self.source.path, f"Nothing was written. {REMEDY}"))
        return found

    def _numbered(self, tars: list[str]) -> Iterator[NumberedRow]:
        """The rows with their numbers; notes the tar of each."""
        for number, row in enumerate(self.source.rows()):
            content: TarRow = row.content
            tars.append(content.tar)
            yield number, row

    def _manifest(
        self, modality: str, tars: list[tuple[Path, tuple[IndexRow, ...]]], checksums: Mapping[Path, str]
    ) -> Manifest:
        statement = self.plan.statement
        path = self.folder / f"{statement.name}-{modality.lower()}.yaml"
        entries = []
        for tar, rows in tars:
            url = Path(os.path.relpath(tar.resolve(), path.parent.resolve())).as_posix()
            entries.append(ShardEntry(url, checksums[tar], tar.stat().st_size, len(rows)))
        manifest = Manifest(
            name=statement.name,
            modality=modality,
            licence=statement.licence,
            deidentification=statement.deidentification,
            shards=tuple(entries),
            source=statement.source,
            modalities=statement.modalities,
            path=path,
            dataset=statement.dataset,
            layout=self.source.layout[1].layout,
            part="",
            build=build_digest(checksums.values()),
        )
        with replacing(index_path(path)) as partial:
            write_index(partial, ((entry.sha256, rows) for entry, (_, rows) in zip(entries, tars, strict=True)))
        with replacing(path) as partial:
            manifest.write(partial)
        return manifest


def _checksum(tar: Path) -> str:
    with open(tar, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
