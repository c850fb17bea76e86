"""Decodes frames in a process of its own."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom.data
import pytest
from pydicom.pixels.decoders import JPEGLosslessSV1Decoder

from medix.data.sources.dicom_file import read_header
from medix.data.sources.dicom_frame import decode_with
from medix.data.sources.dicom_isolation import DecoderProcess, _answer

LOSSLESS = Path(pydicom.data.__file__).parent / "test_files" / "SC_rgb_jpeg_gdcm.dcm"


@pytest.fixture(scope="module")
def process() -> Iterator[DecoderProcess]:
    made = DecoderProcess()
    yield made
    made.close()


def test_a_frame_is_the_same_as_in_this_process(process: DecoderProcess) -> None:
    here = decode_with("gdcm", JPEGLosslessSV1Decoder, read_header(LOSSLESS, with_pixels=True), 0)
    there = process.decode(LOSSLESS, 0)
    assert np.array_equal(there.values, here.values)
    assert (there.index, there.photometric, there.values.dtype) == (here.index, here.photometric, here.values.dtype)


def test_what_cannot_be_decoded_is_told_and_the_process_goes_on(process: DecoderProcess, tmp_path: Path) -> None:
    (tmp_path / "none").write_text("no image")
    with pytest.raises(ValueError, match="this is no DICOM file"):
        process.decode(tmp_path / "none", 0)
    assert process.decode(LOSSLESS, 0).values.shape == (100, 100, 3)


def test_a_decoder_that_ends_is_a_fault_of_that_frame_alone(process: DecoderProcess) -> None:
    process.decode(LOSSLESS, 0)
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGABRT)
    with pytest.raises(ValueError, match="the decoder ended"):
        process.decode(LOSSLESS, 0)
    assert process.decode(LOSSLESS, 0).values.shape == (100, 100, 3)


def test_a_decoder_that_was_killed_is_no_fault_of_the_file(process: DecoderProcess) -> None:
    process.decode(LOSSLESS, 0)
    assert process._process is not None
    os.kill(process._process.pid, signal.SIGKILL)
    with pytest.raises(MemoryError, match="was killed, which the kernel does when memory is short"):
        process.decode(LOSSLESS, 0)


def test_only_the_time_that_a_decoder_uses_itself_is_limited() -> None:
    """However long others keep the machine busy, a file is not left out for it."""
    endless = "d.SECONDS = 0; d._answer = lambda *_: [0 for _ in iter(int, 1)]; d.main()"
    program = f"from medix.data.sources import dicom_isolation as d; {endless}"
    with pytest.raises(ValueError, match="needs more than 120 s of processor time"):
        DecoderProcess([sys.executable, "-c", program]).decode(LOSSLESS, 0)


def test_a_lack_of_memory_is_no_fault_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: object) -> None:
        raise MemoryError("Unable to allocate 2 GiB")

    monkeypatch.setattr("medix.data.sources.dicom_isolation.decode_with", lacks)
    answer, data = _answer(LOSSLESS, 0)
    assert data == b""
    with pytest.raises(MemoryError, match="2 GiB"):
        DecoderProcess(["sh", "-c", f"read line; echo '{json.dumps(answer)}'"]).decode(LOSSLESS, 0)
