"""Decodes frames in a process of its own, for decoders that end their process on some damaged files."""

import atexit
import json
import math
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medix.data.sources.dicom_frame import Frame, decode_with
from medix.worker_signals import blocked

_COMMAND = (sys.executable, "-c", "from medix.data.sources.dicom_isolation import main; main()")


class DecoderProcess:
    """Decodes frames with GDCM in another process, which starts with the first frame and ends with this one.

    A request is a line of JSON. An answer is a line of JSON and then the bytes of the values, of which nothing is
    executed: a decoder that a damaged file has taken over can only give wrong values.

    Args:
        command: of the other process, which limits its own time.
    """

    def __init__(self, command: Sequence[str] = _COMMAND) -> None:
        self.command = command
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, path: Path, index: int) -> Frame:
        """Decode one frame of a file.

        Raises:
            ValueError: the decoder refuses it, or ends.
            MemoryError: the other process has too little memory, or was killed, as the kernel does then.
        """
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        try:
            process.stdin.write(json.dumps([str(path.absolute()), index]).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
            answer: dict[str, Any] = json.loads(line)
            data = process.stdout.read(answer.get("size", 0))
            if "fault" not in answer:
                values = np.frombuffer(data, answer["kind"]).reshape(answer["shape"]).copy()
                return Frame(index, values, answer["photometric"])
        except (OSError, ValueError) as error:
            if not line:  # it has ended, or is about to
                process.wait()
            self.close()
            raise _ended(process.returncode) from error
        raise (MemoryError if answer.get("is_memory") else ValueError)(answer["fault"])

    def close(self) -> None:
        """End the process; the next frame starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_process": None}

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            with blocked():  # it ends with its parent
                self._process = subprocess.Popen(
                    self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            atexit.register(self.close)
        return self._process


SECONDS = 120
"""Of processor time for one frame. Elapsed time would depend on what else the machine does, and what is left out of a
build must not."""

ISOLATION = DecoderProcess()
"""The process of this process."""


def _ended(status: int) -> Exception:
    """What it means that the decoder ended."""
    if status == -signal.SIGKILL:
        return MemoryError("the process that decodes a frame was killed, which the kernel does when memory is short")
    if status == -signal.SIGXCPU:
        return ValueError(f"the decoder needs more than {SECONDS} s of processor time")
    return ValueError(f"the decoder ended with status {status}")


def main() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin:
        path, index = json.loads(line)
        _limit_time()
        answer, data = _answer(Path(path), index)
        sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n" + data)
        sys.stdout.buffer.flush()


def _limit_time() -> None:
    """Let the kernel end this process if it takes more time than one frame may."""
    used, (_, most) = resource.getrusage(resource.RUSAGE_SELF), resource.getrlimit(resource.RLIMIT_CPU)
    limit = math.ceil(used.ru_utime + used.ru_stime) + SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def _answer(path: Path, index: int) -> tuple[dict[str, Any], bytes]:
    from pydicom.pixels.decoders.base import get_decoder

    from medix.data.sources.dicom_file import read_header, reason
    from medix.data.sources.dicom_header import malformed

    try:
        header = read_header(path, with_pixels=True)
        frame = decode_with("gdcm", get_decoder(header.dataset.file_meta.TransferSyntaxUID), header, index)
    except malformed() as error:
        return {"fault": reason(error)}, b""
    except MemoryError as error:
        return {"fault": reason(error), "is_memory": True}, b""
    data = np.ascontiguousarray(frame.values).tobytes()
    kind, shape = frame.values.dtype.str, frame.values.shape
    return {"kind": kind, "shape": shape, "photometric": frame.photometric, "size": len(data)}, data
