"""Where a build of shards works, and where its files go."""

import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from medix.data.build_journal import JournalEntry
from medix.data.index import index_path, write_index
from medix.data.left_out import LeftOut
from medix.data.manifest import DataStatement, Manifest, build_digest
from medix.data.partition import Partition
from medix.data.shards import replacing
from medix.files.atomic_file import naming


class BuildOutput:
    """The files of one build.

    Without a partition, ``NAME-modality-000000.tar``, ``NAME-modality.yaml`` and its index lie in the folders
    themselves. With one, each part has a folder of its name and its files begin with ``NAME_part``.

    Args:
        statement: of the manifests.
        folder: for the shards.
        manifest_folder: for the manifests; None for that of the shards.
        partition: the parts; None for none.
        salt_digest: of the manifests.
    """

    def __init__(
        self,
        statement: DataStatement,
        folder: Path,
        manifest_folder: Path | None,
        partition: Partition | None,
        salt_digest: str | None = None,
    ) -> None:
        self.salt_digest = salt_digest
        self.statement = statement
        self.folder = folder
        self.manifest_folder = manifest_folder or folder
        self.parts: tuple[str, ...] = partition.names if partition else ("",)
        self.work = folder / f".building-{statement.name}"
        self._created = [parent for parent in (folder, *folder.parents) if not parent.exists()]

    @property
    def left_out(self) -> Path:
        """The file of rows that are not in the shards."""
        return self.manifest_folder / f"{self.statement.name}.refused.jsonl"

    def name(self, part: str) -> str:
        """The beginning of the file names of a part."""
        return f"{self.statement.name}_{part}" if part else self.statement.name

    def sizes(self) -> dict[str, int]:
        """Sizes of the shards that exist, here or in the folder of the build, by name."""
        folders = [self.work, *(self.folder / part for part in self.parts)]
        return {path.name: path.stat().st_size for folder in folders for path in folder.glob("*.tar")}

    def refuse_to_overwrite(self, own: Iterable[str]) -> None:
        """Refuse names that are taken.

        Args:
            own: names of the shards of this build that may have moved into place already.

        Raises:
            ValueError: there are other files of this name.
        """
        known = set(own)
        for part in self.parts:
            for folder in {self.folder / part, self.manifest_folder / part}:
                found = {path.name for path in folder.glob(f"{self.name(part)}-*")}
                if {name for name in found if name.endswith(".tar")} - known or (found and not known):
                    raise ValueError(
                        f"{folder} already contains {self.name(part)}-*; remove these files or choose another name"
                    )

    def publish(self, entries: Sequence[JournalEntry], left_out: LeftOut) -> tuple[Manifest, ...]:
        """Move the shards into place and write the indexes and manifests, by part and modality."""
        grouped: dict[tuple[str, str], list[JournalEntry]] = defaultdict(list)
        for entry in entries:  # first the shards: a reader that finds a manifest also finds all of them
            grouped[entry.part, entry.modality].append(entry)
            target = self.folder / entry.part / entry.shard.entry.url
            if (finished := self.work / target.name).exists():
                target.parent.mkdir(exist_ok=True)
                with naming(target):
                    os.replace(finished, target)
        build = "" if self.salt_digest else build_digest(entry.shard.entry.sha256 for entry in entries)
        order = [(part, modality) for part in self.parts for modality in sorted({key[1] for key in grouped})]
        manifests = [self._manifest(*key, grouped[key], left_out.total, build) for key in order if key in grouped]
        self.left_out.unlink(missing_ok=True)
        if left_out.total:
            shutil.copyfile(left_out.path, self.left_out)
        shutil.rmtree(self.work)
        return tuple(manifests)

    def discard(self) -> None:
        """Remove what is not in place, and the folders that were created for it."""
        shutil.rmtree(self.work, ignore_errors=True)
        for folder in self._created:
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def _manifest(
        self, part: str, modality: str, entries: Sequence[JournalEntry], skipped_rows: int, build: str
    ) -> Manifest:
        folder = self.manifest_folder / part
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name(part)}-{modality.lower()}.yaml"
        shards = (entry.shard.entry for entry in entries)
        manifest = Manifest(
            name=self.name(part),
            modality=modality,
            licence=self.statement.licence,
            deidentification=self.statement.deidentification,
            shards=tuple(replace(one, url=_beside(path, self.folder / part / one.url)) for one in shards),
            source=self.statement.source,
            modalities=self.statement.modalities,
            skipped_rows=skipped_rows,
            path=path,
            dataset=self.statement.dataset or self.statement.name,
            salt_digest=self.salt_digest,
            part=part,
            build=build,
        )
        with replacing(index_path(path)) as partial:
            write_index(partial, ((entry.shard.entry.sha256, entry.shard.rows) for entry in entries))
        with replacing(path) as partial:
            manifest.write(partial)
        return manifest


def _beside(manifest: Path, shard: Path) -> str:
    """The path of a shard relative to its manifest, in POSIX form on every system."""
    return Path(os.path.relpath(shard, manifest.parent)).as_posix()
