"""Whether the shards of a spec exist and are intact."""

from collections.abc import Iterator
from pathlib import Path

from medix.data.manifest import Manifest, ManifestError, ShardEntry
from medix.data.shards import Shard, ShardError
from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding
from medix.doctor.subject import Subject

SPLITS = ("train", "val", "test")
_LISTED = 3
"""Faulty shards of a split that are listed one by one."""
_BUILD = "python -m medix shards build"


class DataCheck(Check):
    """Whether every shard of every split exists and has the right size, then whether its content matches its checksum.

    Nothing is downloaded: remote shards that are not in the cache are counted and not checked.
    """

    name = "data"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """Sizes of all splits first, because reading them is quick; then checksums."""
        present: list[tuple[str, Shard]] = []
        for split in SPLITS:
            if not subject.data.paths[split]:
                if split == "train":
                    yield self.problem(
                        "data.train: no manifests are given", "list manifest files or folders with manifests"
                    )
                continue
            missing = [path for path in subject.data.paths[split] if "*" not in path and not Path(path).exists()]
            if missing:
                text = f"data.{split}: {', '.join(missing)}: no such file or folder"
                yield self.problem(
                    text, f"correct the path, which is relative to {Path.cwd()}, or build the shards: {_BUILD}"
                )
                continue
            try:
                manifests = subject.data.manifests(split)
            except ValueError as error:
                yield self.problem(*_parts(split, error))
                continue
            shards = [Shard(manifest, entry, subject.data.cache) for manifest, entry in _entries(manifests)]
            yield from self._sizes(split, manifests, shards, present)
            if split == "train":
                yield from self._batch(subject)
        yield from self._checksums(present)

    def _sizes(
        self, split: str, manifests: tuple[Manifest, ...], shards: list[Shard], present: list[tuple[str, Shard]]
    ) -> Iterator[Finding]:
        """Find the shards of a split that exist with the right size; they are appended to ``present``."""
        faults, remote = [], 0
        for shard in shards:
            if not shard.is_local:
                remote += 1
            elif fault := _fault(shard):
                faults.append(fault)
            else:
                present.append((split, shard))
        for text in faults[:_LISTED]:
            yield self.problem(
                f"data.{split}: {text}",
                "download or build it again; python -m medix shards verify lists every faulty shard",
            )
        if len(faults) > _LISTED:
            text = f"data.{split}: {len(faults) - _LISTED} more shards are missing or have the wrong size"
            yield self.problem(text, "python -m medix shards verify lists them")
        if remote:
            text = f"data.{split}: {remote} of {len(shards)} shards are remote and not in the cache; not checked"
            yield self.warning(
                text, "fit downloads them when it needs them; make sure that the disk of data.cache_dir has space"
            )
        if not faults:
            samples = sum(manifest.samples for manifest in manifests)
            yield self.ok(f"data.{split}: {samples:,} samples in {len(shards)} shards of {len(manifests)} manifests")

    def _batch(self, subject: Subject) -> Iterator[Finding]:
        """Whether an epoch has at least one batch, and the selector fits the samples."""
        try:
            samples = len(subject.data.stream("train"))
        except ValueError as error:
            yield self.problem(f"data.mixture: {error}", "correct data.mixture")
            return
        try:
            subject.data.selector.epoch(1)  # binds it
        except ValueError as error:
            yield self.problem(str(error), "correct data.selector, or the index that it reads")
        batch = subject.module.prompts_per_rollout
        if samples < batch:
            text = f"data.train: {samples} samples, fewer than model.prompts_per_rollout = {batch}"
            yield self.problem(text, "lower model.prompts_per_rollout, or add manifests to data.train")

    def _checksums(self, present: list[tuple[str, Shard]]) -> Iterator[Finding]:
        """Open every shard, which checks its checksum and its members."""
        damaged = 0
        for split, shard in present:
            try:
                shard.open()
            except ShardError as error:
                damaged += 1
                if damaged <= _LISTED:
                    yield self.problem(*_parts(split, error))
            finally:
                shard.close()
        if damaged > _LISTED:
            yield self.problem(
                f"{damaged - _LISTED} more shards are damaged", "python -m medix shards verify lists them"
            )
        elif present and not damaged:
            size = sum(shard.entry.bytes for _, shard in present)
            yield self.ok(f"{len(present)} shards ({size / 1e6:,.1f} MB) match the checksums of their manifests")


def _parts(split: str, error: ManifestError | ShardError | ValueError) -> tuple[str, str]:
    """Finding and remedy, from the message of an error."""
    if isinstance(error, ShardError):
        what, remedy = error.what, error.remedy
    else:
        what, _, remedy = str(error).rpartition("; ")
    if not what:  # no remedy in the message
        what, remedy = str(error), "correct the manifest or its path"
    return (what if what.startswith("data.") else f"data.{split}: {what}"), remedy


def _entries(manifests: tuple[Manifest, ...]) -> Iterator[tuple[Manifest, ShardEntry]]:
    for manifest in manifests:
        for entry in manifest.shards:
            yield manifest, entry


def _fault(shard: Shard) -> str:
    """Why the file of a local shard cannot be right, without reading it; empty if nothing is wrong."""
    if shard.entry.is_remote:
        return ""
    path = Path(shard.manifest.location(shard.entry))
    if not path.is_file():
        return f"shard {path} of manifest {shard.manifest.path} does not exist"
    if path.stat().st_size != shard.entry.bytes:
        size, listed = path.stat().st_size, shard.entry.bytes
        return f"shard {path} has {size:,} bytes, but manifest {shard.manifest.path} lists {listed:,}"
    return ""
