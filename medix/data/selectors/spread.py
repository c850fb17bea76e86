"""Draws prompts less often whose groups have had no spread of late."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from medix.data.selectors.part import Part
from medix.data.selectors.scored_mixture import Remembered, ScoredMixture
from medix.data.selectors.selector import Outcome
from medix.data.stream import Place, Stream, draws

SampleNumber = tuple[int, int]
"""A sample within a stream: its shard, and its ordinal there."""


class SpreadSelector(ScoredMixture):
    """Draws a sample in one pass of ``period`` while its last ``patience`` groups had no spread in their totals.

    A group whose completions all earn the same total has no advantage, so that its rollouts are spent in vain. Such a
    sample is not excluded: it is drawn in every ``period``-th pass over its part, where ``period`` is the largest whole
    number not above ``1 / floor``; the passes differ between samples by a hash. One group with spread puts it back into
    every pass. Groups with fewer than two scored completions say nothing and do not count.

    The state holds the number of groups without spread of every sample that has any, beside that of the mixture.

    Args:
        patience: groups without spread, one after the other, after which a sample is drawn less often.
        floor: smallest share of the passes in which any sample is drawn.
        modality, source, dataset, by, exponent: as in ``MixtureSelector``.
    """

    def __init__(
        self,
        patience: int = 2,
        floor: float = 0.1,
        modality: Mapping[str, float] | None = None,
        source: Mapping[str, float] | None = None,
        dataset: Mapping[str, float] | None = None,
        by: Sequence[str] = (),
        exponent: float = 1.0,
    ) -> None:
        super().__init__(modality, source, dataset, by, exponent)
        if patience < 1:
            raise ValueError(f"data.selector.patience: {patience}; give 1 or more groups")
        if not 0 < floor <= 1:
            raise ValueError(f"data.selector.floor: {floor}; give a share above 0, up to 1")
        self.patience = patience
        self.floor = floor
        self.period = int(1 / floor + 1e-9)
        self._flat: dict[SampleNumber, int] = {}
        self._phases: dict[SampleNumber, int] = {}

    def bind(self, stream: Stream) -> None:
        """Split the stream; no group is known yet."""
        self._flat, self._phases = {}, {}
        super().bind(stream)

    def is_admitted(self, place: Place, number: int) -> bool:
        """Whether it is drawn in a pass."""
        sample = self.stream.key(place)
        if self._flat.get(sample, 0) < self.patience:
            return True
        if sample not in self._phases:
            self._phases[sample] = int(draws(1, self.stream.order.seed, 4, *sample)[0] % np.uint64(self.period))
        return (number + self._phases[sample]) % self.period == 0

    def remembered(self, place: Place, part: Part) -> Remembered:  # noqa: ARG002  # the sample is enough
        """The sample."""
        return self.stream.key(place)

    def follow(self, scored: Sequence[tuple[SampleNumber, Outcome]]) -> None:
        """Count groups without spread."""
        for sample, outcome in scored:
            if outcome.has_spread:
                self._flat.pop(sample, None)
            elif outcome.has_spread is not None:
                self._flat[sample] = min(self.patience, self._flat.get(sample, 0) + 1)

    def settings(self) -> dict[str, Any]:
        """Those of the mixture, patience and floor."""
        return super().settings() | {"patience": self.patience, "floor": self.floor}

    def state_dict(self) -> dict[str, Any]:
        """That of ``ScoredMixture``, with samples without spread."""
        flat = [[*sample, count] for sample, count in sorted(self._flat.items())]
        return super().state_dict() | {"flat": flat}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self._flat = {(shard, ordinal): count for shard, ordinal, count in state["flat"]}
        super().load_state_dict(state)
