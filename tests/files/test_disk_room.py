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
from medix.files.atomic_file import write_atomically
from medix.files.disk_room import described, error_number, growth_error, remedy, room
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
    assert error_number(RuntimeError("write failed"), tmp_path, 78) == errno.ENOSPC
    assert error_number(RuntimeError("I/O error: File too large (os error 27)"), tmp_path, 78) == errno.EFBIG
    assert room(tmp_path / "none" / "a", errno.ENOSPC) == "77 bytes are free"
    assert remedy(errno.ENOSPC) == "free some space"
    assert room(tmp_path, errno.EFBIG) == "its file system takes no larger file"


def test_an_error_of_the_device_is_told_in_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as a full disk, on which space would have to be freed."""
    assert error_number(RuntimeError("write failed"), tmp_path, 78) == errno.EIO
    assert described(errno.EIO, tmp_path, 78) == "Input/output error"
    assert remedy(errno.EIO) == remedy(errno.EACCES) == "check the path, its disk and its permissions"
    assert growth_error(tmp_path / "a") is None
    assert growth_error(tmp_path / "none" / "a") == errno.ENOENT

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    def breaks(checkpoint: object, path: Path) -> None:
        path.write_bytes(b"part")
        raise RuntimeError("[enforce fail at inline_container.cc:603] . unexpected pos 64 vs 0")

    monkeypatch.setattr("os.fsync", fails)
    monkeypatch.setattr("torch.save", breaks)
    with pytest.raises(OSError, match=r"Input/output error: '.*a\.ckpt'") as told:
        InPlaceCheckpointIO().save_checkpoint({"a": torch.zeros(1)}, tmp_path / "a.ckpt")
    assert told.value.errno == errno.EIO
