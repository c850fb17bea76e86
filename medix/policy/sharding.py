"""How the weights of a policy lie on the ranks of a run."""

import math
from abc import ABC
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_

from medix.policy.shards import whole


class Sharding(ABC):  # noqa: B024  # every method has a default: that of whole weights
    """What rollout, passes and updates have to do because of where the weights lie.

    The defaults are those of one rank that holds everything.
    """

    gathers_weights: bool = False
    """Whether every pass gathers weights from all ranks: they must then make equally many, also without gradient."""

    reduces_every_pass: bool = False
    """Whether every backward pass reduces gradients over ranks: they must then make equally many of them."""

    def gathered(self, policy: nn.Module) -> AbstractContextManager[None]:  # noqa: ARG002  # see subclasses
        """Context in which ranks may run different numbers of passes without gradient; every rank must enter it."""
        return nullcontext()

    def release(self, policy: nn.Module) -> None:  # noqa: B027  # see subclasses
        """Free weights that stayed gathered after a pass, so that all ranks are in the same state."""

    def micro_batch(self, is_last: bool) -> AbstractContextManager[Any]:  # noqa: ARG002  # see subclasses
        """Context of the passes of one micro-batch.

        Args:
            is_last: whether the optimiser's step follows.
        """
        return nullcontext()

    def forget_gradient(self, optimizer: Any) -> None:
        """Drop what has been accumulated since the last step."""
        optimizer.zero_grad()

    def step(self, optimizer: Any, parameters: Iterable[nn.Parameter], max_norm: float | None) -> float:
        """Clip the gradient and step the optimiser, which is left out if the gradient is not finite.

        Trained parameters that no pass has used, as a vision tower in an update without images, get a gradient of zero,
        as they have where ranks share gradients: momentum and weight decay move them on any number of ranks.

        Args:
            optimizer: of the trainer.
            parameters: of the policy.
            max_norm: the gradient is scaled down to it; None switches clipping off.

        Returns:
            The gradient norm over all ranks, before clipping.
        """
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        for parameter in trained:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        norm = float(whole(clip_grad_norm_(trained, math.inf if max_norm is None else max_norm)))
        if math.isfinite(norm):
            optimizer.step()
        return norm


class OneRank(Sharding):
    """One process holds all weights."""
