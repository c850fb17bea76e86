"""Index of the samples in a shard: ids, cases, and hashes of images, questions and references.

``shards build`` writes an index beside each manifest, ``<manifest>.index.jsonl``; ``shards index`` writes it for
manifests that have none. Each line describes one shard and is looked up by the shard's SHA-256, so that an outdated
line is never used.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from medix.data.manifest import Manifest, ManifestError, ShardEntry
from medix.types import Sample

CASE_NAMES = "case_names"
"""Field of the metadata of a sample with further names of its case, separated by spaces."""

REMEDY = "write it again with `python -m medix shards index MANIFEST`"


class IndexRow(NamedTuple):
    """The index entry of one sample.

    Attributes:
        id: of the sample.
        case: of the sample; empty if unknown.
        images: identity of each image (see ``medix.types.image_id``).
        question: the first 16 hexadecimal digits of the SHA-256 of the question.
        reference: likewise of the reference; empty in an index from before references were in it.
        source: of the sample; None in an index from before sources were in it.
        case_names: what the case may be called in another data set, separated by spaces: ``CASE_NAMES`` of its
            metadata.
    """

    id: str
    case: str
    images: tuple[str, ...]
    question: str
    reference: str = ""
    source: str | None = None
    case_names: str = ""

    @classmethod
    def of(cls, sample: Sample) -> "IndexRow":
        """The row of a sample."""
        question, reference = _digest(sample.question), _digest(sample.reference)
        names = sample.metadata.get(CASE_NAMES, "")
        return cls(sample.id, sample.case, sample.image_ids, question, reference, sample.source, names)

    @property
    def written(self) -> tuple[Any, ...]:
        """The entries of a line of the index; without other names of the case if there are none."""
        return tuple(self) if self.case_names else tuple(self)[:-1]

    @property
    def cases(self) -> tuple[str, ...]:
        """All names of the case; empty if it is unknown."""
        return tuple(dict.fromkeys(filter(None, (self.case, *self.case_names.split()))))


class ManifestIndex:
    """The index of one manifest; a line is parsed when its shard is requested.

    Args:
        manifest: the manifest; a missing index file is treated as an empty index.

    Raises:
        ManifestError: the file cannot be read.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.path = index_path(manifest.path)
        self._lines: dict[str, bytes] = {}
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return
        except OSError as error:
            raise ManifestError(f"{self.path}: the index cannot be opened ({error.strerror}); {REMEDY}") from error
        for number, line in enumerate(filter(None, lines), start=1):
            start, end = line[:12], line[76:77]
            if start != b'{"sha256": "' or end != b'"':
                raise ManifestError(f"{self.path}, line {number}: not a line of an index: {line[:80]!r}; {REMEDY}")
            if self._lines.setdefault(sha256 := line[12:76].decode("ascii", "replace"), line) != line:
                raise ManifestError(f"{self.path}, line {number}: a second line of shard {sha256}; {REMEDY}")

    @property
    def shards(self) -> frozenset[str]:
        """SHA-256 of each shard that has a line."""
        return frozenset(self._lines)

    def rows(self, shard: ShardEntry) -> tuple[IndexRow, ...] | None:
        """The rows of a shard, in stored order; None if the index does not contain the shard.

        Raises:
            ManifestError: the line of the shard is damaged.
        """
        line = self._lines.get(shard.sha256)
        if line is None:
            return None
        try:
            rows = tuple(_row(*fields) for fields in json.loads(line)["samples"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ManifestError(f"{self.path}: the line of {shard.shown} is damaged ({error}); {REMEDY}") from error
        if len(rows) != shard.samples:
            raise ManifestError(
                f"{self.path}: the line of {shard.shown} has {len(rows)} samples, not {shard.samples}; {REMEDY}"
            )
        return rows


def _row(name: object, case: object, images: object, *texts: object) -> IndexRow:
    if not isinstance(images, list) or not all(isinstance(one, str) for one in (name, case, *images, *texts)):
        raise TypeError(f"sample {name!r:.60}: not id, case, list of images, question, reference and source")
    return IndexRow(name, case, tuple(images), *texts)  # type: ignore[arg-type]  # checked


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def index_path(manifest: Path) -> Path:
    """Path of the index of a manifest."""
    return manifest.with_suffix(".index.jsonl")


def write_index(path: Path, shards: Iterable[tuple[str, Sequence[IndexRow]]]) -> None:
    """Write the rows of shards, each under its SHA-256; equal shards give equal bytes."""
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.writelines(
            json.dumps({"sha256": sha256, "samples": [row.written for row in rows]}) + "\n" for sha256, rows in shards
        )
