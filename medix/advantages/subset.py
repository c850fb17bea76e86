"""Down-sampling: which completions of a group are trained on."""

import math
from abc import ABC, abstractmethod
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from medix.advantages.base import Advantage, checked_advantages


class Subset(ABC):
    """Chooses some completions of each group once their totals are known; the others are not trained on.

    They leave the loss and its counts of tokens and sequences, as unscored ones do; all of them are sampled, scored and
    recorded.

    Args:
        advantage_over: what an advantage compares with: the ``subset`` or the whole ``group``.
    """

    def __init__(self, advantage_over: Literal["subset", "group"] = "subset") -> None:
        self.advantage_over = advantage_over

    @abstractmethod
    def choose(self, totals: Float[Tensor, "prompt completion"]) -> Bool[Tensor, "prompt completion"]:
        """True for the completions to train on. NaN is one that may not be chosen."""

    @abstractmethod
    def count(self, completions: int) -> int:
        """How many of the completions of a group it chooses, where all may be chosen.

        Raises:
            ValueError: it cannot choose from so many.
        """


def advantages_of(
    advantage: Advantage,
    subset: Subset | None,
    totals: Float[Tensor, "prompt completion"],
    may_train: Bool[Tensor, "prompt completion"],
) -> Float[Tensor, "prompt completion"]:
    """Advantages of the completions that a subset chooses; NaN for all others.

    Args:
        advantage: computes them.
        subset: chooses; None takes every scored completion.
        totals: of groups; NaN where unscored.
        may_train: False for completions that are left out of training for another reason, and never chosen.

    Raises:
        ValueError: of ``checked_advantages``, or the subset chose what has no total.
    """
    if subset is None:
        return checked_advantages(advantage, totals)
    offered = totals.masked_fill(~may_train, math.nan)
    chosen = subset.choose(offered)
    if chosen.shape != totals.shape or (chosen & offered.isnan()).any():
        raise ValueError(
            f"model.subset: {type(subset).__name__} chose completions that have no total or are left out; return one "
            "truth value per completion, False where the total is NaN"
        )
    if subset.advantage_over == "subset":
        return checked_advantages(advantage, totals.masked_fill(~chosen, math.nan))
    return checked_advantages(advantage, totals).masked_fill(~chosen, math.nan)
