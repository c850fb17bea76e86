"""What becomes of a draw reaches the selector that made it, once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medix.data.selectors.part import Part
from medix.data.selectors.scored_mixture import ScoredMixture
from medix.data.selectors.selector import Outcome
from medix.data.stream import Place, Stream
from tests.support.streams import manifest


class Following(ScoredMixture):
    """Writes down what it is told."""

    def remembered(self, place: Place, part: Part) -> tuple[int | str, ...]:
        return (*part.label, place.position)

    def follow(self, scored: Sequence[tuple[Any, Outcome]]) -> None:
        self.told = [(value, outcome.draw) for value, outcome in scored]


def _finish(selector: Following, step: int, *draws: int) -> list[tuple[Any, int]]:
    for index in range(4 * (step - 1), 4 * step):
        selector.locate(index)
    selector.finish_step(step, 4 * step, [Outcome(draw, True, 0.5) for draw in draws])
    return selector.told


def test_a_group_may_be_scored_a_step_late_and_is_forgotten_after_that(tmp_path: Path) -> None:
    """Draws 0 to 3 are of step 1. Draw 1 is scored in step 2; draw 2 only in step 3, when it is forgotten."""
    selector = Following(by=["modality"])
    selector.bind(Stream([manifest(tmp_path, "a", [8], "CT_SCAN", "a")], seed=5))
    first = [("CT_SCAN", selector.locate(index).position) for index in range(4)]
    assert _finish(selector, 1, 0, 3) == [(first[0], 0), (first[3], 3)]
    saved = selector.state_dict()
    assert [entry[0] for entry in saved["pending"]] == [1, 2]
    resumed = Following(by=["modality"])
    resumed.bind(selector.stream)
    resumed.load_state_dict(saved)
    for one in (selector, resumed):
        assert _finish(one, 2, 1, 0)[0] == (first[1], 1)
        assert _finish(one, 3, 2, 9) == [(one.told[0][0], 9)]
