"""Low-rank adapters (arXiv:2106.09685) with peft."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import peft
import torch
from transformers import PreTrainedModel


@dataclass(frozen=True)
class LoRA:
    """Trained adapters of frozen weights.

    Args:
        rank: rank of each update.
        alpha: updates are scaled by ``alpha / rank``.
        dropout: dropout probability of an adapter's inputs while training.
        target_modules: names of linear layers that get an adapter (``q_proj``), or ``all-linear``. The vision tower is
            included unless ``freeze_vision`` is set. Experts and routers are no linear layers and get none.
        seed: seed of the adapters' initial weights; the global random state is not used.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    target_modules: Literal["all-linear"] | list[str] = "all-linear"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"lora.rank: {self.rank} must be at least 1; leave lora out to train every weight")
        if not 0 < self.alpha < math.inf:
            raise ValueError(f"lora.alpha: {self.alpha} must be above 0 and finite: updates are scaled by alpha / rank")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"lora.dropout: {self.dropout} must lie in [0, 1)")

    def apply(self, model: PreTrainedModel, only_inside: Sequence[str] | None = None) -> peft.PeftModel:
        """Freeze a model and add adapters, in place.

        Args:
            model: the model.
            only_inside: names of the modules that get adapters, themselves or inside; None for the whole model.
        """
        inside = "|".join(re.escape(name) for name in only_inside or ())
        exclude = None if only_inside is None else rf"(?!(?:{inside})(?:\.|$)).*"
        options = peft.LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # peft divides it by the rank, so a float works
            lora_dropout=self.dropout,
            target_modules=self.target_modules,
            exclude_modules=exclude,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            try:
                adapted = peft.get_peft_model(model, options)
            except ValueError as error:
                raise ValueError(
                    f"lora.target_modules: {self.target_modules!r} cannot be adapted in {type(model).__name__}: "
                    f"{error}; give names of its linear layers, or all-linear"
                ) from error
        self._check_all_found(adapted)
        return adapted

    def _check_all_found(self, adapted: peft.PeftModel) -> None:
        """Refuse names that no adapted module has: peft passes over them without a word if others are found.

        Raises:
            ValueError: names them, and what is adapted.
        """
        names: Any = adapted.base_model.targeted_module_names
        given = [] if isinstance(self.target_modules, str) else self.target_modules
        if lost := [name for name in given if not any(f".{found}".endswith(f".{name}") for found in names)]:
            found = ", ".join(sorted({name.rpartition(".")[2] for name in names}))
            raise ValueError(
                f"lora.target_modules: {', '.join(lost)}: no module of that name gets an adapter (vision towers get "
                f"none with freeze_vision); adapted would be {found} alone. Correct the name or leave it out"
            )
