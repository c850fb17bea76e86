"""The weights of a policy as those of one model without adapters: what is exported and what engines get."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft.tuners.lora import Conv2d, Conv3d, Embedding, Linear
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import AuxiliaryTrainingWrapper
from torch import Tensor, nn

from medix.policy.shards import whole

_MERGED = {"lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B"}
"""Containers of an adapter's weights, in the layers that can be merged."""


@dataclass(frozen=True)
class MergedWeight:
    """One weight, and the adapter that is added to it.

    Attributes:
        base: the policy's own tensor, sharded or whole.
        layer: peft's layer of the adapter; None without one.
    """

    base: Tensor
    layer: Any = None

    def value(self) -> Tensor:
        """The whole weight, the update of its adapter added in float32, in the dtype of the base; without gradient."""
        weight = whole(self.base)
        if self.layer is None:
            return weight
        total = weight.float()
        # Engines get weights within a step, whose autocast would multiply the factors in bfloat16.
        with torch.autocast(weight.device.type, enabled=False):
            for adapter in self.layer.active_adapters:
                update = self._product(adapter).reshape(weight.shape)
                total = total + self.layer.scaling[adapter] * update
        return total.to(weight.dtype)

    def _product(self, adapter: str) -> Tensor:
        """B·A; of a convolution, B is one of a single pixel."""
        layer = self.layer
        if isinstance(layer, Embedding):  # its A and B are those of the transposed weight
            return (_factor(layer.lora_embedding_B[adapter]) @ _factor(layer.lora_embedding_A[adapter])).T
        return _factor(layer.lora_B[adapter].weight) @ _factor(layer.lora_A[adapter].weight)


def merged_weights(model: nn.Module, merge: bool = True) -> dict[str, MergedWeight]:
    """Weights and saved buffers of a Hugging Face model by the names that they have without adapters.

    Of weights that are equal because they are tied only the first is given, as in a saved folder. A tied weight with an
    adapter of its own is another one, and is given beside it.

    Args:
        model: the model, with or without adapters.
        merge: whether adapters are added; otherwise they are left out.
    """
    layers = {f"{name}.weight": part for name, part in model.named_modules() if merge and can_merge(part)}
    found: dict[str, MergedWeight] = {}
    seen: set[tuple[int, int]] = set()
    for name, weight in model.state_dict(keep_vars=True).items():
        if ".lora_" in name:
            continue
        plain = name.replace(".base_layer.", ".")
        one = MergedWeight(weight, layers.get(plain))
        if (id(weight), id(one.layer)) not in seen:
            seen.add((id(weight), id(one.layer)))
            found[plain] = one
    return found


def untied(model: nn.Module) -> list[str]:
    """Names of weights that are tied in the policy and differ once adapters are merged; usually none.

    An adapter on a head that is tied to the embeddings, or on these embeddings, changes only one of the two.
    """
    names: dict[int, list[str]] = {}
    for name, one in merged_weights(model).items():
        names.setdefault(id(one.base), []).append(name)
    return [name for group in names.values() if len(group) > 1 for name in group]


def check_merged(model: nn.Module) -> None:
    """Refuse a trained parameter that no merged weight contains: exports and engines would lack it.

    Raises:
        ValueError: names the parameters and the remedy.
    """
    held = {id(one.base) for one in merged_weights(model).values()}
    lost = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and id(parameter) not in held and not _is_merged(model, name)
    ]
    lost += [name for name, part in model.named_modules() if _is_adapter(part) and not can_merge(part)]
    if lost:
        raise ValueError(
            f"policy.lora: {len(lost)} adapted modules or trained parameters cannot be merged into the model: exports "
            f"and rollout engines would lack them, among them {_listed(lost)}. Plain adapters on linear layers, "
            "embeddings and ungrouped convolutions can be; leave other modules out of lora.target_modules"
        )


def _is_merged(model: nn.Module, name: str) -> bool:
    """Whether a parameter is one of the factors that ``MergedWeight`` reads."""
    path = name.split(".")
    at = next((n for n, part in enumerate(path) if part in _MERGED), None)
    return at is not None and can_merge(model.get_submodule(".".join(path[:at])))


def _is_adapter(part: nn.Module) -> bool:
    return isinstance(part, BaseTunerLayer | AuxiliaryTrainingWrapper)


def can_merge(part: Any) -> bool:
    """Whether a module is a layer of adapters that can be added to its weight."""
    if not isinstance(part, Linear | Embedding | Conv2d | Conv3d) or part.lora_variant:  # a variant: DoRA
        return False
    transposes = isinstance(part, Linear) and part.fan_in_fan_out
    return not (transposes or any(part.lora_bias.values()) or getattr(part.get_base_layer(), "groups", 1) != 1)


def _factor(weight: Tensor) -> Tensor:
    return whole(weight).float().flatten(1)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
