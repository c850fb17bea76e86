"""Running means per modality, and the share of unscored rows."""

import copy
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from medix.modality import TEXT_ONLY, ModalitySet
from medix.types import Status

_SUM, _SCORED, _UNSCORED = range(3)


M = TypeVar("M", bound="RunningMeans")


class RunningMeans(Metric):
    """A torchmetrics metric whose state is one tensor: the sum, and the scored and unscored rows, of each modality.

    Its size is fixed, so that every rank reports the same keys, even without data, and synchronisation is one sum. It
    is not persistent: running means are not part of a checkpoint.
    """

    full_state_update: ClassVar[bool] = False  # type: ignore[misc]  # torchmetrics declares it Optional
    higher_is_better: ClassVar[bool] = True  # type: ignore[misc]
    is_differentiable: ClassVar[bool] = False  # type: ignore[misc]
    plot_lower_bound: ClassVar[float] = 0.0  # type: ignore[misc]
    plot_upper_bound: ClassVar[float] = 1.0  # type: ignore[misc]

    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.use_modalities(ModalitySet())

    def use_modalities(self, modalities: ModalitySet) -> None:
        """Use another modality set; resets the running means."""
        self.modalities = modalities
        rows = len(modalities) + 1  # text-only samples have a row of their own
        # float64 throughout: a float32 counter stops at 2^24
        default = torch.zeros(3, rows, dtype=torch.float64, device=self.device)
        self.add_state("counts", default, dist_reduce_fx="sum", persistent=False)
        # A MetricCollection updates only one of several metrics whose states are equal. NaN prevents that for two
        # suites whose judges agree on the first batch.
        self.add_state("never_equal", torch.tensor(math.nan), dist_reduce_fx="sum", persistent=False)
        self._computed = None

    @property
    def update_called(self) -> bool:
        """Always true, so that torchmetrics does not warn about a rank without rows."""
        return True

    @abstractmethod
    def update(self, *args: Any, **kwargs: Any) -> None:
        """Score rows and add them."""

    def add(self, value: Float[Tensor, " row"], status: Sequence[Status], modalities: Sequence[str | None]) -> None:
        """Add rows that were already scored; rows that do not apply are not counted."""
        rows = torch.tensor([self.modalities.index(modality) for modality in modalities], dtype=torch.long)
        scored = torch.tensor([entry is Status.SCORED for entry in status], dtype=torch.float64)
        unscored = torch.tensor([entry is Status.UNSCORED for entry in status], dtype=torch.float64)
        sums = torch.where(scored > 0, value.to("cpu", torch.float64), 0.0)
        added = torch.zeros(self.counts.shape, dtype=torch.float64)
        added.index_add_(1, rows, torch.stack([sums, scored, unscored]))
        self.counts = self.counts + added.to(self.counts.device)
        self._computed = None

    def compute(self) -> dict[str, Tensor]:
        """``""`` (mean over all), one key per modality, ``unscored`` (share of applicable rows); always all keys.

        A mean over no rows is NaN.
        """
        total, scored, unscored = self.counts
        means = total / scored
        result = {"": total.sum() / scored.sum(), "unscored": unscored.sum() / (scored + unscored).sum()}
        return result | {name: means[row] for row, name in enumerate((*self.modalities, TEXT_ONLY))}

    def fresh(self: M) -> M:
        """A second object with the same judges, encoders and settings, and separate running means."""
        other = self._shallow()
        other.reset()
        return other

    def _shallow(self: M) -> M:
        """A shallow copy, except for the dictionaries in which torchmetrics registers states."""
        other = copy.copy(self)
        for name in ("_defaults", "_persistent", "_reductions"):
            setattr(other, name, dict(getattr(self, name)))
        return other
