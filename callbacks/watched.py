"""The interface of the training module that callbacks depend on."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from lightning.pytorch import LightningModule, Trainer

from medix.judge.base import Judge
from medix.judge.own_arguments import named
from medix.modality import ModalitySet
from medix.modules.record import StepRecord
from medix.rewards.judged import JudgeReward


class _Watched(Protocol):
    """The attributes of ``GroupRLModule`` that callbacks depend on, and no others."""

    step: int
    max_steps: int
    finished_step: StepRecord | None
    judge: Judge | None
    rewards: Any
    modalities: ModalitySet

    def abandonable(self) -> AbstractContextManager[None]: ...


if TYPE_CHECKING:
    Watched = _Watched
else:
    # The run-time type checks of the tests would refuse a GroupRLModule: from Python 3.12 on, isinstance with a
    # protocol does not find attributes provided by __getattr__, as nn.Module provides submodules such as the rewards.
    Watched = Any


def suite_of(module: LightningModule) -> Mapping[str, str]:
    """Identity of what validations measure with, by part; empty for a module that does not know."""
    return getattr(module, "suite", {})


def reward_judges(module: LightningModule) -> list[str]:
    """The judges (``named``) that the components of the rewards ask, in their order, each once."""
    return list(dict.fromkeys(named(judge) for *_, judge in _askers(module)))


def accuracy_judge(module: LightningModule) -> Judge | None:
    """The judge of the rewards whose verdicts are right or wrong: that of their first ``JudgeReward``.

    Where there is none, that of the first component that asks one, such as a rubric; None where none does.
    """
    found = accuracy_component(module)
    return None if found is None else found[2]


def accuracy_component(module: LightningModule) -> tuple[str, Any, Judge] | None:
    """The component that asks the ``accuracy_judge``: its name, itself and the judge; None where none asks one."""
    askers = sorted(_askers(module), key=lambda one: not isinstance(one[1], JudgeReward))  # a stable order
    return next(iter(askers), None)


def _askers(module: LightningModule) -> list[tuple[str, Any, Judge]]:
    """The components of the rewards that ask a judge, each with its name and the judge."""
    components: Mapping[str, Any] = getattr(watched(module).rewards, "components", {})
    judges = [(name, part, getattr(part, "judge", None)) for name, part in components.items()]
    return [(name, part, judge) for name, part, judge in judges if isinstance(judge, Judge)]


def reward_encoders(module: LightningModule) -> list[str]:
    """Identities of the encoders that the components of the rewards use, in their order; of those that have one."""
    components: Mapping[str, Any] = getattr(watched(module).rewards, "components", {})
    identities = [getattr(getattr(part, "encoder", None), "identity", None) for part in components.values()]
    return [identity for identity in identities if isinstance(identity, str)]


def images_exchanged(trainer: Trainer) -> bool:
    """Whether evaluation samples have the images of other cases, as a control experiment."""
    datamodule = getattr(trainer, "datamodule", None)
    return trainer.state.fn != "fit" and bool(getattr(datamodule, "exchange_images", False))


def watched(module: LightningModule) -> Watched:
    """The module, typed with the attributes that callbacks use.

    Raises:
        TypeError: the module lacks one of the attributes.
    """
    missing = [name for name in _Watched.__annotations__ if not hasattr(module, name)]
    if missing:
        raise TypeError(
            f"{type(module).__name__} has no {', '.join(missing)}: the callbacks of medix need a GroupRLModule"
        )
    return module  # type: ignore[return-value]  # its attributes were checked
