"""Manifests: the shards of a data set with counts, checksums, licence and de-identification statement.

A sample is identified by (data set, id) and a case by (data set, case), never by row numbers or file names. The data
set of a sample is the ``dataset`` of the manifest that lists its shard. The splits of one collection share it. A
manifest without this field (written before the field existed, or by hand for existing tars) forms a data set of its
own, named after its ``name``.
"""

import glob
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medix.data.address import without_access
from medix.data.part_folders import part_folders
from medix.modality import PAPER_MODALITIES, TEXT_ONLY, ModalitySet
from medix.yaml_text import YamlFileError, read_yaml_file, write_yaml

REMOTE_SCHEMES = ("http", "https", "s3", "gs", "hf")
_TYPES: dict[str, type] = {
    "name": str, "dataset": str, "modality": str, "licence": str, "deidentification": str, "source": str, "part": str,
    "modalities": list, "skipped_rows": int, "salt_digest": str, "build": str, "layout": dict, "samples": int,
    "bytes": int, "shards": list,
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


class ManifestError(ValueError):
    """A manifest is missing, malformed or inconsistent. Its message shows no access to shards."""

    def __init__(self, message: str) -> None:
        super().__init__(without_access(message))


@dataclass(frozen=True, slots=True)
class ShardEntry:
    """The entry of one tar in its manifest.

    Attributes:
        url: path relative to the manifest's folder, absolute path, or address (http, https, s3, gs, hf).
        sha256: of the whole file, lower-case hexadecimal.
        bytes: size of the file.
        samples: number of samples in it.
    """

    url: str
    sha256: str
    bytes: int
    samples: int

    def __post_init__(self) -> None:
        scheme = self.url.partition(":")[0] if ":" in self.url else ""
        if scheme == "pipe":
            raise ManifestError(
                f"shards.url: {self.url!r} would run a command and is refused; "
                f"give a path or an address ({', '.join(REMOTE_SCHEMES)})"
            )
        if scheme and scheme not in REMOTE_SCHEMES:
            raise ManifestError(
                f"shards.url: {self.url!r} has the unknown scheme {scheme!r}; "
                f"give a path or an address ({', '.join(REMOTE_SCHEMES)})"
            )
        if len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef"):
            raise ManifestError(
                f"shards.sha256: {self.sha256!r} of {self.url} is not 64 lower-case hexadecimal digits; "
                "write the output of sha256sum"
            )
        for name, value in (("bytes", self.bytes), ("samples", self.samples)):
            if value < 0:
                raise ManifestError(f"shards.{name}: {value!r} of {self.url} must not be negative; correct it")

    @property
    def is_remote(self) -> bool:
        """Whether the shard has to be downloaded."""
        return "://" in self.url

    @property
    def shown(self) -> str:
        """``url`` as messages and reports show it."""
        return without_access(self.url)


@dataclass(frozen=True, slots=True)
class DataStatement:
    """Information that must be given about data before shards are built from it; see ``Manifest`` for the fields."""

    name: str
    licence: str
    deidentification: str
    source: str = ""
    modalities: tuple[str, ...] = PAPER_MODALITIES
    dataset: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ManifestError(
                f"name: {self.name!r} is part of file names; use letters, digits, underscores and hyphens"
            )
        for key in ("licence", "deidentification"):
            if not getattr(self, key).strip():
                raise ManifestError(f"{key}: {getattr(self, key)!r}; data is used only if its {key} is stated")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Shards of one imaging modality from one data set.

    Attributes:
        name: of this part of the data set, the beginning of its file names.
        modality: the modality of every sample, or ``TEXT_ONLY``.
        licence: under which the data may be used.
        deidentification: how identities were removed, or why there are none.
        shards: the tars, in order.
        source: where the data comes from: an address or a citation.
        modalities: names of the modality set, if it is not the default one.
        skipped_rows: rows that were left out when the shards were built.
        path: the file it was read from; not part of its identity.
        dataset: the collection whose splits share ids and cases; ``name`` if empty.
        layout: what the members of the tars mean (``medix.data.foreign_record``); empty for tars of medix.
        salt_digest: of the secret of the pseudonyms that its ids and cases are (``Pseudonyms.digest``); empty if they
            are as the input names them; None if that is not known, as of manifests from before it was stated.
        part: of the partition of its build, with which its name ends; empty if there is none; None if it is not known.
        build: of all manifests of one build the same (``build_digest``), since they name cases alike; empty where a
            salt is stated, and in manifests from before it was stated.
    """

    name: str
    modality: str
    licence: str
    deidentification: str
    shards: tuple[ShardEntry, ...]
    source: str = ""
    modalities: tuple[str, ...] = PAPER_MODALITIES
    skipped_rows: int = 0
    path: Path = Path("manifest.yaml")
    dataset: str = ""
    layout: Mapping[str, Any] = field(default_factory=dict)
    salt_digest: str | None = None
    part: str | None = None
    build: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", self.dataset.strip() or self.name)
        for key in ("name", "modality", "licence", "deidentification"):
            value = getattr(self, key)
            if not value.strip():
                raise ManifestError(
                    f"{self.path}: {key} is {value!r}; data is used only if its {key} is stated, so add it"
                )
        if self.modality != TEXT_ONLY and self.modality not in self.modalities:
            raise ManifestError(
                f"{self.path}: modality {self.modality!r} is not in its modality set; known: "
                f"{', '.join(self.modalities)}, {TEXT_ONLY}. Correct it, or list the set under modalities"
            )
        if not self.shards:
            raise ManifestError(f"{self.path}: shards is empty; list at least one, or remove the manifest")

    @property
    def names_dataset(self) -> bool:
        """Whether it says which collection it is of: its ``dataset`` is not its ``name``, with or without the part.

        Where the part is not known it is taken for the name of the folder, as builds of several parts write it.
        """
        part = self.path.absolute().parent.name if self.part is None else self.part
        return self.dataset not in (self.name, self.name.removesuffix(f"_{part}"))

    @property
    def samples(self) -> int:
        """Samples in all shards."""
        return sum(shard.samples for shard in self.shards)

    @property
    def bytes(self) -> int:
        """Size of all shards."""
        return sum(shard.bytes for shard in self.shards)

    @property
    def modality_set(self) -> ModalitySet:
        """The modalities that its samples may have."""
        return ModalitySet(self.modalities)

    @property
    def digest(self) -> str:
        """Hash of the data: changes if any sample changes, and does not change if files are moved."""
        shards = [[shard.sha256, shard.samples] for shard in self.shards]
        layout = [dict(self.layout)] if self.layout else []
        identity = json.dumps([self.name, self.modality, list(self.modalities), shards, *layout])
        return hashlib.sha256(identity.encode()).hexdigest()

    def location(self, shard: ShardEntry) -> str:
        """Location of a shard: its address, or its path resolved against the manifest's folder."""
        if shard.is_remote:
            return shard.url
        return str(self.path.parent / shard.url)

    def shown_location(self, shard: ShardEntry) -> str:
        """``location`` as messages and reports show it."""
        return shard.shown if shard.is_remote else self.location(shard)

    def write(self, path: Path) -> None:
        """Write it as YAML."""
        document: dict[str, Any] = {
            "name": self.name,
            "dataset": self.dataset,
            "modality": self.modality,
            "licence": self.licence,
            "deidentification": self.deidentification,
            "source": self.source,
        }
        if self.modalities != PAPER_MODALITIES:
            document["modalities"] = list(self.modalities)
        if self.skipped_rows:
            document["skipped_rows"] = self.skipped_rows
        if self.salt_digest is not None:
            document["salt_digest"] = self.salt_digest
        if self.part is not None:
            document["part"] = self.part
        if self.build:
            document["build"] = self.build
        if self.layout:
            document["layout"] = dict(self.layout)
        document |= {"samples": self.samples, "bytes": self.bytes}
        document["shards"] = [
            {"url": shard.url, "sha256": shard.sha256, "bytes": shard.bytes, "samples": shard.samples}
            for shard in self.shards
        ]
        path.write_text(write_yaml(document), encoding="utf-8")

    @classmethod
    def read(cls, path: str | Path) -> "Manifest":
        """Read one file.

        Raises:
            ManifestError: the file is unreadable, keys are missing or unknown, or the totals do not match.
        """
        path = Path(path)
        try:
            document = read_yaml_file(path).content
        except OSError as error:
            counts = "" if path.is_absolute() else f", which counts from the working directory, {Path.cwd()}"
            reason = f"the manifest cannot be opened ({error.strerror}); check the path{counts}"
            raise ManifestError(f"{path}: {reason}") from error
        except YamlFileError as error:
            raise ManifestError(str(error)) from error
        if not isinstance(document, dict):
            raise ManifestError(f"{path}: a manifest maps name, modality, licence, … to values; found {document!r:.60}")
        return cls._from_document(document, path)

    @classmethod
    def _from_document(cls, document: dict[str, Any], path: Path) -> "Manifest":
        required = {"name", "modality", "licence", "deidentification", "shards"}
        known = set(_TYPES)
        _check_keys(document, required, known, f"{path}")
        _check_types(document, _TYPES, f"{path}")
        rows = document["shards"]
        keys = {"url", "sha256", "bytes", "samples"}
        shards = []
        for number, row in enumerate(rows):
            if not isinstance(row, dict):
                raise ManifestError(f"{path}: shards[{number}] is {row!r:.80}; write url, sha256, bytes, samples")
            _check_keys(row, keys, keys, f"{path}: shards[{number}]")
            where = f"{path}: shards[{number}]"
            _check_types(row, {"url": str, "sha256": str, "bytes": int, "samples": int}, where)
            try:
                shards.append(ShardEntry(**row))
            except ManifestError as error:
                raise ManifestError(f"{path}: {error}") from error
        manifest = cls(
            name=document["name"],
            modality=document["modality"],
            licence=document["licence"],
            deidentification=document["deidentification"],
            shards=tuple(shards),
            source=document.get("source", ""),
            modalities=tuple(document.get("modalities", PAPER_MODALITIES)),
            skipped_rows=document.get("skipped_rows", 0),
            path=path,
            dataset=document.get("dataset", ""),
            layout=document.get("layout", {}),
            salt_digest=document.get("salt_digest"),
            part=document.get("part"),
            build=document.get("build", ""),
        )
        for key in ("samples", "bytes"):
            if document.get(key, getattr(manifest, key)) != getattr(manifest, key):
                raise ManifestError(
                    f"{path}: {key} is {document[key]}, but its shards sum to {getattr(manifest, key)}; correct either"
                )
        return manifest


def read_manifests(paths: Sequence[str | Path]) -> tuple[Manifest, ...]:
    """Read manifests given as files, as folders (every ``*.yaml`` in them) or as patterns with ``*``.

    Raises:
        ManifestError: a path has no manifests, a manifest is invalid, or one is listed twice.
    """
    files: dict[Path, tuple[Path, str | Path]] = {}
    for path in paths:
        if Path(path).is_dir():
            found = sorted(Path(path).glob("*.yaml"))
        elif "*" in str(path):
            found = sorted(Path(match) for match in glob.glob(str(path)))
        else:
            found = [Path(path)]
        if not found:
            parts = " ".join(map(str, part_folders(Path(path))))
            remedy = f"give its parts: {parts}" if parts else "build one with `python -m medix shards build`"
            raise ManifestError(f"{path}: has no manifest (*.yaml); {remedy}")
        for file in found:
            if file.resolve() in files:
                raise ManifestError(
                    f"{file}: the manifest is listed twice, by {str(files[file.resolve()][1])!r} and by {str(path)!r}; "
                    "list it once (data.mixture.repeat repeats training samples)"
                )
            files[file.resolve()] = file, path
    return tuple(Manifest.read(file) for file, _ in files.values())


def build_digest(checksums: Iterable[str]) -> str:
    """Hash of the checksums of all shards of a build, in any order."""
    return hashlib.sha256("".join(sorted(checksums)).encode()).hexdigest()[:16]


def joint_digest(manifests: Sequence[Manifest]) -> str:
    """Hash of several manifests in order."""
    return hashlib.sha256("".join(manifest.digest for manifest in manifests).encode()).hexdigest()


def _check_keys(mapping: Mapping[str, Any], required: set[str], known: set[str], where: str) -> None:
    missing, unknown = sorted(required - mapping.keys()), sorted(map(str, mapping.keys() - known))
    if missing:
        raise ManifestError(f"{where}: {', '.join(missing)} missing; a manifest states {', '.join(sorted(required))}")
    if unknown:
        raise ManifestError(f"{where}: unknown key {', '.join(unknown)}; known: {', '.join(sorted(known))}")


def _check_types(mapping: Mapping[str, Any], types: Mapping[str, type], where: str) -> None:
    for key, value in mapping.items():
        if not isinstance(value, types[key]):
            raise ManifestError(
                f"{where}: {key} is {value!r:.60}, a {type(value).__name__}; use {types[key].__name__} "
                "(quote strings that look like numbers)"
            )
