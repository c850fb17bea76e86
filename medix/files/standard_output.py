"""Standard output as the file of a command's lines: ``--output /dev/stdout``."""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

_NAMES = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
_KEPT: list[int] = []
"""Descriptor of standard output while messages go elsewhere; empty unless they do."""


def is_standard_output(path: str | Path) -> bool:
    """Whether a path names it. It is written to as it is, also where a shell has made it a file (``>``, ``>>``)."""
    return str(path) in _NAMES


def opened(path: str | Path) -> BinaryIO:
    """A stream to a path, which is a device, a pipe, or standard output."""
    if not is_standard_output(path):
        return Path(path).open("wb")
    sys.stdout.flush()
    return os.fdopen(os.dup(_KEPT[0] if _KEPT else 1), "wb")


def keep_for_lines() -> None:
    """Send what is printed from now on to standard error, so that lines on standard output stand there alone."""
    if not _KEPT:
        sys.stdout.flush()
        _KEPT.append(os.dup(1))
        os.dup2(2, 1)


def give_back() -> None:
    """Print on standard output again."""
    if _KEPT:
        sys.stdout.flush()
        os.dup2(kept := _KEPT.pop(), 1)
        os.close(kept)


def names_it(words: Sequence[str], option: str) -> bool:
    """Whether an option on a command line names standard output."""
    values = [after for word, after in pairwise(words) if word == option]
    values += [word.partition("=")[2] for word in words if word.startswith(f"{option}=")]
    return any(map(is_standard_output, values))
