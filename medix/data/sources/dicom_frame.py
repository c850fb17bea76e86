"""One decoded frame of a DICOM file."""

import logging
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
        MemoryError: there is too little memory.
    """
    logger, watch = logging.getLogger("pydicom"), _MemoryWatch()
    logger.addHandler(watch)
    try:
        with quiet():
            values, found = decoder.as_array(header.dataset, index=index, decoding_plugin=plugin)
    except RuntimeError as error:
        if watch.found is not None:
            raise watch.found from error
        raise
    finally:
        logger.removeHandler(watch)
    return Frame(index, values, str(found["photometric_interpretation"]))


class _MemoryWatch(logging.Handler):
    """Keeps a lack of memory that pydicom logs: the ``RuntimeError`` it raises is that of every error of a plugin."""

    found: MemoryError | None = None

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, MemoryError):
            self.found = error
