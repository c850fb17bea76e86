"""Weights of which every rank holds a part: as DTensors (FSDP2), or as parameters that DeepSpeed ZeRO-3 emptied."""

from typing import Any

from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor


def whole(weight: Tensor) -> Tensor:
    """The whole of a weight, without gradient; of a sharded one a copy, for which every rank must call this."""
    if _is_partitioned(weight):
        from deepspeed.runtime.zero import GatheredParameters

        with GatheredParameters([weight]):
            return weight.detach().clone()
    weight = weight.detach()
    full: Tensor = weight.full_tensor() if isinstance(weight, DTensor) else weight
    return full


def own_part(weight: Tensor) -> Tensor:
    """What this rank holds of a weight, without gradient."""
    if isinstance(weight, DTensor):
        local: Tensor = weight.to_local()
        return local.detach()
    part: Tensor = weight.ds_tensor if hasattr(weight, "ds_tensor") else weight  # the part stays while it is gathered
    return part.detach()


def numel(weight: Any) -> int:
    """Elements of the whole weight."""
    return int(getattr(weight, "ds_numel", weight.numel()))


def holds_parts(module: nn.Module) -> bool:
    """Whether passes of a module gather its weights from all ranks."""
    if any(isinstance(part, FSDPModule) for part in module.modules()):
        return True
    return any(hasattr(parameter, "ds_id") for parameter in module.parameters())


def _is_partitioned(weight: Any) -> bool:
    """Whether DeepSpeed holds the weight in parts at this moment; it is whole while it is gathered."""
    return hasattr(weight, "ds_id") and weight.ds_status.name != "AVAILABLE"
