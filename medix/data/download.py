"""Downloads with retries."""

import hashlib
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path

from medix.atomic_file import naming
from medix.disk_room import NO_ROOM

_LOG = logging.getLogger(__name__)
_CHUNK = 1 << 20
_FINAL = (FileNotFoundError, PermissionError, ImportError, ValueError)
_SILENCE = 60.0
"""Seconds without a byte after which a connection has failed; the whole may take any time."""
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
_RETRIED_STATUS = (408, 429)


class DownloadError(OSError):
    """A file could not be downloaded, after all attempts."""


def download(
    url: str, target: Path, size: int, sha256: str, attempts: int = 5, wait: Callable[[float], object] = time.sleep
) -> None:
    """Download a file, whose checksum is computed on the way.

    Failed connections, answers that end early, content with another checksum, and statuses 408, 429 and 5xx are tried
    again, after 1, 2, 4, … seconds (up to 30), of which up to a half is left out at random so that ranks do not all
    come back at once. A missing file, a missing permission, another status and a full disk are final.

    Args:
        url: any address that fsspec opens.
        target: is overwritten.
        size: expected number of bytes.
        sha256: expected checksum.
        attempts: largest number of attempts.
        wait: waits for a number of seconds.

    Raises:
        DownloadError: what went wrong at the last attempt.
        OSError: the target cannot be written.
    """
    jitter = random.Random()  # the global generator belongs to the training
    for attempt in range(1, attempts + 1):
        try:
            fault = _fetch(url, target, size, sha256)
        except OSError as error:
            if error.errno in NO_ROOM:
                raise
            fault = _described(error, is_final=isinstance(error, _FINAL))
        except Exception as error:  # noqa: BLE001  # libraries of protocols differ in what they raise
            status = getattr(error, "status", 0)
            is_refused = 400 <= status < 500 and status not in _RETRIED_STATUS
            fault = _described(error, is_final=isinstance(error, _FINAL) or is_refused)
        if fault is None:
            return
        if fault.is_final or attempt == attempts:
            raise DownloadError(f"{fault} (attempt {attempt} of {attempts})")
        seconds = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** (attempt - 1)) * jitter.uniform(0.5, 1)
        _LOG.warning("%s: %s; attempt %d of %d in %.1f s", url, fault, attempt + 1, attempts, seconds)
        wait(seconds)


class _Fault(str):
    """What went wrong, and whether another attempt is useless."""

    is_final: bool = False


def _described(error: Exception, *, is_final: bool) -> _Fault:
    fault = _Fault(f"{type(error).__name__}: {error}")
    fault.is_final = is_final
    return fault


def _fetch(url: str, target: Path, size: int, sha256: str) -> _Fault | None:
    """One attempt; None if the content is as expected."""
    import fsspec

    settings, options = {}, {}
    if url.startswith("http"):
        import aiohttp

        settings["client_kwargs"] = {"timeout": aiohttp.ClientTimeout(sock_connect=_SILENCE, sock_read=_SILENCE)}
        # One request, not one per block; with a size, none for the size, whose failure would be called a missing file.
        options = {"block_size": 0, "size": size}
    files, path = fsspec.url_to_fs(url, **settings)
    digest, count = hashlib.sha256(), 0
    with files.open(path, "rb", **options) as source, naming(target), open(target, "r+b") as file:
        while chunk := source.read(_CHUNK):
            count += len(chunk)
            if count > size:
                break
            digest.update(chunk)
            file.write(chunk)
    if count != size:
        return _Fault(f"size: expected {size} bytes, found {'more' if count > size else count}")
    if digest.hexdigest() != sha256:
        return _Fault(f"sha256: expected {sha256}, found {digest.hexdigest()}")
    return None
