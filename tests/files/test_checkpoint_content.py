"""What a checkpoint is, by its content."""

import shutil
from pathlib import Path

import torch

from medix.files.checkpoint_content import digest_of


def test_a_copy_is_the_same_and_other_weights_are_not(tmp_path: Path) -> None:
    first, other = tmp_path / "a.ckpt", tmp_path / "b.ckpt"
    torch.save({"weight": torch.tensor(1.0)}, first)
    torch.save({"weight": torch.tensor(2.0)}, other)
    (tmp_path / "elsewhere").mkdir()
    copy = shutil.copy(first, tmp_path / "elsewhere" / "c.ckpt")
    assert digest_of(first) == digest_of(copy) is not None
    assert digest_of(first) != digest_of(other)
    other.unlink()
    other.symlink_to(first.name)
    assert digest_of(first) == digest_of(other)


def test_nothing_a_folder_and_a_damaged_file_have_none(tmp_path: Path) -> None:
    (tmp_path / "half.ckpt").write_bytes(b"half")
    assert [digest_of(tmp_path / name) for name in ("absent.ckpt", "half.ckpt", "")] == [None] * 3
