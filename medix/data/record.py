"""One sample as the members of a WebDataset tar, and back.

A sample with key ``000000012`` is ``000000012.json`` with ``000000012.0.jpg``, ``000000012.1.png``, …: WebDataset
splits names at the first dot of the last path component. Keys are therefore ordinals, never file names (a DICOM
identifier ``1.2.840…`` would become key ``1``), and the number of an image is part of its extension.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from medix.types import Sample

KEY_DIGITS = 9
_KEY = re.compile(r"[0-9]+")
_IMAGE = re.compile(r"([0-9]+)\.(jpg|jpeg|png)")
_TEXT = re.compile(r"(?:([A-Za-z0-9_-]+)\.)?txt")
_SIGNATURES = {b"\xff\xd8\xff": "jpg", b"\x89PNG\r\n\x1a\n": "png"}
_FIELDS = {"id", "question", "reference", "modality", "source", "aliases", "case", "metadata", "images"}


class RecordError(ValueError):
    """The members of a tar do not form a valid sample."""


def image_extension(image: bytes) -> str:
    """``jpg`` or ``png``, by the first bytes of an encoded image.

    Raises:
        RecordError: the image is neither JPEG nor PNG.
    """
    for signature, extension in _SIGNATURES.items():
        if image.startswith(signature):
            return extension
    raise RecordError(f"image begins with {image[:8]!r}: neither JPEG nor PNG; convert it to one of them")


def is_stored(image: bytes) -> bool:
    """Whether shards hold an encoded image as it is."""
    return any(image.startswith(signature) for signature in _SIGNATURES)


def read_json(text: str | bytes) -> Any:
    """The content of a JSON text in which no key stands twice.

    Raises:
        ValueError: not JSON, nested too deeply, or a key stands twice: the last would replace the first.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            twice = next(key for place, (key, _) in enumerate(pairs) if key in dict(pairs[:place]))
            raise ValueError(f"the key {twice!r} stands twice; keep one of them")
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def encode(sample: Sample, ordinal: int) -> dict[str, str | bytes]:
    """Encode a sample for ``webdataset.TarWriter``; equal samples give equal bytes."""
    fields = {
        "id": sample.id,
        "question": sample.question,
        "reference": sample.reference,
        "modality": sample.modality,
        "source": sample.source,
        "aliases": list(sample.aliases),
        "case": sample.case,
        "metadata": dict(sample.metadata),
        "images": len(sample.images),
    }
    members: dict[str, str | bytes] = {"__key__": f"{ordinal:0{KEY_DIGITS}d}"}
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    members["json"] = text.encode(errors="backslashreplace")  # a lone surrogate becomes its JSON escape
    for number, image in enumerate(sample.images):
        members[f"{number}.{image_extension(image)}"] = image
    return members


def split_name(name: str) -> tuple[str, str]:
    """Key and extension of a member.

    Raises:
        RecordError: the key is not an ordinal, or the file type is not supported.
    """
    key, _, extension = name.rpartition("/")[2].partition(".")
    extension = extension.lower()
    if not _KEY.fullmatch(key) or "/" in name:
        raise RecordError(
            f"the key of member {name!r} is not an ordinal; build shards with `python -m medix shards build`, "
            "which names samples 000000000, 000000001, …"
        )
    if extension != "json" and not _IMAGE.fullmatch(extension) and not _TEXT.fullmatch(extension):
        raise RecordError(
            f"member {name!r} is refused: only <number>.jpg, <number>.jpeg, <number>.png, json and txt are read, "
            "because other file types could contain code; remove it and build the shard again"
        )
    return key, extension


def decode(members: Mapping[str, bytes]) -> Sample:
    """Decode a sample from its members by extension.

    Raises:
        RecordError: the JSON or an image is missing, or a field is missing or has the wrong type.
    """
    fields = _read_fields(members)
    images = {int(match[1]): data for name, data in members.items() if (match := _IMAGE.fullmatch(name))}
    expected = fields.get("images", len(images))
    if len(images) != expected or sorted(images) != list(range(len(images))):  # a range of what is stated may be huge
        raise RecordError(f"sample {fields['id']!r} declares {expected} images but contains numbers {sorted(images)}")
    try:
        texts = {match[1] or "txt": data.decode() for name, data in members.items() if (match := _TEXT.fullmatch(name))}
    except UnicodeDecodeError as error:
        raise RecordError(f"a txt member of sample {fields['id']!r} is not UTF-8: {error}") from error
    return Sample(
        id=fields["id"],
        question=fields["question"],
        reference=fields["reference"],
        modality=fields.get("modality"),
        images=tuple(images[number] for number in range(expected)),
        source=fields.get("source", ""),
        aliases=tuple(fields.get("aliases", ())),
        case=fields.get("case", ""),
        metadata={**fields.get("metadata", {}), **texts},
    )


def _read_fields(members: Mapping[str, bytes]) -> dict[str, Any]:
    if "json" not in members:
        raise RecordError(f"a sample has no json member, only {sorted(members)}")
    try:
        fields = read_json(members["json"])
    except ValueError as error:
        raise RecordError(f"the json member cannot be read: {error}") from error
    if not isinstance(fields, dict):
        raise RecordError(f"the json member is a {type(fields).__name__}, not an object")
    unknown = sorted(fields.keys() - _FIELDS)
    missing = sorted(name for name in ("id", "question", "reference") if not str(fields.get(name) or "").strip())
    if unknown or missing:
        raise RecordError(
            f"the json member of sample {fields.get('id')!r} "
            + (f"has unknown fields {unknown}" if unknown else f"has no text in {missing}")
            + f"; known fields: {', '.join(sorted(_FIELDS))}"
        )
    _check_types(fields)
    return fields


def _check_types(fields: Mapping[str, Any]) -> None:
    aliases, metadata = fields.get("aliases", []), fields.get("metadata", {})
    checks = {
        **{name: isinstance(fields[name], str) for name in ("id", "question", "reference")},
        "modality": isinstance(fields.get("modality"), str | None),
        "source": isinstance(fields.get("source", ""), str),
        "case": isinstance(fields.get("case", ""), str),
        "aliases": isinstance(aliases, list) and all(isinstance(alias, str) for alias in aliases),
        "metadata": isinstance(metadata, dict) and all(isinstance(value, str) for value in metadata.values()),
        "images": isinstance(fields.get("images", 0), int),
    }
    for name, is_valid in checks.items():
        if not is_valid:
            raise RecordError(f"sample {fields['id']!r}: json field {name!r} has the wrong type: {fields[name]!r}")
