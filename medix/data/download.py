"""Downloads with retries."""

import hashlib
import logging
import random
import time
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path
from typing import Any, Literal

from medix.data.address import without_access
from medix.data.machine_error import EXHAUSTED, MachineError, on_this_machine

_LOG = logging.getLogger(__name__)
_CHUNK = 1 << 20
_FINAL = (FileNotFoundError, PermissionError, ImportError, ValueError)
_SILENCE = 60.0
"""Seconds without a byte after which a connection has failed."""
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_RETRIED_STATUS = (408, 429)
_REFUSED = (401, 403)

ServerState = Literal["answers", "fails", "silent"]
"""What a failed download says of the server: it answers, and it is this file that is missing, forbidden or other than
expected; it answers with an error of its own, or with a part of the file; it does not answer."""


class DownloadError(OSError):
    """A file could not be downloaded, after all attempts.

    Its message shows no access to the address.

    Attributes:
        server: what it says of the server.
        is_other: whether the file has come, and is another one than expected.
    """

    def __init__(self, message: str, server: ServerState = "answers", is_other: bool = False) -> None:
        super().__init__(without_access(message))
        self.server = server
        self.is_other = is_other


class _CutError(Exception):
    """An answer has begun and does not go on; its cause says why."""


def download(
    url: str,
    target: Path,
    size: int,
    sha256: str,
    attempts: int = 5,
    wait: Callable[[float], object] = time.sleep,
    seconds: float = 1200.0,
    advance: Callable[[int], object] = lambda _: None,
) -> None:
    """Download a file, whose checksum is computed on the way.

    Failed connections, answers that end early, content with another checksum, and statuses 408, 429 and 5xx are tried
    again, after 1, 2, 4, … seconds (up to 30), of which up to a half is left out at random so that ranks do not all
    come back at once. A missing file, a missing permission and another status are final, and so is every fault once
    the time is over.

    Args:
        url: any address that fsspec opens.
        target: an existing file, which is overwritten; the null device to compare only.
        size: expected number of bytes.
        sha256: expected checksum.
        attempts: largest number of attempts.
        wait: waits for a number of seconds.
        seconds: for all attempts together; one that is under way ends when it next receives something, or after 60
            seconds without.
        advance: is told the bytes that have come; fewer than none, where an attempt begins anew.

    Raises:
        DownloadError: what went wrong at the last attempt.
        MachineError: the target cannot be written, or no connection be opened for want of files or memory.
    """
    end = time.monotonic() + seconds
    jitter = random.Random()  # the global generator belongs to the training
    for attempt in range(1, attempts + 1):
        came = _Bytes(advance)
        try:
            fault = _fetch(url, target, size, sha256, end, came)
        except MachineError:
            raise
        except Exception as error:  # noqa: BLE001  # libraries of protocols differ in what they raise
            fault = _described(error, target)
        if fault is None:
            return
        advance(-came.count)
        pause = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1)) * jitter.uniform(0.5, 1)
        is_late = time.monotonic() + pause >= end
        if fault.is_final or is_late or attempt == attempts:
            late = f", after which data.download_seconds: {seconds:g} is over" if is_late else ""
            raise DownloadError(f"{fault} (attempt {attempt} of {attempts}{late})", fault.server, fault.is_other)
        told = without_access(f"{url}: {fault}")
        _LOG.warning("%s; attempt %d of %d in %.1f s", told, attempt + 1, attempts, pause)
        wait(pause)


class _Fault(str):
    """What went wrong, whether another attempt is useless, and what it says of the server and of the file."""

    is_final: bool = False
    is_other: bool = False
    server: ServerState = "answers"

    @classmethod
    def of_content(cls, text: str) -> "_Fault":
        """The file is another one than expected."""
        fault = cls(text)
        fault.is_other = True
        return fault


class _Bytes:
    """Counts the bytes of one attempt, and tells them."""

    def __init__(self, advance: Callable[[int], object]) -> None:
        self.count = 0
        self._advance = advance

    def add(self, number: int) -> None:
        self.count += number
        self._advance(number)


def _described(error: Exception, target: Path) -> _Fault:
    """The fault of an attempt.

    Raises:
        MachineError: it is the machine's.
    """
    is_cut = isinstance(error, _CutError)
    cause = error.__cause__ if isinstance(error, _CutError) and error.__cause__ else error
    if isinstance(cause, OSError) and cause.errno in EXHAUSTED:
        raise MachineError.of(cause, target) from cause
    if isinstance(cause, IndexError) and isinstance(cause.__context__, Exception):
        cause = cause.__context__  # s3fs looks for the message of a time-out, which has none
    status = getattr(cause, "status", 0) or 0
    fault = _Fault(_said(cause, status))
    fault.is_final = isinstance(cause, _FINAL) or (400 <= status < 500 and status not in _RETRIED_STATUS)
    if not fault.is_final:
        fault.server = "fails" if is_cut or status else "silent"
    return fault


def _said(cause: BaseException, status: int) -> str:
    if isinstance(cause, FileNotFoundError):
        return f"there is no such file (404): {cause}"
    text = f"{type(cause).__name__}: {str(cause) or 'nothing came in time'}"
    if isinstance(cause, PermissionError) or status in _REFUSED:
        return f"access is refused; credentials may be missing, or a signed address be over: {text}"
    return f"the server answers with status {status}: {text}" if status else text


def _fetch(url: str, target: Path, size: int, sha256: str, end: float, came: _Bytes) -> _Fault | None:
    """One attempt; None if the content is as expected."""
    import fsspec

    silence = max(0.1, min(_SILENCE, end - time.monotonic()))
    settings, options = _options(url, size, silence)
    files, path = fsspec.url_to_fs(url, **settings)
    if hasattr(files, "retries"):  # of S3; ``download`` tries again
        files.retries = 1
    digest, count = hashlib.sha256(), 0
    with on_this_machine(target):
        file = open(target, "r+b", buffering=0)  # noqa: SIM115  # closed below; unbuffered: closing writes nothing
    with file, files.open(path, "rb", **options) as source:
        while chunk := _read(source):
            count += len(chunk)
            came.add(len(chunk))
            if count > size:
                break
            if time.monotonic() > end:
                return _Fault(f"{count} of {size} bytes have come")
            digest.update(chunk)
            with on_this_machine(target):
                _write(file, chunk)
    if count != size:
        return _Fault.of_content(f"size: expected {size} bytes, found {'more' if count > size else count}")
    if digest.hexdigest() != sha256:
        return _Fault.of_content(f"sha256: expected {sha256}, found {digest.hexdigest()}")
    return None


def _options(url: str, size: int, silence: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a file system and its files are opened with: one request, which fails after seconds of silence."""
    from fsspec.config import conf

    protocol = url.partition(":")[0]
    configured: dict[str, Any] = conf.get(protocol, {})
    if protocol in ("http", "https"):
        import aiohttp

        own = {"timeout": aiohttp.ClientTimeout(sock_connect=silence, sock_read=silence)}
        # One request, not one per block; with a size, none for the size, whose failure would be called a missing file.
        return {"client_kwargs": {**configured.get("client_kwargs", {}), **own}}, {"block_size": 0, "size": size}
    if protocol in ("s3", "s3a"):
        limits = {"connect_timeout": silence, "read_timeout": silence, "retries": {"total_max_attempts": 1}}
        return {"config_kwargs": {**configured.get("config_kwargs", {}), **limits}}, {}
    return {}, {}


def _read(source: Any) -> bytes:
    try:
        return bytes(source.read(_CHUNK))
    except Exception as error:
        raise _CutError from error


def _write(file: RawIOBase, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[file.write(left) or 0 :]
