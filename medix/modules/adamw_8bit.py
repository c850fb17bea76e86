"""AdamW with two bytes of state per parameter, for weights in bfloat16: torchao's, for weights that may be sharded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torchao.optim import AdamW8bit as _AdamW8bit
from torchao.optim.subclass_8bit import OptimState8bit

_MOMENTS = {"exp_avg": True, "exp_avg_sq": False}
"""Names of the moments, and whether they have a sign."""


class AdamW8bit(_AdamW8bit):  # type: ignore[misc]
    """AdamW (arXiv:1711.05101) with both moments in blocks of 8 bits (arXiv:2110.02861).

    The update is computed in float32, and weights in bfloat16 are rounded at random, up or down with probabilities that
    keep the mean: a bf16 weight of 0.02 has neighbours at a distance of 1.2e-4, so that rounding to the nearest would
    lose every step of 1e-6. These random numbers depend on the number of the step alone, so that ranks that each hold
    all weights (DDP) round them alike, whatever else they draw; the generators of torch are left as they were.

    Deviates from torchao 0.18, whose state on weights that FSDP2 shards can neither be stepped in bf16 nor loaded from
    a checkpoint: between steps a moment is two plain tensors, codes and scales. On a CPU steps are not compiled, for
    compiling takes a minute.

    Args:
        params: weights; those with fewer than 4,096 elements on a rank, or that ranks or blocks of 256 do not divide,
            have moments in float32. In bfloat16 the second one would never shrink: 0.999 of a number rounds to it.
        lr: learning rate.
        betas: decay of both moments.
        eps: added to the root of the second moment.
        weight_decay: decoupled.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, bf16_stochastic_round=True)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of all weights with a gradient."""
        devices = {weight.device for group in self.param_groups for weight in group["params"]}
        on_cpu = all(device.type == "cpu" for device in devices)
        steps = max((int(state["step"]) for state in self.state.values()), default=0)
        for weight, state in self.state.items():
            _join(weight, state)
        with torch.compiler.set_stance("force_eager") if on_cpu else nullcontext(), _seeded(steps, devices):
            loss = super().step(closure)
        for weight, state in self.state.items():
            _part(weight, state)
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Moments keep their dtypes; torch gives all state that of the weights."""
        super().load_state_dict(state_dict)
        weights = [weight for group in self.param_groups for weight in group["params"]]
        numbers = [number for group in state_dict["param_groups"] for number in group["params"]]
        for number, weight in zip(numbers, weights, strict=True):
            for name, value in state_dict["state"].get(number, {}).items():
                if name.startswith("exp_avg"):
                    dtype = torch.float32 if name in _MOMENTS else value.dtype
                    self.state[weight][name] = value.to(weight.device, dtype)

    def _new_buffer(self, p: Tensor, signed: bool) -> Tensor:
        if not (isinstance(p, DTensor) and p.shape[0] % p.device_mesh.size()):
            buffer: Tensor = super()._new_buffer(p, signed)
            if isinstance(_local(buffer), OptimState8bit):
                return buffer
        return torch.zeros_like(p, dtype=torch.float32)

    @staticmethod
    def _subclass_zeros(p: Tensor, signed: bool, block_size: int) -> Any:
        # With the dtype of bf16 weights, DTensor takes the dequantised moment for bf16 and refuses the step.
        return OptimState8bit.zeros(p.shape, signed, block_size, p.device, dtype=torch.float32)


@contextmanager
def _seeded(seed: int, devices: set[torch.device]) -> Iterator[None]:
    """Inside, the generators of the CPU and of these devices begin at a seed; afterwards they are as before."""
    on_gpu = [device for device in devices if device.type == "cuda"]
    with torch.random.fork_rng(on_gpu):
        torch.default_generator.manual_seed(seed)
        for device in on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


def _part(weight: Tensor, state: dict[str, Any]) -> None:
    """Replace quantised moments by their codes and scales."""
    for name in _MOMENTS:
        local = _local(state[name]) if name in state else None
        if isinstance(local, OptimState8bit):
            state[f"{name}_codes"] = _like(weight, local.codes)
            state[f"{name}_scale"] = _like(weight, local.scale)
            del state[name]


def _join(weight: Tensor, state: dict[str, Any]) -> None:
    """The reverse of ``_part``."""
    for name, signed in _MOMENTS.items():
        if f"{name}_codes" in state:
            codes, scale = (_local(state.pop(f"{name}_{part}")) for part in ("codes", "scale"))
            table = OptimState8bit.zeros((1,), signed, 1, codes.device).qmap
            state[name] = _like(weight, OptimState8bit(codes, scale, table, signed, dtype=torch.float32))


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _like(weight: Tensor, local: Tensor) -> Tensor:
    """Sharded as the weight is, which all ranks divide evenly."""
    if not isinstance(weight, DTensor):
        return local
    return DTensor.from_local(local, weight.device_mesh, weight.placements, run_check=False)
