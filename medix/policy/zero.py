"""Weights under DeepSpeed ZeRO (arXiv:1910.02054): optimiser state, gradients (stage 2) and weights (3) lie in parts.

DeepSpeed counts the micro-batches of a step in the ``forward`` of its engine, which nothing here calls: one training
step makes many passes. ``micro_batch`` tells it instead; without this, every micro-batch of ZeRO-3 would overwrite the
gradient of those before it.
"""

import hashlib
import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from medix.distributed import gather
from medix.policy.sharding import Sharding


class ZeRO(Sharding):
    """What DeepSpeed's engine has to be told.

    It clips gradients itself, at the ``gradient_clipping`` of its configuration, and leaves out the step of a gradient
    that is not finite.

    Args:
        engine: DeepSpeed's, made for the policy.
        layers: transformer layers. In stage 3 they gather their weights for each pass; all others stay gathered from
            one step to the next, because ranks apply the head to different numbers of tokens, and so in different
            numbers of pieces: they cannot gather it anew for each.
    """

    reduces_every_pass = True

    def __init__(self, engine: Any, layers: Sequence[nn.Module]) -> None:
        self.engine = engine
        self.layers = layers
        self.gathers_weights = engine.zero_optimization_partition_weights()
        self._order: list[int] = []  # of the parameters whose gradients were complete, since the last step
        for index, parameter in enumerate(engine.module.parameters()):
            if parameter.requires_grad and engine.zero_optimization_partition_gradients():
                parameter.register_post_accumulate_grad_hook(lambda _, index=index: self._order.append(index))
        if self.gathers_weights:
            self._keep_others_gathered()
            self._let_layers_gather(False)
            self._let_layers_gather(True)

    @contextmanager
    def gathered(self, policy: nn.Module) -> Iterator[None]:
        if not self.gathers_weights:
            yield
            return
        from deepspeed.runtime.zero import GatheredParameters

        with GatheredParameters([one for one in policy.parameters() if not _is_gathered(one)]):
            self._let_layers_gather(False)
            try:
                yield
            finally:
                self._let_layers_gather(True)

    @contextmanager
    def micro_batch(self, is_last: bool) -> Iterator[None]:
        self.engine.set_gradient_accumulation_boundary(is_last)
        self.engine.optimizer.clear_backward_seen_flag()
        yield

    def forget_gradient(self, optimizer: Any) -> None:  # noqa: ARG002
        # Not through the optimizer given: the trainer's is a copy, whose attributes DeepSpeed's never sees.
        self._order.clear()
        held = self.engine.optimizer
        held.zero_grad()
        if self.gathers_weights:
            return
        # Stages 1 and 2 keep gradients beside the parameters until a step is made, which an update without is not.
        for gradients in (held.averaged_gradients, held.all_grad_tensors):
            gradients.update(dict.fromkeys(gradients))
        held.micro_step_id = -1  # what the next backward pass finds of offloaded gradients is overwritten
        held.local_overflow = False

    def step(self, optimizer: Any, parameters: Iterable[nn.Parameter], max_norm: float | None) -> float:  # noqa: ARG002
        self._check_order()
        optimizer.step()
        if self.gathers_weights:
            self._gather_kept()  # DeepSpeed does not after a step that it left out
        return float(self.engine.get_global_grad_norm()) if self.engine.was_step_applied() else math.inf

    def _check_order(self) -> None:
        """Refuse gradients that came in different orders on the ranks: stages 2 and 3 add them by their position."""
        order = hashlib.sha256(array("q", self._order).tobytes()).digest()
        if len(set(gather(order))) > 1:
            raise RuntimeError(
                "trainer.strategy: the ranks computed the gradients of this update in different orders, and ZeRO would "
                "add those of different parameters; set trainer.strategy.stage: 1, or ddp, and please report the model"
            )

    def _keep_others_gathered(self) -> None:
        inside = {id(parameter) for layer in self.layers for parameter in layer.parameters()}
        for parameter in self.engine.module.parameters():
            if id(parameter) not in inside and not parameter.ds_persist:
                parameter.ds_persist = True
                self.engine.optimizer.persistent_parameters.append(parameter)
        self._gather_kept()

    def _gather_kept(self) -> None:
        missing = [one for one in self.engine.optimizer.persistent_parameters if not _is_gathered(one)]
        if missing:
            missing[0].all_gather(missing)

    def _let_layers_gather(self, gather: bool) -> None:
        """Add DeepSpeed's hooks to the layers and what is inside, or remove them from all modules."""
        held = self.engine.optimizer.parameter_offload
        for hook in () if gather else (*held.forward_hooks, *held.backward_hooks):
            hook.remove()
        held.forward_hooks, held.backward_hooks = [], []
        for layer in self.layers if gather else ():
            held._register_deepspeed_module(layer)
        coordinator = held.get_param_coordinator()
        if not coordinator.is_invalid_trace():
            coordinator._invalidate_trace()  # what it has seen of the order of modules, which have new numbers


def _is_gathered(parameter: Any) -> bool:
    return bool(parameter.ds_status.name == "AVAILABLE")
