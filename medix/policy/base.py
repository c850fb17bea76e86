"""What every policy is: a model that gives log-probabilities to completions."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh

from medix.policy.sharding import OneRank, Sharding
from medix.types import RolloutGroup


class Policy(nn.Module, ABC):
    """A vision-language model under training.

    Constructors store arguments only; ``load`` reads configuration and weights and is called from
    ``LightningModule.configure_model``, so that printing a spec is cheap and sharded initialisation works.
    """

    every_parameter: bool = False
    """Give every trained weight a gradient in every pass, if only zero; set where ranks wait for all gradients."""

    sharding: Sharding = OneRank()
    """How the weights lie on the ranks; set by the strategy of the trainer."""

    @abstractmethod
    def load(self) -> None:
        """Read the weights; a second call does nothing."""

    def shard(self, mesh: DeviceMesh, compute_dtype: torch.dtype | None = None) -> None:  # noqa: ARG002  # see subclasses
        """Shard the loaded weights over ranks.

        Args:
            mesh: the ranks, in one dimension.
            compute_dtype: dtype of the weights in computations; None for their own.
        """
        raise ValueError(
            f"model.policy: the weights of a {type(self).__name__} cannot be sharded; give trainer.strategy: ddp"
        )

    def gathered(self) -> AbstractContextManager[None]:
        """Context in which ranks may run different numbers of passes without gradient; every rank must enter it."""
        return self.sharding.gathered(self)

    @property
    @abstractmethod
    def processor(self) -> Any:
        """The Hugging Face processor: tokenizer, image processor and chat template. Cheap; needs no ``load``."""

    @property
    @abstractmethod
    def banned_token_ids(self) -> tuple[int, ...]:
        """Image, video and vision-boundary placeholders: never sampled, and excluded from every softmax."""

    @abstractmethod
    def fingerprint(self) -> dict[str, Any]:
        """Plain data that must be equal for a checkpoint to be resumed."""

    @abstractmethod
    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> Float[Tensor, "row time"]:
        """Log-probabilities of completion tokens, with gradient where it is enabled.

        Args:
            groups: prompts with some or all of their completions.
            temperature: logits are divided by it, as when sampling.

        Returns:
            One row per completion, in order, right-padded with 0 to the longest; float32 or wider.
        """

    @property
    def rounding(self) -> float:
        """Largest mean absolute difference of log-probabilities that rounding may cause."""
        return 2e-4

    @property
    def shares_prompts(self) -> bool:
        """Whether ``logprobs`` passes a prompt once for all completions of a group; determines the cost of a pass."""
        return False

    def logprobs_in_chunks(
        self, parts: Sequence[RolloutGroup], temperature: float = 1.0
    ) -> Iterator[Float[Tensor, "row time"]]:
        """``logprobs`` of the parts of one group that is too large for one pass, one after the other.

        What a part computes of the prompt may serve the later ones: run the backward pass of each before the next is
        asked for. Gradients are complete after the last.

        Args:
            parts: some of the completions of the group each.
            temperature: logits are divided by it, as when sampling.
        """
        for part in parts:
            yield self.logprobs([part], temperature)

    @abstractmethod
    def reference_logprobs(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> Float[Tensor, "row time"]:
        """The same under the reference policy: the weights before training (LoRA: the adapter switched off)."""

    def reference_logprobs_in_chunks(
        self, parts: Sequence[RolloutGroup], temperature: float = 1.0
    ) -> Iterator[Float[Tensor, "row time"]]:
        """``reference_logprobs`` of the parts of one group, as ``logprobs_in_chunks``; to be read to its end."""
        for part in parts:
            yield self.reference_logprobs([part], temperature)

    @property
    def has_dropout(self) -> bool:
        """Whether a pass in training mode applies dropout, so that a second one gives other values."""
        return any(
            (isinstance(part, nn.Dropout) and part.p > 0) or bool(getattr(part, "attention_dropout", 0.0))
            for part in self.modules()
        )
