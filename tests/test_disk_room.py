"""What a file that could not be written had room for: the disk, or the limit of the process."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from medix import exit_status
from medix.atomic_file import write_atomically
from medix.disk_room import error_number, remedy, room
from medix.modules.checkpoint_io import InPlaceCheckpointIO


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As after ``ulimit -f``."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_beyond_the_limit_of_the_process_is_told_with_the_limit(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def write() -> int:
        with files_of_at_most(100):
            write_atomically(tmp_path / "a.jsonl", "x" * 200)
        return 0

    with files_of_at_most(100):
        assert room(tmp_path, errno.EFBIG) == "a file may have 100 bytes (ulimit -f)"
    assert exit_status.run("medix test", write) == 2
    said = capfd.readouterr().err
    assert said.startswith(f"medix test: {tmp_path}/a.jsonl: File too large, ")
    assert said.endswith("; raise the limit on the size of files\n")
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_beyond_the_limit_is_no_full_disk(tmp_path: Path) -> None:
    """torch says only that it could not write."""
    with (
        pytest.raises(OSError, match=r"File too large: at least 400000 bytes are needed, a file may have 4096") as told,
        files_of_at_most(4096),
    ):
        InPlaceCheckpointIO().save_checkpoint({"a": torch.zeros(100_000)}, tmp_path / "a.ckpt")
    assert told.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_without_a_limit_it_is_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=77))
    assert error_number(RuntimeError("write failed"), tmp_path) == errno.ENOSPC
    assert error_number(RuntimeError("I/O error: File too large (os error 27)"), tmp_path) == errno.EFBIG
    assert room(tmp_path / "none" / "a", errno.ENOSPC) == "77 bytes are free"
    assert remedy(errno.ENOSPC) == "free some space"
    assert room(tmp_path, errno.EFBIG) == "its file system takes no larger file"
