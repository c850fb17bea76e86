"""Decodes frames of DICOM files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medix.data.sources.dicom_codestream import size_of
from medix.data.sources.dicom_file import reason
from medix.data.sources.dicom_frame import Frame, decode_with
from medix.data.sources.dicom_header import DicomHeader, malformed, quiet
from medix.data.sources.dicom_isolation import ISOLATION
from medix.data.sources.source import RowError

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
"""Elements that hold pixels."""

ISOLATED = "gdcm"
"""Ends its process on some damaged files."""

_PLUGINS = ("pydicom", "pyjpegls", "pylibjpeg", "pillow", ISOLATED)
"""In the order in which they are tried."""

_EXTENDED = "1.2.840.10008.1.2.4.51"


def decode(path: Path, header: DicomHeader, indices: Sequence[int]) -> Iterator[Frame]:
    """Decode frames of a file that was read with its pixels.

    Args:
        path: the file.
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
    _check_high_bit(header)
    syntax = _transfer_syntax(dataset)
    try:
        with quiet():
            decoder = get_decoder(syntax)
    except NotImplementedError as error:
        remedy = "this transfer syntax is not supported (videos are none); convert the file"
        raise RowError("TransferSyntaxUID", syntax.name, remedy, "transfer_syntax") from error
    if not decoder.is_available:
        needed = "; ".join(decoder.missing_dependencies)
        remedy = f"no decoder of it is installed; pip install 'medix-rl[dicom]' ({needed})"
        raise RowError("TransferSyntaxUID", syntax.name, remedy, "transfer_syntax")
    _check_codestreams(header, indices, syntax)
    yield from (_decoded(path, header, index, decoder) for index in indices)


def _decoded(path: Path, header: DicomHeader, index: int, decoder: Any) -> Frame:
    """One frame, by the first decoder that takes it."""
    faults = []
    for plugin in [one for one in _PLUGINS if one in decoder.available_plugins] if decoder.is_encapsulated else [""]:
        try:
            if plugin == ISOLATED:
                return ISOLATION.decode(path, index)
            return decode_with(plugin, decoder, header, index)
        except malformed() as error:
            faults.append(f"{plugin}: {reason(error)}" if plugin else reason(error))
    remedy = f"frame {index} cannot be decoded ({'; '.join(faults)}); {_advice(decoder.UID)}"
    raise RowError("PixelData", decoder.UID.name, remedy, "undecodable")


def _transfer_syntax(dataset: Any) -> Any:
    """The stated transfer syntax, or that of a file without file meta information, which is never compressed."""
    from pydicom import uid

    if stated := DicomHeader(dataset.file_meta).value("TransferSyntaxUID"):
        with quiet():
            return uid.UID(str(stated))
    is_implicit, is_little_endian = dataset.original_encoding
    if is_implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRLittleEndian if is_little_endian else uid.ExplicitVRBigEndian


def _check_high_bit(header: DicomHeader) -> None:
    """Refuse values that are not in the lower bits (PS3.5 8.1.1): decoders do not read HighBit and cut them off."""
    high, stored = header.whole("HighBit"), header.whole("BitsStored")
    if high is not None and stored is not None and high != stored - 1:
        remedy = f"it has to be BitsStored - 1 = {stored - 1}, which decoders assume; convert the file or leave it out"
        raise RowError("HighBit", high, remedy, "malformed")


def _check_codestreams(header: DicomHeader, indices: Sequence[int], syntax: Any) -> None:
    """Refuse compressed frames that state another size than the header."""
    from pydicom.encaps import get_frame

    pixels = header.value("PixelData")
    if not syntax.is_encapsulated or not isinstance(pixels, bytes):
        return
    stated = header.whole("Rows"), header.whole("Columns")
    for index in indices:
        try:
            stream = get_frame(pixels, index, number_of_frames=header.frames)
        except malformed() as error:
            raise RowError("PixelData", syntax.name, f"has no frame {index}; fetch the file again", "frames") from error
        found = size_of(stream)
        if found is not None and found != stated:
            remedy = f"the compressed picture is {found[0]} x {found[1]}; fetch the file again or leave it out"
            raise RowError("Rows x Columns", f"{stated[0]} x {stated[1]}", remedy, "malformed")


def _advice(syntax: Any) -> str:
    if syntax == _EXTENDED:
        return "JPEG of twelve bits needs pylibjpeg-libjpeg, whose licence is GPL-3.0; install it or convert the file"
    return "fetch the file again or leave it out"
