"""Checkpoints written where they will lie."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from torch import Tensor

from medix.files.disk_room import described, error_number, growth_error

_WRITING = ("inline_container", "write", "writing")
"""What torch says of a file that it could not write."""


class InPlaceCheckpointIO(TorchCheckpointIO):
    """Streams a checkpoint into its file.

    Lightning's own makes a second copy in main memory, and a third in ``TMPDIR``, which may be small, or main memory as
    well. ``SaveCheckpoint`` names the file when it is complete.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:  # noqa: ARG002
        """Write the file.

        Raises:
            OSError: it cannot be written; says how many bytes are needed and what has room. No part of it stays.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.save(checkpoint, path)
        except (OSError, RuntimeError) as error:  # RuntimeError: what torch makes of an error of the file system
            part = path.stat().st_size if path.exists() else 0
            found = error.errno if isinstance(error, OSError) else growth_error(path)
            _delete_with_its_room(path)
            needed = max(part + 1, sum(tensor.nbytes for tensor in _tensors(checkpoint)))
            if isinstance(error, RuntimeError) and not any(sign in str(error) for sign in _WRITING):
                raise
            number = found or error_number(error, path, needed)
            raise OSError(number, described(number, path, needed), str(path)) from error


def _delete_with_its_room(path: Path) -> None:
    """Delete a file that may be open still: it would keep its room until it is closed, and the report needs some."""
    if path.exists():
        os.truncate(path, 0)
        path.unlink()


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _tensors(one)
