"""Errors of the operating system that say nothing about a shard."""

import errno
import os
from pathlib import Path

import pytest

from medix.data.download import DownloadError
from medix.data.machine_error import EXHAUSTED, MachineError, on_this_machine


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space, name another data.cache_dir"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EACCES, "the right to write there"),
        (errno.EIO, "check this path and its disk"),
    ],
)
def test_path_and_remedy_are_named(tmp_path: Path, number: int, remedy: str) -> None:
    told = os.strerror(number)
    with pytest.raises(MachineError, match=rf"^{tmp_path}: {told}; .*{remedy}"), on_this_machine(tmp_path):
        raise OSError(number, told)
    with pytest.raises(MachineError, match=rf"^/else: {told}"), on_this_machine(tmp_path):
        raise OSError(number, told, "/else")


def test_other_errors_pass(tmp_path: Path) -> None:
    for error in (DownloadError("gone"), MachineError("full")):
        with pytest.raises(type(error)) as caught, on_this_machine(tmp_path):
            raise error
        assert caught.value is error


def test_what_is_exhausted_has_a_remedy_of_its_own() -> None:
    for number in EXHAUSTED:
        assert "check this path" not in str(MachineError.of(OSError(number, "x"), "p"))
