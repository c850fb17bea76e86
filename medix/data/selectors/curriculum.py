"""Draws by weights that change with the step."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medix.data.selectors.part import AXES, Label, labels_by_axes
from medix.data.selectors.weighted import WeightedSelector, check_names
from medix.data.stream import Stream


@dataclass(frozen=True)
class Milestone:
    """Weights at a step; names that it leaves out have weight 1.

    Args:
        step: number of finished steps.
        modality, source, dataset: weight by name, as in ``MixtureSelector``.
        level: weight by level of difficulty, ``"1"`` for the easiest (``DifficultySelector`` only).
    """

    step: int
    modality: Mapping[str, float] = field(default_factory=dict)
    source: Mapping[str, float] = field(default_factory=dict)
    dataset: Mapping[str, float] = field(default_factory=dict)
    level: Mapping[str, float] = field(default_factory=dict)

    def weights(self, axis: str) -> Mapping[str, float]:
        """Weight by name on an axis."""
        found: Mapping[str, float] = getattr(self, axis)
        return found

    def weight(self, axes: Sequence[str], label: Label) -> float:
        """The product of the weights of the values of a label."""
        product = 1.0
        for axis, value in zip(axes, label, strict=True):
            product *= self.weights(axis).get(value, 1.0)
        return product


class CurriculumSelector(WeightedSelector):
    """Draws by weights of modality, source and data set that are a function of the step.

    The weight of a part is interpolated linearly between milestones, and constant before the first and after the last.

    Args:
        milestones: weights at steps, in increasing order of their steps.
        exponent: as in ``MixtureSelector``.
    """

    changes_with_steps = True
    _axes_known: tuple[str, ...] = AXES

    def __init__(self, milestones: Sequence[Milestone], exponent: float = 1.0) -> None:
        super().__init__(exponent)
        self.milestones = tuple(milestones)
        self._steps = [milestone.step for milestone in self.milestones]
        if not self._steps or self._steps != sorted(set(self._steps)) or self._steps[0] < 0:
            raise ValueError(
                f"data.selector.milestones: steps {self._steps}; give at least one, from 0 on, each later than the last"
            )
        self.axes = tuple(axis for axis in self._axes_known if any(m.weights(axis) for m in self.milestones))
        if left_out := [axis for axis in ("level", *AXES) if axis not in self._axes_known and self._names(axis)]:
            raise ValueError(
                f"data.selector.milestones: {type(self).__name__} has no weights by {left_out[0]}; leave them out"
            )

    def labels(self, stream: Stream) -> list[dict[Label, NDArray[np.intp]]]:
        """Split by the axes that a milestone has weights for."""
        return labels_by_axes(stream, self.axes)

    def bind(self, stream: Stream) -> None:
        """Split the stream, check that every name has samples, and that no milestone leaves everything out."""
        super().bind(stream)
        names = {axis: dict.fromkeys(self._names(axis), 1.0) for axis in self.axes if axis in AXES}
        check_names(names, self.parts, self.axes)
        for step in self._steps:
            self.shares(step)

    def weight(self, label: Label, step: int) -> float:
        """Interpolated between the milestones around a step."""
        after = bisect_right(self._steps, step)
        if after == 0 or after == len(self._steps):
            return self.milestones[max(0, after - 1)].weight(self.axes, label)
        earlier, later = self.milestones[after - 1], self.milestones[after]
        share = (step - earlier.step) / (later.step - earlier.step)
        return (1 - share) * earlier.weight(self.axes, label) + share * later.weight(self.axes, label)

    def settings(self) -> dict[str, Any]:
        """Milestones and exponent."""
        rows = [
            [milestone.step, *(sorted(milestone.weights(axis).items()) for axis in self.axes)]
            for milestone in self.milestones
        ]
        return {"milestones": rows, "axes": list(self.axes), "exponent": self.exponent}

    def _names(self, axis: str) -> set[str]:
        return {name for milestone in self.milestones for name in milestone.weights(axis)}
