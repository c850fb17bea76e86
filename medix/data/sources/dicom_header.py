"""The header of a DICOM file, whose values are not trusted."""

import logging
import math
import re
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from medix.data.partition import as_shown
from medix.data.sources.source import RowError

_CODE = re.compile(r"[A-Z0-9_ ]{1,16}")
_UID = re.compile(r"[0-9.]{1,64}")
_WHOLE = re.compile(r" *[+-]?[0-9]{1,12} *")
_SHOWN = 60

_GROUPS = {
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "WindowCenter": "FrameVOILUTSequence",
    "WindowWidth": "FrameVOILUTSequence",
    "VOILUTFunction": "FrameVOILUTSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
}
"""Where a multi-frame object of the enhanced kind keeps what others keep at the top (PS3.3 C.7.6.16)."""


@cache
def malformed() -> tuple[type[Exception], ...]:
    """What pydicom raises for values and pixels that break the rules of the standard.

    A lack of memory is none of it: whether a file is left out would depend on what else the machine does.
    """
    from pydicom.errors import BytesLengthException, InvalidDicomError

    return (
        ValueError, TypeError, AttributeError, LookupError, ArithmeticError, NotImplementedError, EOFError, OSError,
        RuntimeError, RecursionError, struct.error, zlib.error, BytesLengthException, InvalidDicomError,
    )  # fmt: skip


@contextmanager
def quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Collects what pydicom warns of, and neither shows nor logs it: it repeats values, which may name people."""
    logger = logging.getLogger("pydicom")
    logs, logger.propagate = logger.propagate, False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield caught
    finally:
        logger.propagate = logs


@dataclass(frozen=True)
class DicomHeader:
    """Reads values of a data set, each with the type that is expected; what has another type is missing.

    Args:
        dataset: a ``pydicom.Dataset``.
        frame: index of the frame whose values are meant, in a multi-frame object of the enhanced kind.
    """

    dataset: Any
    frame: int = 0

    def value(self, keyword: str) -> Any:
        """The value as pydicom gives it, of the frame where it has its own; None if it is missing or malformed."""
        with quiet():
            for place in self._places(keyword):
                try:
                    value = place.get(keyword)
                except malformed():
                    continue
                if value is not None and value != "":
                    return value
        return None

    def has(self, keyword: str) -> bool:
        """Whether the element is there, even if it is empty or malformed."""
        return keyword in self.dataset

    def is_filled(self, keyword: str) -> bool:
        """Whether the element is there and holds something, even if it is malformed."""
        if not self.has(keyword):
            return False
        try:
            return raw_value(self.dataset, keyword) not in (None, b"", "")
        except malformed():
            return True

    def code(self, keyword: str) -> str:
        """A defined term (VR CS) in upper case; empty if it is missing or is none."""
        return next(iter(self.codes(keyword)), "")

    def codes(self, keyword: str) -> tuple[str, ...]:
        """Every value of an element of defined terms; those that are none are empty."""
        found = [str(value).strip().upper() for value in _listed(self.value(keyword))]
        return tuple(value if _CODE.fullmatch(value) else "" for value in found)

    def uid(self, keyword: str) -> str:
        """A unique identifier; empty if it is missing or is none."""
        value = str(self.value(keyword) or "").strip("\0 ")
        return value if _UID.fullmatch(value) else ""

    def text(self, keyword: str) -> str:
        """A text without surrounding spaces, for hashing only: it may be anything."""
        value = self.value(keyword)
        return "" if value is None else str(value).strip("\0 ")

    @property
    def patient(self) -> tuple[tuple[str, str], ...]:
        """What tells patients apart, with its kind: PatientID, then StudyInstanceUID, without those that are empty."""
        named = (("patient", as_shown(self.text("PatientID"))), ("study", self.uid("StudyInstanceUID")))
        return tuple((kind, text) for kind, text in named if text)

    def number(self, keyword: str) -> float | None:
        """The first value as a finite number."""
        return next(iter(self.numbers(keyword)), None)

    def numbers(self, keyword: str) -> tuple[float, ...]:
        """Every value as a finite number; none at all if one of them is no such number."""
        found = []
        for value in _listed(self.value(keyword)):
            try:
                found.append(float(value))
            except (TypeError, ValueError, OverflowError):
                return ()
        return tuple(found) if all(map(math.isfinite, found)) else ()

    def whole(self, keyword: str) -> int | None:
        """The first value as a whole number."""
        value = self.number(keyword)
        return int(value) if value is not None and value == int(value) else None

    def items(self, keyword: str) -> "tuple[DicomHeader, ...]":
        """The items of a sequence."""
        value = self.value(keyword)
        return tuple(map(DicomHeader, value)) if _is_sequence(value) else ()

    def explicit_type(self, keyword: str) -> str:
        """The value representation that the file states for an element; empty where it states none."""
        from pydicom.datadict import tag_for_keyword

        if getattr(self.dataset, "original_encoding", (None, None))[0]:  # pydicom has chosen one
            return ""
        try:
            tag = tag_for_keyword(keyword)
            assert tag is not None
            return str(self.dataset.get_item(tag).VR or "")
        except malformed():
            return ""

    @property
    def frames(self) -> int:
        """Number of frames; 1 where it is not stated.

        Raises:
            RowError: it is stated and is no positive number.
        """
        if not self.has("NumberOfFrames"):
            return 1
        try:
            with quiet():
                raw = raw_value(self.dataset, "NumberOfFrames")
        except malformed() as error:
            raise RowError("NumberOfFrames", None, "it cannot be read; leave the file out", "frames") from error
        text = raw.decode("ascii", "replace").strip("\0 ") if isinstance(raw, bytes) else str(raw)
        if text in ("", "None"):
            return 1
        if not _WHOLE.fullmatch(text) or int(text) < 1:
            remedy = "it is no number of frames; correct the header or leave the file out"
            raise RowError("NumberOfFrames", text[:_SHOWN], remedy, "frames")
        return int(text)

    @property
    def is_little_endian(self) -> bool:
        """The byte order of the file."""
        return bool(getattr(self.dataset, "original_encoding", (False, True))[1] is not False)

    def _places(self, keyword: str) -> Iterator[Any]:
        group = _GROUPS.get(keyword)
        if group is not None:
            for name, index in (
                ("PerFrameFunctionalGroupsSequence", self.frame),
                ("SharedFunctionalGroupsSequence", 0),
            ):
                try:
                    yield self.dataset.get(name)[index].get(group)[0]
                except malformed():
                    continue
        yield self.dataset


def raw_value(dataset: Any, keyword: str) -> Any:
    """The bytes of an element that has not been converted yet, or its value."""
    from pydicom.datadict import tag_for_keyword

    tag = tag_for_keyword(keyword)
    assert tag is not None
    return dataset.get_item(tag).value


def _listed(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]


def _is_sequence(value: Any) -> bool:
    from pydicom.sequence import Sequence as DicomSequence

    return isinstance(value, DicomSequence)
