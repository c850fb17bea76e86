"""A checkpoint file, read only if it is as it was written."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch


class DamagedCheckpointError(ValueError):
    """A checkpoint file whose bytes are not those that were written."""


def read(path: str | Path) -> dict[str, Any]:
    """A checkpoint file, on the CPU and mapped from disk.

    torch reads altered weights without a word; the check sums that every file holds are compared first.

    Raises:
        DamagedCheckpointError: not a checkpoint, cut short, or altered.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            altered = archive.testzip()
        if altered is not None:
            raise zipfile.BadZipFile(f"the check sum of {altered} does not fit")
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise DamagedCheckpointError(
            f"checkpoint {path}: cannot be read: {reason}. Delete it to go on from the one before it, or name another "
            "with --ckpt_path"
        ) from error
    return saved
