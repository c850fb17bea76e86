"""Question-answer rows in a JSON lines file, with images in files beside it."""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.data.image_markers import pieces
from medix.data.picture import LOSSLESS, PictureError, open_picture, png
from medix.data.prompt_errors import MarkerError
from medix.data.record import is_stored, read_json
from medix.modality import TEXT_ONLY, ModalitySet
from medix.text_lines import Line, TextFileError, bad_letters, encoding_fault, read_lines
from medix.types import Sample

_COLUMNS = {"id", "image", "source", "problem", "solution", "case", "aliases"}
_TAGGED = re.compile(r"<([^<>\n]*)>(.*)", re.DOTALL)
_TAG_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:[ _-][A-Z0-9]+)*")
"""What is meant as a tag even if it is not in the modality set; ``<5 mm>`` and ``<b>bold</b>`` are references."""

_NO_MODALITY = ("TEXT", TEXT_ONLY)
"""Tags that say that a row has no image."""

_SHOWN = 10
_KINDS = {int: "number", float: "number", bool: "truth value", list: "list", dict: "mapping"}


@dataclass(frozen=True, slots=True)
class RowFault:
    """An error in one row."""

    line: int
    key: str
    value: str
    remedy: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.key}: {self.value}; {self.remedy}"


class JsonlError(ValueError):
    """The file cannot be read, or rows cannot be converted to samples."""


class _RowError(Exception):
    """Raised for a row that cannot be converted; becomes a ``RowFault``."""

    def __init__(self, key: str, value: object, remedy: str) -> None:
        super().__init__(key)
        self.key, self.value, self.remedy = key, f"{value!r:.120}", remedy


class JsonlSource:
    """Samples with the columns of the public data set: ``id``, ``image``, ``source``, ``problem``, ``solution``.

    ``image`` lists paths relative to the file (or is a single path, or empty for a text-only row). ``solution`` is
    ``<TAG>``, a line break, and the reference; for a text-only row it is the reference alone. ``case``, ``aliases`` and
    other text columns are optional; the latter become metadata. ``problem`` may say where the images stand (see
    ``medix.data.image_markers``). Every image is decoded once, so that damaged images are detected here. JPEG and PNG
    files are stored unchanged; other formats are converted to PNG: upright, without loss, but values that PNG cannot
    hold (floats, 32 bits) in eight bits (see ``medix.data.picture``).

    The file is in UTF-8, or in UTF-16 or UTF-32 with a byte order mark. A row in another encoding, or with a lone
    surrogate, is invalid: no tokenizer takes it.

    Args:
        path: the file.
        modalities: the valid tags; the paper's 16 if None.
        skip_bad: leave out invalid rows and collect their errors in ``faults`` instead of raising.
    """

    def __init__(self, path: str | Path, modalities: ModalitySet | None = None, skip_bad: bool = False) -> None:
        self.path = Path(path)
        self.modalities = modalities or ModalitySet()
        self.skip_bad = skip_bad
        self.faults: list[RowFault] = []
        self.converted = 0
        self.reduced = 0

    def __len__(self) -> int:
        """Number of rows, invalid ones included."""
        return sum(1 for _ in self._lines())

    def __iter__(self) -> Iterator[Sample]:
        """Iterate over the samples; raises at the end if rows are invalid, unless ``skip_bad``.

        Raises:
            JsonlError: rows are invalid, or the file cannot be opened.
        """
        self.faults, self.converted, self.reduced = [], 0, 0
        seen: dict[str, int] = {}
        for line in self._lines():
            try:
                sample = self._sample(_parse(line))
                if sample.id in seen:
                    raise _RowError("id", sample.id, f"line {seen[sample.id]} has the same; make ids unique")
            except _RowError as error:
                self.faults.append(RowFault(line.number, error.key, error.value, error.remedy))
                continue
            seen[sample.id] = line.number
            if self.skip_bad or not self.faults:
                yield sample
        if self.faults and not self.skip_bad:
            raise JsonlError(self.report())

    def _lines(self) -> Iterator[Line]:
        try:
            yield from read_lines(self.path)
        except OSError as error:
            raise JsonlError(f"{self.path}: cannot be opened ({error.strerror}); check the path") from error
        except TextFileError as error:
            raise JsonlError(str(error)) from error

    @property
    def conversions(self) -> str:
        """What became of images that are neither JPEG nor PNG in the last iteration; empty if there were none."""
        if not self.converted:
            return ""
        reduced = (
            f"; {self.reduced} of them in eight bits, because PNG cannot hold their values" if self.reduced else ""
        )
        were = "image was" if self.converted == 1 else "images were"
        return f"{self.converted} {were} stored as PNG, upright{reduced}"

    def report(self) -> str:
        """The first ten errors of the last iteration, and their number."""
        lines = [f"{self.path}: {len(self.faults)} faulty rows", *(f"  {fault}" for fault in self.faults[:_SHOWN])]
        if len(self.faults) > _SHOWN:
            lines.append(f"  … and {len(self.faults) - _SHOWN} more")
        if not self.skip_bad:
            lines.append("Nothing was written. Correct the rows, or leave them out with --skip-bad")
        return "\n".join(lines)

    def _sample(self, row: Mapping[str, Any]) -> Sample:
        images = self._images(row.get("image"))
        modality, reference = self._solution(_text(row, "solution", "give the reference"), bool(images))
        aliases = row.get("aliases") or []
        if not isinstance(aliases, list) or not all(isinstance(alias, str) and alias.strip() for alias in aliases):
            raise _RowError("aliases", aliases, "give a list of strings")
        sample = Sample(
            id=_text(row, "id", "give every row a unique id"),
            question=_text(row, "problem", "give the question").strip(),
            reference=reference,
            modality=modality,
            images=images,
            source=_optional(row, "source"),
            aliases=tuple(aliases),
            case=_optional(row, "case"),
            metadata={key: str(value) for key, value in row.items()
                      if key not in _COLUMNS and isinstance(value, str | int | float)},
        )  # fmt: skip
        try:
            pieces(sample)
        except MarkerError as error:
            raise _RowError("problem", sample.question, str(error)) from error
        return sample

    def _solution(self, solution: str, has_images: bool) -> tuple[str | None, str]:
        known = f"known: {', '.join(self.modalities)}"
        match = _TAGGED.fullmatch(solution.strip())
        modality = None if match is None else self.modalities.parse(match[1])
        if not has_images:
            if modality is not None:
                raise _RowError("solution", solution, "a tag without an image; name the image, or remove the tag")
            return None, self._text_only(solution.strip(), match, known)
        if match is None:
            raise _RowError("solution", solution, f"a row with images begins with its tag, such as <CT_SCAN>; {known}")
        if modality is None:
            raise _RowError("solution", f"<{match[1]}>", f"unknown tag; {known}; --modalities gives another set")
        if not match[2].strip():
            raise _RowError("solution", solution, "there is no reference after the tag; write it on the next line")
        return modality, match[2].strip()

    def _text_only(self, solution: str, match: re.Match[str] | None, known: str) -> str:
        """The reference of a row without images; its tag, if it has one, is no part of it."""
        name = "" if match is None else match[1].strip()
        if match is None or not _TAG_NAME.fullmatch(name.upper() if match[2].startswith("\n") else name):
            return solution
        if name.upper() not in _NO_MODALITY:
            remedy = f"unknown tag on a row without an image; remove it, or write <TEXT_ONLY>; {known}"
            raise _RowError("solution", f"<{match[1]}>", remedy)
        if not match[2].strip():
            raise _RowError("solution", solution, "there is no reference after the tag; write it on the next line")
        return match[2].strip()

    def _images(self, names: object) -> tuple[bytes, ...]:
        listed = [names] if isinstance(names, str) and names else names or []
        if not isinstance(listed, list) or not all(isinstance(name, str) and name for name in listed):
            raise _RowError("image", names, "give a list of paths, or an empty one for a text-only row")
        return tuple(self._image(name) for name in listed)

    def _image(self, name: str) -> bytes:
        path = self.path.parent / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _RowError("image", name, f"{path} cannot be read ({error.strerror}); correct the path") from error
        try:
            picture = open_picture(data)
            if is_stored(data):
                return data
            self.converted += 1
            self.reduced += picture.mode not in LOSSLESS
            return png(picture)
        except PictureError as error:
            raise _RowError("image", name, f"{error}; replace the file") from error


def _parse(line: Line) -> dict[str, Any]:
    try:
        row = read_json(line.text)
    except ValueError as error:
        if not line.is_decoded:
            raise _RowError("row", line.text.strip(), encoding_fault(line.text)) from error
        remedy = f"cannot be read ({error}); write one JSON object per line"
        raise _RowError("row", line.text.strip(), remedy) from error
    if not isinstance(row, dict):
        raise _RowError("row", row, "write one object per line")
    key, text = bad_letters(row)
    if key:
        remedy = "it has half of a surrogate pair, which is no character; write the text again without it"
        raise _RowError(key, text, remedy if line.is_decoded else encoding_fault(text))
    return row


def _text(row: Mapping[str, Any], key: str, remedy: str) -> str:
    value = row.get(key)
    if key == "id" and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list | dict):
        remedy = f"it is a {_KINDS[type(value)]}; give one text"
    elif isinstance(value, int | float) and not math.isnan(value):  # NaN stands for what is missing
        remedy = f"it is a {_KINDS[type(value)]}, not a text; write it in quotes"
    raise _RowError(key, value, remedy)


def _optional(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _RowError(key, value, "give a string, or leave it out")
    return str(value)
