"""One decoded frame of a DICOM file."""

import pytest
from pydicom.pixels.decoders import ExplicitVRLittleEndianDecoder, RLELosslessDecoder
from pydicom.uid import RLELossless

from medix.data.sources.dicom_frame import decode_with
from medix.data.sources.dicom_header import malformed
from tests.support.dicoms import header


def test_a_frame_without_compression() -> None:
    frame = decode_with("", ExplicitVRLittleEndianDecoder, header(), 0)
    assert (frame.index, frame.values.tolist(), frame.photometric) == (0, [[0, 1], [2, 3]], "MONOCHROME2")


def test_what_goes_wrong_is_one_of_the_known_errors() -> None:
    with pytest.raises(malformed()):
        decode_with("", ExplicitVRLittleEndianDecoder, header(Rows=999), 0)


@pytest.mark.parametrize("error", [MemoryError, ValueError])
def test_a_lack_of_memory_of_a_plugin_is_told_from_its_other_errors(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fails(*_: object) -> None:
        raise error

    made = header([[0, 1], [2, 3]])
    made.dataset.compress(RLELossless)
    monkeypatch.setitem(RLELosslessDecoder._available, "pydicom", fails)
    with pytest.raises(MemoryError if error is MemoryError else RuntimeError):
        decode_with("pydicom", RLELosslessDecoder, made, 0)
