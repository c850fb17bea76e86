"""Checkpoints are written in their place, whole or not at all."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from medix.modules.checkpoint_io import InPlaceCheckpointIO


def test_nothing_passes_through_the_folder_of_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no such folder"))
    path = tmp_path / "run" / "a.ckpt"
    InPlaceCheckpointIO().save_checkpoint({"weights": torch.arange(3)}, path)
    assert torch.load(path, weights_only=True)["weights"].tolist() == [0, 1, 2]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError("[enforce fail] file write failed"), OSError(28, "No space left")])
def test_a_full_disk_is_told_with_bytes_and_leaves_no_part(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """10 float32 and, nested, 5 float64: 80 bytes. The part takes no room, though the writer has it open."""
    part = (tmp_path / "a.ckpt").open("wb", buffering=0)

    def until_full(content: Any, path: Path) -> None:
        part.write(b"half")
        raise error

    monkeypatch.setattr(torch, "save", until_full)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=77))
    content = {"state_dict": {"a": torch.zeros(10)}, "states": [{"m": torch.zeros(5, dtype=torch.float64)}]}
    path = tmp_path / "a.ckpt"
    with pytest.raises(OSError, match=r"No space left.*: at least 80 bytes are needed, 77 bytes are free") as told:
        InPlaceCheckpointIO().save_checkpoint(content, path)
    assert told.value.filename == str(path)
    assert not path.exists()
    with part:
        assert os.fstat(part.fileno()).st_size == 0


def test_an_error_that_is_not_the_disk_s_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("cannot serialise this")

    monkeypatch.setattr(torch, "save", fails)
    with pytest.raises(RuntimeError, match="cannot serialise"):
        InPlaceCheckpointIO().save_checkpoint({}, tmp_path / "a.ckpt")
