"""Running means per modality, and the share of unscored rows."""

import copy
import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from medix.modality import TEXT_ONLY, ModalitySet
from medix.types import Status

_SUM, _SCORED, _UNSCORED = range(3)
_STATES = {"counts": 0.0, "never_equal": math.nan}


M = TypeVar("M", bound="RunningMeans")


class RunningMeans(Metric):
    """A torchmetrics metric whose state is one tensor: the sum, and the scored and unscored rows, of each modality.

    Its size is fixed, so that every rank reports the same keys, even without data, and synchronisation is one sum. Its
    dtype is float64 whatever the metric is converted to: a counter in bfloat16 stops at 256, and ranks of different
    dtypes cannot be summed. ``compute`` is a collective operation on every call: a result that one rank looked up while
    another synchronises would leave the other waiting. The state is not persistent: running means are not part of a
    checkpoint.
    """

    full_state_update: ClassVar[bool] = False  # type: ignore[misc]  # torchmetrics declares it Optional
    higher_is_better: ClassVar[bool] = True  # type: ignore[misc]
    is_differentiable: ClassVar[bool] = False  # type: ignore[misc]
    plot_lower_bound: ClassVar[float] = 0.0  # type: ignore[misc]
    plot_upper_bound: ClassVar[float] = 1.0  # type: ignore[misc]

    counts: Tensor

    def __init__(self) -> None:
        super().__init__(compute_with_cache=False)
        self.use_modalities(ModalitySet())

    def use_modalities(self, modalities: ModalitySet) -> None:
        """Use another modality set; resets the running means."""
        self.modalities = modalities
        rows = len(modalities) + 1  # text-only samples have a row of their own
        # A MetricCollection updates only one of several metrics whose states are equal. The NaN of ``never_equal``
        # prevents that for two suites whose judges agree on the first batch.
        for name, shape in (("counts", (3, rows)), ("never_equal", ())):
            default = torch.full(shape, _STATES[name], dtype=torch.float64, device=self.device)
            self.add_state(name, default, dist_reduce_fx="sum", persistent=False)

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

    def compute(self) -> dict[str, Tensor]:
        """``""`` (mean over all), one key per modality, ``unscored`` (share of applicable rows); always all keys.

        A mean over no rows is NaN.
        """
        total, scored, unscored = self.counts
        means = total / scored
        result = {"": total.sum() / scored.sum(), "unscored": unscored.sum() / (scored + unscored).sum()}
        return result | {name: means[row] for row, name in enumerate((*self.modalities, TEXT_ONLY))}

    def merge_state(self, incoming_state: "dict[str, Any] | Metric") -> None:
        """Add the rows of another metric of this kind, or those of its ``metric_state``.

        Raises:
            ValueError: it is of another kind, has other modalities, or is synchronised at the moment.
        """
        if isinstance(incoming_state, Metric):
            self._check_mergeable(incoming_state)
            incoming_state = incoming_state.metric_state
        found = incoming_state.get("counts") if isinstance(incoming_state, dict) else None
        if not isinstance(found, Tensor) or found.shape != self.counts.shape:
            given = tuple(found.shape) if isinstance(found, Tensor) else type(incoming_state).__name__
            raise ValueError(
                f"{type(self).__name__}.merge_state: a metric of this class is needed, or its metric_state, whose "
                f"counts have the shape {tuple(self.counts.shape)}; got {given}"
            )
        self._reduce_states({"never_equal": self.never_equal, **incoming_state, "counts": found.to(self.counts)})

    def _check_mergeable(self, other: Metric) -> None:
        """Raise ``ValueError`` unless the rows of the other metric can be added to this one's."""
        name = type(self).__name__
        if not isinstance(other, type(self)):
            raise ValueError(f"{name}.merge_state: a {type(other).__name__} counts other rows; give a {name}")
        if tuple(other.modalities) != tuple(self.modalities):
            raise ValueError(
                f"{name}.merge_state: the modalities {', '.join(other.modalities)} are not those of this metric, "
                f"{', '.join(self.modalities)}; use one modality set in both"
            )
        if self._is_synced or other._is_synced:
            raise ValueError(
                f"{name}.merge_state: rows of a synchronised metric would count twice; call unsync() first"
            )

    def _apply(  # type: ignore[override]  # the order of torchmetrics
        self,
        fn: Callable[..., Any],
        exclude_state: Sequence[str] = "",
        recurse: bool = True,  # noqa: ARG002 - ``to_empty`` gives it, and torchmetrics does not take it
    ) -> "RunningMeans":
        """Follow to another device, never to another dtype."""
        super()._apply(fn, (*_STATES, *exclude_state))
        self._dtype = torch.float64
        for name, value in _STATES.items():
            default = self._defaults[name]
            assert isinstance(default, Tensor)
            self._defaults[name] = _on(default, self.device, value)
            setattr(self, name, _on(getattr(self, name), self.device, value))
        return self

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


def _on(state: Tensor, device: torch.device, empty: float) -> Tensor:
    """The state on a device; one that was nowhere (``meta``) begins empty."""
    return torch.full_like(state, empty, device=device) if state.is_meta else state.to(device)
