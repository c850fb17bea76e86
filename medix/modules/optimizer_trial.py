"""What changed options of an optimizer do to a state that was made without them, tried on one weight."""

import inspect
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch

_WEIGHT, _GRADIENT, _STEPS = 2, 1e-4, 2  # a small gradient, beside which eps is seen

Make = Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]
Settings = Mapping[str, Any]


class OptimizerTrial:
    """Steps of throw-away optimizers of one small weight, with the options of a checkpoint and with those of this spec.

    Args:
        make: constructs an optimizer with the options of this spec.
        device: where the weights are; some options are for one kind of device.
        dtype: of the weights.
    """

    def __init__(self, make: Make, device: torch.device, dtype: torch.dtype) -> None:
        self._make, self._device, self._dtype = make, device, dtype

    def unusable(self, before: Settings, now: Settings) -> tuple[list[str], str]:
        """Options that no step with the state of a checkpoint can use, and why; none if that cannot be tried.

        Such as ``amsgrad: true`` where the state holds no ``max_exp_avg_sq``: the step would end in a KeyError.
        """
        if self._steps(before, before) is None or self._steps(now, now) is None:
            return [], ""  # what no step of this weight can do says nothing of the change
        if self._steps(before, now) is not None:
            return [], ""
        names = _changed(before, now)
        alone = [name for name in names if self._steps(before, {**before, name: now[name]}) is None]
        missing = sorted(self._entries(now) - self._entries(before))
        why = f"its state in the checkpoint has no {', '.join(missing)}" if missing else "its state does not fit them"
        return alone or names, why

    def without_effect(self, before: Settings, now: Settings) -> list[str]:
        """Options that set the beginning of the state alone, such as ``initial_accumulator_value`` of Adagrad."""
        old = self._steps(before, before)
        names = []
        for name in _changed(before, now):
            settings = {**before, name: now[name]}
            fresh, continued = self._steps(settings, settings), self._steps(before, settings)
            if old is not None and fresh is not None and fresh != old and continued == old:
                names.append(name)
        return names

    def _steps(self, before: Settings, now: Settings) -> list[float] | None:
        """The weight after steps with one group of settings and then, its state restored, with another; None if none.

        The settings that come first make the state; a fresh optimizer takes it, as after a resume.
        """
        try:
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), torch.enable_grad():
                warnings.simplefilter("ignore")
                weight = torch.nn.Parameter(torch.zeros(_WEIGHT, device=self._device, dtype=self._dtype))
                first = self._stepped(self._made(weight, before), weight)
                second = self._made(weight, now)
                second.load_state_dict(first.state_dict())
                _set(second, now)
                self._stepped(second, weight)
                return [float(value) for value in weight.detach().flatten()]
        except Exception:  # noqa: BLE001 - whatever an optimizer of any maker raises says that it cannot be done
            return None

    def _entries(self, settings: Settings) -> set[str]:
        """What the state of a weight holds after a step."""
        weight = torch.nn.Parameter(torch.zeros(_WEIGHT, device=self._device, dtype=self._dtype))
        return set(self._stepped(self._made(weight, settings), weight).state[weight])

    def _made(self, weight: torch.nn.Parameter, settings: Settings) -> torch.optim.Optimizer:
        """One with these settings from the start, since some make their state when they are constructed."""
        optimizer = self._make([weight])
        if any(group.get(name) != value for group in optimizer.param_groups for name, value in settings.items()):
            kind = type(optimizer)
            options = inspect.signature(kind).parameters.keys() & settings.keys()
            with suppress(TypeError):  # one whose options have other names than their entries in a group
                optimizer = kind([weight], **{name: settings[name] for name in options})
        _set(optimizer, settings)
        return optimizer

    @staticmethod
    def _stepped(optimizer: torch.optim.Optimizer, weight: torch.nn.Parameter) -> torch.optim.Optimizer:
        for _ in range(_STEPS):
            weight.grad = torch.full_like(weight, _GRADIENT)
            optimizer.step()
        return optimizer


def _changed(before: Settings, now: Settings) -> list[str]:
    return [name for name, value in now.items() if name not in before or before[name] != value]


def _set(optimizer: torch.optim.Optimizer, settings: Settings) -> None:
    for group in optimizer.param_groups:
        group.update(settings)
