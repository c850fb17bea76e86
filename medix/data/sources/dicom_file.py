"""Reads DICOM files: headers first, then single frames."""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from medix.data.sources.dicom_codestream import size_of
from medix.data.sources.dicom_header import MALFORMED, DicomHeader, quiet
from medix.data.sources.dicom_modality import TAG_OF_SOP_CLASS
from medix.data.sources.source import RowError
from medix.visible_text import visible

MAX_PIXELS = 1 << 28
"""Rows x columns x frames that one sample may decode."""

_MAX_INFLATED = 1 << 30
_CHUNK = 1 << 20
_DICOMDIR = "1.2.840.10008.1.3.10"
_EXTENDED = "1.2.840.10008.1.2.4.51"
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_DEFLATED = "1.2.840.10008.1.2.1.99"
PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_UNDEFINED = 0xFFFFFFFF
_PREAMBLE = 132
_GROUP_LENGTH = 12
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame.

    Attributes:
        index: its index in the file.
        values: ``[height, width]`` or ``[height, width, 3]``.
        photometric: photometric interpretation of the values: YBR has become RGB.
    """

    index: int
    values: NDArray[Any]
    photometric: str


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
    except RowError:
        raise
    except OSError as error:
        if error.errno is not None:
            raise RowError("file", path.name, f"cannot be read ({error.strerror}); check it", "unreadable") from error
        raise _damaged(path, error) from error
    except MALFORMED as error:
        raise _damaged(path, error) from error
    # pydicom only warns, or says nothing, and returns what it has read.
    if any("End of file" in str(one.message) for one in caught) or _is_cut(dataset):
        raise _damaged(path, EOFError("it ends too early"))
    if not is_marked and not ({"SOPClassUID", "Rows", "Modality"} & set(dataset.dir())):
        raise RowError("file", path.name, "this is no DICOM file; leave it out", "not_dicom", refused=True)
    if str(dataset.file_meta.get("MediaStorageSOPClassUID", "")) == _DICOMDIR or "DirectoryRecordSequence" in dataset:
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
        if not sop_class or sop_class in TAG_OF_SOP_CLASS or sop_class.startswith(_SECONDARY_CAPTURE):
            remedy = "an image has a size: the file is cut or damaged; fetch it again or leave it out"
            raise RowError("Rows", rows, remedy, "no_pixels")
        remedy = "the file has no pixels, such as a report, a document or a plan; leave it out"
        raise RowError("Rows", rows, remedy, "no_pixels", refused=True)
    pixels = rows * columns * frames
    if before + pixels > MAX_PIXELS:
        remedy = f"a sample would have more than {MAX_PIXELS} pixels; take fewer frames, or leave the file out"
        raise RowError("Rows x Columns x frames", f"{rows} x {columns} x {frames}", remedy, "too_large")
    return pixels


def decode(header: DicomHeader, indices: Sequence[int]) -> Iterator[Frame]:
    """Decode frames of a file that was read with its pixels.

    Args:
        header: as ``read_header`` returns it.
        indices: of the frames, in order.

    Raises:
        RowError: there are no pixels, the file is damaged, or nothing that is installed decodes it.
    """
    from pydicom.pixels.decoders.base import get_decoder

    dataset = header.dataset
    if not any(keyword in dataset for keyword in PIXELS):
        remedy = "the file is cut before its pixels, or has none; fetch it again or leave it out"
        raise RowError("PixelData", None, remedy, "no_pixels")
    syntax = _transfer_syntax(dataset)
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        remedy = "this transfer syntax is not supported (videos are none); convert the file"
        raise RowError("TransferSyntaxUID", syntax.name, remedy, "transfer_syntax") from error
    if not decoder.is_available:
        needed = "; ".join(decoder.missing_dependencies)
        remedy = f"no decoder of it is installed; pip install 'medix-rl[dicom]' ({needed})"
        raise RowError("TransferSyntaxUID", syntax.name, remedy, "transfer_syntax")
    _check_codestreams(header, indices, syntax)
    for index in indices:
        try:
            with quiet():
                values, found = decoder.as_array(dataset, index=index)
        except (*MALFORMED, MemoryError) as error:
            remedy = f"frame {index} cannot be decoded ({_reason(error)}); {_advice(syntax)}"
            raise RowError("PixelData", syntax.name, remedy, "undecodable") from error
        yield Frame(index, values, str(found["photometric_interpretation"]))


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


def _transfer_syntax(dataset: Any) -> Any:
    """The stated transfer syntax, or that of a file without file meta information, which is never compressed."""
    from pydicom import uid

    if stated := dataset.file_meta.get("TransferSyntaxUID"):
        return stated
    is_implicit, is_little_endian = dataset.original_encoding
    if is_implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if is_little_endian else uid.ExplicitVRBigEndian


def _check_codestreams(header: DicomHeader, indices: Sequence[int], syntax: Any) -> None:
    """Refuse compressed frames that state another size than the header."""
    from pydicom.encaps import get_frame

    if not syntax.is_encapsulated or not isinstance(header.dataset.PixelData, bytes):
        return
    stated = header.whole("Rows"), header.whole("Columns")
    for index in indices:
        try:
            stream = get_frame(header.dataset.PixelData, index, number_of_frames=header.frames)
        except MALFORMED as error:
            raise RowError("PixelData", syntax.name, f"has no frame {index}; fetch the file again", "frames") from error
        found = size_of(stream)
        if found is not None and found != stated:
            remedy = f"the compressed picture is {found[0]} x {found[1]}; fetch the file again or leave it out"
            raise RowError("Rows x Columns", f"{stated[0]} x {stated[1]}", remedy, "malformed")


def _advice(syntax: Any) -> str:
    if syntax == _EXTENDED:
        return "JPEG of twelve bits needs pylibjpeg-libjpeg, whose licence is GPL-3.0; install it or convert the file"
    return "fetch the file again or leave it out"


def _damaged(path: Path, error: BaseException) -> RowError:
    return RowError("file", path.name, f"is damaged ({_reason(error)}); fetch it again or leave it out", "damaged")


def _reason(error: BaseException) -> str:
    """What a library says, on one line: it may repeat what stands in the file."""
    return visible(" ".join(str(error).split()))[:_SHOWN] or type(error).__name__
