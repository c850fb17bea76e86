"""Parts that are answered worst are drawn more often."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.data.selectors.selector import Outcome
from medix.data.selectors.worst_group import WorstGroupSelector
from medix.data.stream import Stream
from tests.support.streams import manifest

CT, MRI = ("CT_SCAN",), ("MRI_SCAN",)


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    folder = tmp_path_factory.mktemp("m")
    return Stream([manifest(folder, "a", [8], "CT_SCAN", "a"), manifest(folder, "b", [2], "MRI_SCAN", "b")], seed=5)


def _label(selector: WorstGroupSelector, index: int) -> tuple[str, ...]:
    return CT if selector.locate(index).shard == 0 else MRI


def _step(selector: WorstGroupSelector, start: int, size: int, rewards: dict[tuple[str, ...], float]) -> list[str]:
    """Draw and score one batch; returns the modality of each draw."""
    labels = [_label(selector, index) for index in range(start, start + size)]
    outcomes = [Outcome(start + number, True, rewards[label]) for number, label in enumerate(labels)]
    selector.finish_step(start // size + 1, start + size, outcomes)
    return [label[0] for label in labels]


def test_factors_are_those_of_a_hand_calculation(stream: Stream) -> None:
    """Losses 0.75 and 0.25 at rate 2: exp(1.5) against exp(0.5), e to 1. With floor 0.2 and exponent 0 the shares are
    0.8 · e / (e + 1) + 0.1 = 0.68485 and 0.31515."""
    selector = WorstGroupSelector(rate=2, floor=0.2)
    selector.bind(stream)
    assert selector.shares(0) == [0.5, 0.5]
    _step(selector, 0, 4, {CT: 0.75, MRI: 0.25})
    assert selector.factors()[MRI] == pytest.approx(math.e / (math.e + 1))
    assert selector.shares(1) == pytest.approx([0.31515, 0.68485], abs=5e-6)


def test_the_worst_part_is_drawn_more_often_until_it_is_learnt(stream: Stream) -> None:
    selector = WorstGroupSelector(rate=1, floor=0.1)
    selector.bind(stream)
    drawn = [_step(selector, 20 * number, 20, {CT: 0.9, MRI: 0.1}).count("MRI_SCAN") for number in range(12)]
    assert drawn[0] == 10
    assert drawn[-1] == 19  # 0.95 of 20: the floor leaves 0.05 to the other
    later = [_step(selector, 240 + 20 * n, 20, {CT: 0.1, MRI: 0.9}).count("MRI_SCAN") for n in range(24)]
    assert later[-1] == 1


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_at_rate_0_it_is_the_mixture(stream: Stream, exponent: float) -> None:
    selector = WorstGroupSelector(rate=0, exponent=exponent)
    selector.bind(stream)
    _step(selector, 0, 10, {CT: 1.0, MRI: 0.0})
    assert selector.shares(1) == pytest.approx([0.5, 0.5] if exponent == 0 else [0.8, 0.2])


@given(
    rewards=st.lists(st.tuples(st.floats(-10, 2), st.floats(-10, 2)), max_size=20),
    rate=st.floats(0, 50),
    floor=st.floats(0.01, 1),
)
def test_no_part_falls_below_its_floor_and_nothing_overflows(
    stream: Stream, rewards: list[tuple[float, float]], rate: float, floor: float
) -> None:
    selector = WorstGroupSelector(rate=rate, floor=floor)
    selector.bind(stream)
    for number, (ct, mri) in enumerate(rewards):
        _step(selector, 4 * number, 4, {CT: ct, MRI: mri})
    assert min(selector.shares(len(rewards))) >= floor / 2 * (1 - 1e-9)
    assert math.fsum(selector.factors().values()) == pytest.approx(1)


def test_groups_that_nobody_scored_say_nothing(stream: Stream) -> None:
    selector = WorstGroupSelector(rate=1)
    selector.bind(stream)
    for index in range(4):
        selector.locate(index)
    selector.finish_step(1, 4, [Outcome(0, None, math.nan), Outcome(9, True, 0.0)])
    assert selector.factors() == {CT: 0.5, MRI: 0.5}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [({"rate": -1.0}, "rate: -1.0"), ({"rate": math.inf}, "rate: inf"), ({"floor": 0.0}, "floor: 0.0"),
     ({"floor": 1.5}, "floor: 1.5"), ({"by": ()}, "by: names no axis"), ({"by": ("sex",)}, "by: sex")],
)  # fmt: skip
def test_bad_arguments_are_named(arguments: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=rf"data\.selector\.{told}"):
        WorstGroupSelector(**arguments)  # type: ignore[arg-type]
