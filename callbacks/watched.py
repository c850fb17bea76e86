"""What callbacks read of the module they watch."""

from typing import Any, Protocol, runtime_checkable

from lightning.pytorch import LightningModule

from medix.judge.base import Judge
from medix.modality import ModalitySet
from medix.modules.record import StepRecord


@runtime_checkable
class Watched(Protocol):
    """The attributes of ``GroupRLModule`` that callbacks depend on, and no others."""

    step: int
    max_steps: int
    finished_step: StepRecord | None
    judge: Judge | None
    rewards: Any
    modalities: ModalitySet


def watched(module: LightningModule) -> Watched:
    """The module, by what callbacks read of it.

    Raises:
        TypeError: the module does not keep steps and their records.
    """
    if not isinstance(module, Watched):
        lacking = [name for name in Watched.__annotations__ if not hasattr(module, name)]
        raise TypeError(
            f"{type(module).__name__} has no {', '.join(lacking)}: the callbacks of medix watch a GroupRLModule"
        )
    return module
