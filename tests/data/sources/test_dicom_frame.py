"""One decoded frame of a DICOM file."""

import pytest
from pydicom.pixels.decoders import ExplicitVRLittleEndianDecoder

from medix.data.sources.dicom_frame import decode_with
from medix.data.sources.dicom_header import malformed
from tests.support.dicoms import header


def test_a_frame_without_compression() -> None:
    frame = decode_with("", ExplicitVRLittleEndianDecoder, header(), 0)
    assert (frame.index, frame.values.tolist(), frame.photometric) == (0, [[0, 1], [2, 3]], "MONOCHROME2")


def test_what_goes_wrong_is_one_of_the_known_errors() -> None:
    with pytest.raises(malformed()):
        decode_with("", ExplicitVRLittleEndianDecoder, header(Rows=999), 0)
