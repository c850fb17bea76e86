"""What an optimizer needs per trained parameter, measured on a small one."""

from dataclasses import dataclass

import torch
from lightning.pytorch.cli import OptimizerCallable

from medix.doctor.live_bytes import LiveBytes


@dataclass(frozen=True)
class OptimizerBytes:
    """Bytes per trained parameter.

    Attributes:
        state: kept from step to step.
        temporary: at most inside a step, beside weights, gradients and state.
        steps_together: whether a step updates all weights at the same time, so that all have temporary bytes.
    """

    state: float
    temporary: float
    steps_together: bool

    @classmethod
    def of(cls, optimizer: OptimizerCallable, weight_bytes: int, on_gpu: bool) -> "OptimizerBytes":
        """Measure two steps; the first creates the state.

        Args:
            optimizer: creates the optimizer of the spec.
            weight_bytes: bytes per parameter.
            on_gpu: whether the weights are on GPUs, where PyTorch's optimizers update all weights together unless
                ``foreach`` or ``fused`` say otherwise.
        """
        dtype = {2: torch.bfloat16, 8: torch.float64}.get(weight_bytes)
        parameter = torch.nn.Parameter(torch.zeros(256, 256, dtype=dtype))
        parameter.grad = torch.zeros_like(parameter)
        stepped = optimizer([parameter])
        together = [_steps_together(group, on_gpu) for group in stepped.param_groups]
        for group, foreach in zip(stepped.param_groups, together, strict=True):
            if foreach:
                group["foreach"] = True
        with torch.compiler.set_stance("force_eager"):  # compiling the step of one small parameter takes half a minute
            stepped.step()
            tensors = [
                value for state in stepped.state.values() for value in state.values() if isinstance(value, torch.Tensor)
            ]
            with LiveBytes() as live:
                live.add([parameter, parameter.grad, *tensors])
                before = live.now
                stepped.step()
        # Rounding drops step counters, some bytes per parameter tensor whatever its size.
        state = round(sum(tensor.nbytes for tensor in tensors) / parameter.numel(), 2)
        return cls(state, round((live.peak - before) / parameter.numel(), 1), all(together))


def _steps_together(group: dict[str, object], on_gpu: bool) -> bool:
    foreach = group.get("foreach", False)
    return bool(foreach) or (on_gpu and foreach is None and not group.get("fused"))
