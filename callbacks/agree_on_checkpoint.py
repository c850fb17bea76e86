"""Whether all ranks begin with the same checkpoint."""

import socket
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from medix.distributed import gather


class AgreeOnCheckpoint(Callback):
    """Refuses a run whose ranks found different checkpoints, before any of them is read.

    Every rank looks into the folder of the run itself. Where machines do not share it, only that of rank 0 holds
    checkpoints, and the ranks of the others would begin anew: with other weights, at another step, without a word.

    Args:
        path: of the checkpoint that this rank found; None for the weights of ``policy.name``.
    """

    def __init__(self, path: str | None) -> None:
        self.path = path

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Compare names and sizes over the ranks.

        Raises:
            ValueError: they differ; says what the first and one other rank found, and what to share.
        """
        size = Path(self.path).stat().st_size if self.path and Path(self.path).is_file() else None
        name = None if self.path is None else Path(self.path).name
        found = gather(((name, size), socket.gethostname()))
        first, first_host = found[0]
        for rank, (other, host) in enumerate(found):
            if other != first:
                raise ValueError(
                    f"--ckpt_path: rank 0 on {first_host} found {_text(*first)}, and rank {rank} on {host} "
                    f"{_text(*other)}; trainer.default_root_dir ({trainer.default_root_dir}) must be a folder that all "
                    "machines share, or each must hold the same checkpoint"
                )


def _text(name: str | None, size: int | None) -> str:
    if name is None:
        return "no checkpoint"
    return f"{name} of {size} bytes" if size is not None else f"no {name}"
