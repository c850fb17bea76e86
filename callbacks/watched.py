"""What callbacks read of the module they watch."""

from typing import TYPE_CHECKING, Any, Protocol

from lightning.pytorch import LightningModule

from medix.judge.base import Judge
from medix.modality import ModalitySet
from medix.modules.record import StepRecord


class _Watched(Protocol):
    """The attributes of ``GroupRLModule`` that callbacks depend on, and no others."""

    step: int
    max_steps: int
    finished_step: StepRecord | None
    judge: Judge | None
    rewards: Any
    modalities: ModalitySet


if TYPE_CHECKING:
    Watched = _Watched
else:
    # From Python 3.12 on a check against a protocol looks past __getattr__, where torch keeps attributes that are
    # modules, as the rewards are; the checks that tests put around functions would refuse a GroupRLModule.
    Watched = Any


def watched(module: LightningModule) -> Watched:
    """The module, by what callbacks read of it.

    Raises:
        TypeError: the module does not keep steps and their records.
    """
    lacking = [name for name in _Watched.__annotations__ if not hasattr(module, name)]
    if lacking:
        raise TypeError(
            f"{type(module).__name__} has no {', '.join(lacking)}: the callbacks of medix watch a GroupRLModule"
        )
    return module  # type: ignore[return-value]  # it has what the protocol names
