"""One decoded frame of a DICOM file."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from medix.data.sources.dicom_header import DicomHeader, quiet


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


def decode_with(plugin: str, decoder: Any, header: DicomHeader, index: int) -> Frame:
    """Decode one frame.

    Args:
        plugin: decoding plugin of pydicom; empty for files that are not compressed.
        decoder: of the transfer syntax, a ``pydicom.pixels.Decoder``.
        header: of a file that was read with its pixels.
        index: of the frame.

    Raises:
        Exception: one of ``malformed``.
    """
    with quiet():
        values, found = decoder.as_array(header.dataset, index=index, decoding_plugin=plugin)
    return Frame(index, values, str(found["photometric_interpretation"]))
