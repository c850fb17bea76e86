"""Reading of checkpoint files, with a check for damage."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

START_ELSEWHERE = (
    "Delete it to continue from the previous one, or name another (fit, validate, test and predict: --ckpt_path)"
)


class DamagedCheckpointError(ValueError):
    """A checkpoint file is damaged."""


def read(path: str | Path, *, checks_tensors: bool = True, remedy: str = START_ELSEWHERE) -> dict[str, Any]:
    """Load a checkpoint file, memory-mapped, on the CPU.

    torch loads corrupted weights without an error, so the checksums in the file are verified first.

    Args:
        path: of the file.
        checks_tensors: False verifies the plain data alone, which takes no time; for those who use no tensor.
        remedy: what to do about a damaged one; by default, for those who start from it.

    Raises:
        DamagedCheckpointError: not a checkpoint, cut short, or altered.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("/data.pkl"):  # the plain data
                    archive.read(name)
            altered = archive.testzip() if checks_tensors else None
        if altered is not None:
            raise zipfile.BadZipFile(f"the checksum of {altered} does not match")
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        if isinstance(error, pickle.UnpicklingError):  # torch advises to load it all the same
            reason = "it holds more than tensors and plain data, and loading that could run a program"
        raise DamagedCheckpointError(f"checkpoint {path}: cannot be read: {reason}. {remedy}") from error
    return saved
