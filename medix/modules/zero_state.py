"""Optimiser state and float32 weights that DeepSpeed ZeRO holds in parts, whole and by parameter."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medix.distributed import rank


class ZeroState:
    """Reads and writes them through DeepSpeed's ``safe_get`` and ``safe_set`` functions.

    Args:
        optimizer: DeepSpeed's, around one of torch.
        groups: the trained parameters of each group of torch's.
    """

    def __init__(self, optimizer: Any, groups: Sequence[Sequence[nn.Parameter]]) -> None:
        self.optimizer = optimizer
        self.groups = groups

    def weights(self) -> Iterator[tuple[nn.Parameter, Tensor]]:
        """Every trained parameter with its float32 value, whole, on the CPU of rank 0 and empty on the others.

        Every rank must iterate over all of them, in step.
        """
        from deepspeed.utils import safe_get_full_fp32_param

        for parameter in self._parameters:
            yield parameter, _on_first(safe_get_full_fp32_param(parameter))

    def state_dict(self) -> dict[str, Any]:
        """The state as torch's optimizer gives it, with whole tensors; on rank 0, but every rank must call it."""
        from deepspeed.utils import safe_get_full_optimizer_state

        part = self._flat[0]
        held = self._torch.state.get(part, {})
        states = {}
        for index, parameter in enumerate(self._parameters):
            states[index] = {
                name: _on_first(safe_get_full_optimizer_state(parameter, name))
                if _is_by_weight(value, part)
                else _copy(value)
                for name, value in held.items()
            }
        start, groups = 0, []
        for group, parameters in zip(self._torch.param_groups, self.groups, strict=True):
            indices = list(range(start, start + len(parameters)))
            groups.append({**{key: value for key, value in group.items() if key != "params"}, "params": indices})
            start += len(parameters)
        return {"state": states if held else {}, "param_groups": groups} if rank() == 0 else {}

    def load(self, saved: Mapping[str, Any], weights: Mapping[nn.Parameter, Tensor]) -> None:
        """Take the parts of this rank from whole tensors; every rank must call it.

        Parameters without state, as one process may have saved them, begin at zeros; a part of many parameters has one
        count of steps, that of the first parameter with state.

        Args:
            saved: what ``state_dict`` of any optimizer over these parameters returned.
            weights: float32 values.
        """
        keys = [key for group in saved["param_groups"] for key in group["params"]]
        states = [saved["state"].get(key, {}) for key in keys]
        known = [(weights[one], state) for one, state in zip(self._parameters, states, strict=True) if state]
        for part in self._flat if known else ():
            weight, example = known[0]
            self._torch.state[part] = {
                name: torch.zeros_like(part) if _is_by_weight(value, weight) else _copy(value)
                for name, value in example.items()
            }
        if known and not self._by_parameter:
            self.optimizer._lazy_init_hp_params_optimizer_state()
        for parameter, state in zip(self._parameters, states, strict=True):
            self._set(parameter, weights[parameter], None)
            for name, value in state.items():
                if _is_by_weight(value, weights[parameter]):
                    self._set(parameter, value, name)
        for group, given in zip(self._torch.param_groups, saved["param_groups"], strict=True):
            group.update({key: value for key, value in given.items() if key != "params"})

    def _set(self, parameter: nn.Parameter, value: Tensor, name: str | None) -> None:
        """Set one value, or the float32 weight for the name None."""
        from deepspeed.utils import (
            safe_set_full_fp32_param,
            safe_set_full_optimizer_state,
            safe_set_local_fp32_param,
            safe_set_local_optimizer_state,
        )

        named = () if name is None else (name,)
        if not self._by_parameter:
            (safe_set_full_optimizer_state if named else safe_set_full_fp32_param)(parameter, value, *named)
            return
        part: Any = parameter
        size = part.ds_tensor.numel()  # DeepSpeed's own way to set the whole leaves out the padding of the last rank
        start = size * rank()
        own = value.flatten()[start : start + size]
        padded = nn.functional.pad(own, (0, size - own.numel()))
        (safe_set_local_optimizer_state if named else safe_set_local_fp32_param)(parameter, padded, *named)

    @property
    def _parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.groups for parameter in group]

    @property
    def _by_parameter(self) -> bool:
        """Whether each parameter is divided, as in stage 3, and not all of them together."""
        return hasattr(self._parameters[0], "ds_id")

    @property
    def _torch(self) -> Any:
        return self.optimizer.optimizer

    @property
    def _flat(self) -> list[Tensor]:
        """What torch's optimizer steps on this rank."""
        held = self.optimizer
        parts: list[Tensor] = (
            held.fp32_partitioned_groups_flat if self._by_parameter else held.single_partition_of_fp32_groups
        )
        return parts


def _is_by_weight(value: Any, weight: Tensor) -> bool:
    """Whether an entry of the state has one number for each weight, as moments do and a count of steps does not."""
    return torch.is_tensor(value) and value.shape == weight.shape


def _on_first(value: Tensor) -> Tensor:
    return value.to("cpu", copy=True) if rank() == 0 else value.new_empty(0)


def _copy(value: Any) -> Any:
    return value.clone() if torch.is_tensor(value) else value
