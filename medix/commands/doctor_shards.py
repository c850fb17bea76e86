"""Whether the shards of a spec are there and whole."""

from collections.abc import Iterator
from pathlib import Path

from medix.commands.doctor_check import Check, Finding
from medix.commands.doctor_subject import Subject
from medix.data.manifest import Manifest, ManifestError, ShardEntry
from medix.data.shards import Shard, ShardError, default_cache

SPLITS = ("train", "val", "test")
_TOLD = 3
_BUILD = "python -m medix shards build"


class ShardsCheck(Check):
    """Every shard of every split: there, of the right size, and then, as long as time allows, of the right content.

    Nothing is fetched: a remote shard that is not in the cache is counted and left alone.
    """

    name = "data"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """Sizes of all splits first, since they are quick to read."""
        whole: list[tuple[str, Shard]] = []
        for split in SPLITS:
            if not subject.data.paths[split]:
                if split == "train":
                    yield self.problem("data.train: no manifests are given", "list files or folders of manifests")
                continue
            absent = [path for path in subject.data.paths[split] if "*" not in path and not Path(path).exists()]
            if absent:
                text = f"data.{split}: {', '.join(absent)}: there is no such file or folder"
                yield self.problem(text, f"correct the path, which counts from {Path.cwd()}, or build it: {_BUILD}")
                continue
            try:
                manifests = subject.data.manifests(split)
            except ValueError as error:
                yield self.problem(*_said(split, error))
                continue
            shards = [Shard(manifest, entry, subject.data.cache_dir) for manifest, entry in _entries(manifests)]
            yield from self._split(split, manifests, shards, whole)
            yield from self._enough(subject, split)
        yield from self._content(whole)

    def _split(
        self, split: str, manifests: tuple[Manifest, ...], shards: list[Shard], whole: list[tuple[str, Shard]]
    ) -> Iterator[Finding]:
        """Which shards of a split are there, by their sizes; those go on to ``whole``."""
        missing, remote = [], 0
        for shard in shards:
            if shard.entry.is_remote and not is_cached(shard):
                remote += 1
            elif found := _wrong_size(shard):
                missing.append(found)
            else:
                whole.append((split, shard))
        for text in missing[:_TOLD]:
            yield self.problem(f"data.{split}: {text}", "fetch or build it again; python -m medix shards verify")
        if len(missing) > _TOLD:
            yield self.problem(f"data.{split}: {len(missing) - _TOLD} more shards are missing or of another size", "")
        if remote:
            text = f"data.{split}: {remote} of {len(shards)} shards are remote and not in the cache; not checked"
            yield self.warning(text, "they are fetched while the run needs them; see that data.cache_dir has room")
        if not missing:
            samples = sum(manifest.samples for manifest in manifests)
            yield self.ok(f"data.{split}: {samples:,} samples in {len(shards)} shards of {len(manifests)} manifests")

    def _enough(self, subject: Subject, split: str) -> Iterator[Finding]:
        """Whether an epoch has a batch."""
        if split != "train":
            return
        try:
            samples = len(subject.data.stream(split))
        except ValueError as error:
            yield self.problem(f"data.mixture: {error}", "correct data.mixture")
            return
        wanted = subject.module.prompts_per_rollout
        if samples < wanted:
            text = f"data.train: {samples} samples, fewer than model.prompts_per_rollout = {wanted}"
            yield self.problem(text, "lower model.prompts_per_rollout, or give more manifests")

    def _content(self, whole: list[tuple[str, Shard]]) -> Iterator[Finding]:
        """Checksums and members; one finding for what is wrong, at once, and one at the end."""
        damaged = 0
        for split, shard in whole:
            try:
                shard.open()
            except ShardError as error:
                damaged += 1
                if damaged <= _TOLD:
                    yield self.problem(*_said(split, error))
            finally:
                shard.close()
        if damaged > _TOLD:
            yield self.problem(f"{damaged - _TOLD} more shards are damaged", "python -m medix shards verify lists them")
        elif whole and not damaged:
            size = sum(shard.entry.bytes for _, shard in whole)
            yield self.ok(f"{len(whole)} shards here ({size / 1e6:,.1f} MB) have the checksums of their manifests")


def _said(split: str, error: ManifestError | ShardError | ValueError) -> tuple[str, str]:
    """What was found, and what the message of the error says to do."""
    what, mark, remedy = str(error).rpartition("; ")
    if isinstance(error, ShardError):
        what, mark, remedy = str(error).partition(". Fetch")
        remedy = f"Fetch{remedy}"
    if not mark:
        what, remedy = str(error), "correct the manifest, or the path"
    return (what if what.startswith("data.") else f"data.{split}: {what}"), remedy


def _entries(manifests: tuple[Manifest, ...]) -> Iterator[tuple[Manifest, ShardEntry]]:
    for manifest in manifests:
        for entry in manifest.shards:
            yield manifest, entry


def is_cached(shard: Shard) -> bool:
    """Whether a remote shard was fetched before."""
    path = (shard.cache_dir or default_cache()) / f"{shard.entry.sha256}.tar"
    return path.is_file() and path.stat().st_size == shard.entry.bytes


def _wrong_size(shard: Shard) -> str:
    """What is wrong with the file of a shard, without reading it; empty if nothing."""
    if shard.entry.is_remote:
        return ""
    path = Path(shard.manifest.location(shard.entry))
    if not path.is_file():
        return f"shard {path} of manifest {shard.manifest.path} is not there"
    if path.stat().st_size != shard.entry.bytes:
        return (
            f"shard {path} has {path.stat().st_size:,} bytes, manifest {shard.manifest.path} says {shard.entry.bytes:,}"
        )
    return ""
