"""Reads DICOM files, and refuses those that are no images or too large."""

import zlib
from pathlib import Path
from typing import Any

from medix.data.sources.dicom_header import DicomHeader, malformed, quiet
from medix.data.sources.dicom_modality import TAG_OF_SOP_CLASS, is_secondary_capture
from medix.data.sources.source import RowError
from medix.visible_text import visible

MAX_PIXELS = 1 << 28
"""Rows x columns x frames that one sample may decode."""

_MAX_INFLATED = 1 << 30
_CHUNK = 1 << 20
_DICOMDIR = "1.2.840.10008.1.3.10"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_UNDEFINED = 0xFFFFFFFF
_PREAMBLE = 132
_GROUP_LENGTH = 12
_SHOWN = 200


def read_header(path: Path, with_pixels: bool = False) -> DicomHeader:
    """Read a file up to its pixels, or wholly.

    Args:
        path: the file.
        with_pixels: also read the pixels, without decoding them.

    Raises:
        RowError: it is no DICOM file, is damaged, or is a directory of others.
    """
    import pydicom

    try:
        with open(path, "rb") as file:
            start = file.read(_PREAMBLE)
            is_marked = start[128:] == b"DICM"
            if not is_marked and not _may_be_unmarked(start):
                remedy = "this is no DICOM file; leave it out" if start else "the file is empty; leave it out"
                raise RowError("file", path.name, remedy, "not_dicom", refused=True)
            file.seek(0)
            with quiet() as caught:
                if is_marked:
                    _check_inflated(path)
                dataset = pydicom.dcmread(file, stop_before_pixels=not with_pixels, force=not is_marked)
                # pydicom only warns, or says nothing, and returns what it has read.
                if _is_cut(dataset) or any("End of file" in str(one.message) for one in caught):
                    raise EOFError("it ends too early")
    except RowError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise RowError("file", path.name, f"cannot be read ({error.strerror}); check it", "unreadable") from error
        raise _damaged(path, error) from error
    except malformed() as error:
        raise _damaged(path, error) from error
    if not is_marked and not ({"SOPClassUID", "Rows", "Modality"} & set(dataset.dir())):
        raise RowError("file", path.name, "this is no DICOM file; leave it out", "not_dicom", refused=True)
    stored = DicomHeader(dataset.file_meta).uid("MediaStorageSOPClassUID")
    if stored == _DICOMDIR or "DirectoryRecordSequence" in dataset:
        remedy = "this is a directory of other files (DICOMDIR); give those files, or their folder"
        raise RowError("file", path.name, remedy, "dicomdir", refused=True)
    return DicomHeader(dataset)


def check_image(header: DicomHeader, frames: int = 1, before: int = 0) -> int:
    """The number of pixels of an image.

    Args:
        header: of the file.
        frames: how many of its frames are taken.
        before: pixels of other files of the same sample.

    Raises:
        RowError: it has no size, or there are more than ``MAX_PIXELS``.
    """
    rows, columns = header.whole("Rows"), header.whole("Columns")
    if not rows or not columns or rows < 0 or columns < 0:
        sop_class = header.uid("SOPClassUID")
        if not sop_class or sop_class in TAG_OF_SOP_CLASS or is_secondary_capture(header):
            remedy = "an image has a size: the file is cut or damaged; fetch it again or leave it out"
            raise RowError("Rows", rows, remedy, "no_pixels")
        remedy = "the file has no pixels, such as a report, a document or a plan; leave it out"
        raise RowError("Rows", rows, remedy, "no_pixels", refused=True)
    pixels = rows * columns * frames
    if before + pixels > MAX_PIXELS:
        remedy = f"a sample would have more than {MAX_PIXELS} pixels; take fewer frames, or leave the file out"
        raise RowError("Rows x Columns x frames", f"{rows} x {columns} x {frames}", remedy, "too_large")
    return pixels


def _is_cut(dataset: Any) -> bool:
    """Whether the last element is shorter than it says."""
    last: Any = dataset.get_item(max(dataset.keys())) if len(dataset) else None
    value, length = getattr(last, "value", None), getattr(last, "length", 0)
    return isinstance(value, bytes) and len(value) < length != _UNDEFINED


def _may_be_unmarked(start: bytes) -> bool:
    """Whether a file without the mark may be an old DICOM file: it begins with an element of group 2 or 8."""
    return start[:2] in (b"\x02\0", b"\x08\0", b"\0\x08") and len(start) == _PREAMBLE


def _check_inflated(path: Path) -> None:
    """Refuse a deflated file that would fill the memory: pydicom inflates it in one piece."""
    from pydicom.filereader import read_file_meta_info

    meta = read_file_meta_info(path)
    if str(meta.get("TransferSyntaxUID", "")) != _DEFLATED:
        return
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with open(path, "rb") as file:
        file.seek(_PREAMBLE + _GROUP_LENGTH + int(meta.FileMetaInformationGroupLength))
        while chunk := inflater.unconsumed_tail or file.read(_CHUNK):
            size += len(inflater.decompress(chunk, _CHUNK))
            if size > _MAX_INFLATED:
                remedy = f"it would take more than {_MAX_INFLATED} bytes of memory; leave the file out"
                raise RowError("file", path.name, remedy, "too_large")


def _damaged(path: Path, error: BaseException) -> RowError:
    return RowError("file", path.name, f"is damaged ({reason(error)}); fetch it again or leave it out", "damaged")


def reason(error: BaseException) -> str:
    """What a library says, on one line: it may repeat what stands in the file."""
    return visible(" ".join(str(error).split()))[:_SHOWN] or type(error).__name__
