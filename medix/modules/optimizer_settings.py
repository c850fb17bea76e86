"""Settings of optimizer and schedule, of which a resumed run uses its own and not those in the checkpoint."""

import copy
import inspect
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from medix.modules.checkpoint import SpecMismatchError
from medix.modules.optimizer_trial import Make, OptimizerTrial

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class OptimizerSettings:
    """Hyperparameters of an optimizer and its schedule as their constructors set them, before the first step.

    A checkpoint restores them with the state of the optimizer, so that a changed learning rate would have no effect.
    They are therefore recorded beside it, and ``apply`` puts every setting that has changed back.

    Args:
        optimizer: just constructed.
        scheduler: just constructed; None if there is none.

    Raises:
        ValueError: a step of one of them needs an argument, such as a metric, which a training step does not have.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, scheduler: Any = None) -> None:
        _check_step(optimizer, "model.optimizer", "torch.optim.AdamW")
        if scheduler is not None:
            _check_step(scheduler, "model.lr_scheduler", "torch.optim.lr_scheduler.LinearLR, which counts steps")
        self.optimizer = _name(optimizer)
        first = optimizer.param_groups[0]["params"][0]
        self.device, self.dtype = first.device, first.dtype
        self.groups = [_plain(group) for group in optimizer.param_groups]
        self.scheduler = None if scheduler is None else _name(scheduler)
        self.schedule = {} if scheduler is None else copy.deepcopy(dict(scheduler.state_dict()))

    def state_dict(self) -> dict[str, Any]:
        """For the checkpoint."""
        return {
            "optimizer": self.optimizer,
            "groups": self.groups,
            "scheduler": self.scheduler,
            "schedule": _digest(self.schedule),
        }

    def check(self, saved: Mapping[str, Any], make: Make | None = None) -> None:
        """Refuse a checkpoint of another optimizer, or options that no step with the state in it could use.

        Options that only set the beginning of a state have no effect on one that is there, which is said.

        Args:
            saved: ``state_dict`` of the run that wrote the checkpoint.
            make: constructs an optimizer like the one of this run, for one weight that changed options are tried on.

        Raises:
            SpecMismatchError: names both optimizers, or the options.
        """
        if saved["optimizer"] != self.optimizer or len(saved["groups"]) != len(self.groups):
            raise SpecMismatchError(
                f"model.optimizer: {saved['optimizer']} in the checkpoint, {self.optimizer} in this spec: the state of "
                "one means nothing to the other. Give the optimizer it was trained with, or start afresh in another "
                "trainer.default_root_dir"
            )
        if make is not None:
            trial = OptimizerTrial(make, self.device, self.dtype)
            for old, new in zip(saved["groups"], self.groups, strict=True):
                if old != new:
                    _try(trial, old, new)

    def apply(
        self, saved: Mapping[str, Any], schedule: Mapping[str, Any] | None, optimizer: Any, scheduler: Any, step: int
    ) -> None:
        """Replace the restored settings that differ in this run; the state of the optimizer (moments) stays.

        A changed schedule, or a changed learning rate under a schedule, is followed as if it had been there from the
        start: the learning rate is that of step ``step`` of an uninterrupted run.

        Args:
            saved: ``state_dict`` of the run that wrote the checkpoint.
            schedule: state of the schedule in the checkpoint; None if there was none.
            optimizer: with its restored state.
            scheduler: as it was constructed; None if there is none.
            step: number of finished steps.
        """
        self.check(saved)
        rewinds = (saved["scheduler"], saved["schedule"]) != (self.scheduler, _digest(self.schedule))
        for group, old, new in zip(optimizer.param_groups, saved["groups"], self.groups, strict=True):
            changed = {name: value for name, value in new.items() if name not in old or old[name] != value}
            rewinds = rewinds or (scheduler is not None and bool(changed))
            _update(group, changed)
            if self.scheduler is None and "lr" in new and saved["scheduler"] is not None:
                _update(group, {"lr": new["lr"]})  # it was left where the earlier schedule was
        if scheduler is not None and schedule is not None and not rewinds:
            scheduler.load_state_dict(dict(schedule))
        elif scheduler is not None:
            self._follow(optimizer, scheduler, step)

    def _follow(self, optimizer: Any, scheduler: Any, step: int) -> None:
        for group, new in zip(optimizer.param_groups, self.groups, strict=True):
            _update(group, new)
        scheduler.load_state_dict(copy.deepcopy(self.schedule))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the order of calls, which is that of the steps made already
            for _ in range(step):
                scheduler.step()


def _check_step(part: Any, key: str, other: str) -> None:
    _, *parameters = inspect.signature(type(part).step).parameters.values()  # a schedule wraps that of the object
    needed = [one.name for one in parameters if one.default is one.empty and one.kind not in _VARIADIC]
    if needed:
        raise ValueError(
            f"{key}: {type(part).__name__} needs {', '.join(needed)} in every step, and a training step has none to "
            f"give: validations are made every few steps only, and an update computes its gradient once. Give another "
            f"one, such as {other}"
        )


def _try(trial: OptimizerTrial, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    unusable, why = trial.unusable(old, new)
    if unusable:
        changes = ", ".join(f"{name} {old.get(name)!r} in the checkpoint and {new[name]!r} here" for name in unusable)
        raise SpecMismatchError(
            f"model.optimizer: {changes}: no step can be made, for {why}. Give the value it was trained with, or start "
            "afresh in another trainer.default_root_dir"
        )
    if unused := trial.without_effect(old, new):
        warnings.warn(
            f"model.optimizer: the new {', '.join(unused)} has no effect on this run: it sets the beginning of the "
            "optimizer's state, and the state in the checkpoint goes on",
            stacklevel=2,
        )


def _name(part: Any) -> str:
    return f"{type(part).__module__}.{type(part).__qualname__}"


def _plain(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) for name, value in group.items() if name != "params"}


def _update(group: dict[str, Any], settings: Mapping[str, Any]) -> None:
    """Change settings of a group; a learning rate that is a tensor stays one, as compiled steps require."""
    for name, value in settings.items():
        if isinstance(group.get(name), torch.Tensor):
            group[name].fill_(value)
        else:
            group[name] = value


def _number(value: Any) -> Any:
    """A value that does not change with the group; betas as a list become equal to a tuple."""
    if isinstance(value, torch.Tensor):
        return value.item() if value.ndim == 0 else value.tolist()
    return tuple(map(_number, value)) if isinstance(value, list | tuple) else value


def _digest(state: Mapping[str, Any]) -> str:
    """Text of a schedule's settings, for comparison; a function in it is known by its name alone."""
    return repr({name: _stable(value) for name, value in sorted(state.items())})


def _stable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _stable(entry) for name, entry in sorted(value.items(), key=str)}
    if isinstance(value, list | tuple):
        return [_stable(entry) for entry in value]
    if isinstance(value, torch.Tensor):
        return value.tolist()
    return getattr(value, "__qualname__", value) if callable(value) else value
