"""Draws by constant weights of modalities, sources and data sets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medix.data.selectors.part import AXES, Label, labels_by_axes
from medix.data.selectors.weighted import WeightedSelector, check_names
from medix.data.stream import Stream


class MixtureSelector(WeightedSelector):
    """Draws samples in proportion to the weights of their modality, source and data set, which are multiplied.

    Names without a weight have weight 1. The samples are split by every axis that has weights or is in ``by``;
    ``exponent`` applies to the sizes of the parts that result. Equal shares for all modalities: ``by: [modality],
    exponent: 0``. Twice as many draws of each MRI sample as of any other: ``modality: {MRI_SCAN: 2}``.

    Sources are read from the index of the shards, which must hold them (``python -m medix shards index``).

    Args:
        modality: weight by modality (``TEXT_ONLY`` for text-only samples).
        source: weight by source.
        dataset: weight by data set.
        by: further axes to split by: ``modality``, ``source``, ``dataset``.
        exponent: 1 draws every sample as often as its weight says; 0 gives parts of equal weight equal shares.
    """

    def __init__(
        self,
        modality: Mapping[str, float] | None = None,
        source: Mapping[str, float] | None = None,
        dataset: Mapping[str, float] | None = None,
        by: Sequence[str] = (),
        exponent: float = 1.0,
    ) -> None:
        super().__init__(exponent)
        if unknown := sorted(set(by) - set(AXES)):
            raise ValueError(f"data.selector.by: {', '.join(unknown)}; give {', '.join(AXES)}")
        self.weights = {"modality": modality or {}, "source": source or {}, "dataset": dataset or {}}
        self.axes = tuple(axis for axis in AXES if axis in by or self.weights[axis])

    def labels(self, stream: Stream) -> list[dict[Label, NDArray[np.intp]]]:
        """Split by the axes that have weights or are in ``by``."""
        return labels_by_axes(stream, self.axes)

    def bind(self, stream: Stream) -> None:
        """Split the stream, and check that every name has samples."""
        super().bind(stream)
        check_names(self.weights, self.parts, self.axes)

    def weight(self, label: Label, step: int) -> float:  # noqa: ARG002  # constant
        """The product of the weights of its values."""
        product = 1.0
        for axis, value in zip(self.axes, label, strict=True):
            product *= self.weights[axis].get(value, 1.0)
        return product

    def settings(self) -> dict[str, Any]:
        """Weights, axes and exponent."""
        weights = {axis: sorted(self.weights[axis].items()) for axis in AXES}
        return {**weights, "axes": list(self.axes), "exponent": self.exponent}
