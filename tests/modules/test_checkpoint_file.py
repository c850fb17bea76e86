"""Checkpoints are read as they were written, or not at all."""

from pathlib import Path

import pytest
import torch

from medix.modules.checkpoint_file import DamagedCheckpointError, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.save({"weights": torch.arange(4096.0), "step": 3}, tmp_path / "step-000003.ckpt")
    return tmp_path / "step-000003.ckpt"


def test_a_whole_file_is_read(path: Path) -> None:
    saved = read(path)
    assert saved["step"] == 3
    assert torch.equal(saved["weights"], torch.arange(4096.0))


def test_altered_weights_are_refused_although_torch_reads_them(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    altered = torch.load(path, weights_only=True)
    assert not torch.equal(altered["weights"], torch.arange(4096.0))
    with pytest.raises(DamagedCheckpointError, match=r"step-000003\.ckpt: cannot be read: the checksum .* Delete it"):
        read(path)
    assert read(path, checks_tensors=False)["step"] == 3


def test_altered_plain_data_are_refused_by_those_who_read_these_alone(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content.replace(b"weights", b"wEights", 1))
    assert set(torch.load(path, weights_only=True)) == {"wEights", "step"}
    for checks_tensors in (True, False):
        with pytest.raises(DamagedCheckpointError, match=r"step-000003\.ckpt: cannot be read: .*data\.pkl.* Delete it"):
            read(path, checks_tensors=checks_tensors)


@pytest.mark.parametrize("content", [b"", b"hello", b"cut"], ids=["empty", "another file", "cut short"])
def test_what_is_no_whole_checkpoint_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(path.read_bytes()[:-100] if content == b"cut" else content)
    with pytest.raises(DamagedCheckpointError, match="cannot be read"):
        read(path)


def test_a_file_that_would_run_code_is_refused(path: Path) -> None:
    torch.save({"path": Path("x")}, path)
    with pytest.raises(DamagedCheckpointError, match="cannot be read"):
        read(path)
