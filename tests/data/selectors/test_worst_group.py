"""Parts that are answered worst are drawn more often."""

import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

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
    """Two groups each, rewards 0.75 and 0.25: both begin with 0.5, and two groups at rate 1/2 move it by 3/4 of the
    way, to 0.6875 and 0.3125. At sharpness 8/3 the difference of 0.375 makes a factor e times as large. With floor 0.2
    and exponent 0 the shares are 0.8 · e / (e + 1) + 0.1 = 0.68485 and 0.31515.

    Then CT is as it was, and two groups of MRI have 1: MRI moves to 0.3125 + 0.75 · 0.6875 = 0.828125."""
    selector = WorstGroupSelector(sharpness=8 / 3, rate=0.5, floor=0.2)
    selector.bind(stream)
    assert selector.shares(0) == [0.5, 0.5]
    _step(selector, 0, 4, {CT: 0.75, MRI: 0.25})
    assert selector.factors()[MRI] == pytest.approx(math.e / (math.e + 1))
    assert selector.shares(1) == pytest.approx([0.31515, 0.68485], abs=5e-6)
    selector.follow([(MRI, Outcome(4, True, 1.0)), (MRI, Outcome(5, True, 1.0)), (CT, Outcome(6, True, 0.6875))])
    after = math.exp(8 / 3 * (0.6875 - 0.828125))
    assert selector.factors()[MRI] == pytest.approx(after / (1 + after))


def test_a_part_that_was_not_scored_yet_has_the_factor_of_the_mean(stream: Stream) -> None:
    """Remembered rewards 0.2 and, unknown, 0.2; then MRI begins at 0.2 and moves a tenth of the way to 0.7."""
    selector = WorstGroupSelector(sharpness=1, rate=0.1)
    selector.bind(stream)
    selector.follow([(CT, Outcome(0, True, 0.2))])
    assert selector.factors() == {CT: 0.5, MRI: 0.5}
    selector.follow([(MRI, Outcome(1, True, 0.7))])
    assert selector.factors()[CT] == pytest.approx(1 / (1 + math.exp(-0.05)))


def test_the_worst_part_is_drawn_more_often_until_it_is_learnt(stream: Stream) -> None:
    selector = WorstGroupSelector(sharpness=10, rate=0.2, floor=0.1)
    selector.bind(stream)
    drawn = [_step(selector, 20 * number, 20, {CT: 0.9, MRI: 0.1}).count("MRI_SCAN") for number in range(12)]
    assert drawn[0] == 10
    assert drawn[-1] == 19  # 0.95 of 20: the floor leaves 0.05 to the other
    later = [_step(selector, 240 + 20 * n, 20, {CT: 0.1, MRI: 0.9}).count("MRI_SCAN") for n in range(24)]
    assert later[-1] == 1


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_at_sharpness_0_it_is_the_mixture(stream: Stream, exponent: float) -> None:
    selector = WorstGroupSelector(sharpness=0, exponent=exponent)
    selector.bind(stream)
    _step(selector, 0, 10, {CT: 1.0, MRI: 0.0})
    assert selector.shares(1) == pytest.approx([0.5, 0.5] if exponent == 0 else [0.8, 0.2])


@given(
    rewards=st.lists(st.tuples(st.floats(-10, 2), st.floats(-10, 2)), max_size=20),
    sharpness=st.floats(0, 1e300),
    rate=st.floats(0.001, 1),
    floor=st.floats(0.01, 1),
)
def test_no_part_falls_below_its_floor_and_nothing_overflows(
    stream: Stream, rewards: list[tuple[float, float]], sharpness: float, rate: float, floor: float
) -> None:
    selector = WorstGroupSelector(sharpness=sharpness, rate=rate, floor=floor)
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


# Simulations: ten or thirty parts, of which a step draws few ---------------------------------------------------------


def _simulated(
    folder: Path, parts: int, size: int, steps: int, reward: Callable[[int, int], float]
) -> tuple[WorstGroupSelector, list[Sequence[float]]]:
    """The selector after some steps, and its shares after each; ``reward`` is of a part at a step."""
    stream = Stream([manifest(folder, f"d{part:02}", [4], "X_RAY", f"d{part:02}") for part in range(parts)], seed=3)
    selector = WorstGroupSelector(by=("dataset",))
    selector.bind(stream)
    shares = []
    for step in range(steps):
        drawn = range(step * size, (step + 1) * size)
        outcomes = [Outcome(index, True, reward(selector.locate(index).shard, step)) for index in drawn]
        selector.finish_step(step + 1, (step + 1) * size, outcomes)
        shares.append(selector.shares(step + 1))
    return selector, shares


@pytest.mark.parametrize(("parts", "size"), [(10, 4), (30, 24), (5, 24)])
def test_equal_rewards_leave_equal_shares(tmp_path: Path, parts: int, size: int) -> None:
    """Where the factor of a part grew with each step that it was in, one of thirty got up to 80 % of the draws."""
    _, shares = _simulated(tmp_path, parts, size, 300, lambda part, step: 0.5)
    assert shares[-1] == pytest.approx([1 / parts] * parts)


def test_rewards_that_are_equal_but_for_chance_leave_no_part_on_top(tmp_path: Path) -> None:
    draw = random.Random(1)
    _, shares = _simulated(tmp_path, 10, 8, 600, lambda part, step: float(draw.random() < 0.5))
    assert max(map(max, shares)) < 0.35
    means = [sum(one) / len(shares) for one in zip(*shares, strict=True)]
    assert 0.06 < min(means) <= max(means) < 0.14


@pytest.mark.parametrize(("parts", "size"), [(10, 4), (10, 24), (30, 24)])
def test_the_worst_of_many_parts_is_drawn_most(tmp_path: Path, parts: int, size: int) -> None:
    """At factor e · (30 - 1 others): 0.8 · 2.718 / (2.718 + 29) + 0.2 / 30 = 0.0752 of thirty; of ten 0.2056."""
    _, shares = _simulated(tmp_path, parts, size, 300, lambda part, step: 0.3 if part == 7 else 0.5)
    assert shares[-1][7] == max(shares[-1]) == pytest.approx(0.2056 if parts == 10 else 0.0752, rel=0.02)


@pytest.mark.parametrize("size", [4, 8, 24])
def test_a_part_that_was_worst_for_long_and_is_best_is_soon_drawn_least(tmp_path: Path, size: int) -> None:
    """Where factors were multiplied on, it held 82 % five hundred steps later."""

    def reward(part: int, step: int) -> float:
        return 0.5 if part else 0.3 if step < 400 else 0.8

    _, shares = _simulated(tmp_path, 10, size, 600, reward)
    assert shares[399][0] == max(shares[399])
    assert shares[-1][0] == min(shares[-1]) < 0.06


@pytest.mark.parametrize(
    ("arguments", "told"),
    [({"sharpness": -1.0}, "sharpness: -1.0"), ({"sharpness": math.inf}, "sharpness: inf"),
     ({"rate": 0.0}, "rate: 0.0"), ({"rate": 1.5}, "rate: 1.5"), ({"floor": 0.0}, "floor: 0.0"),
     ({"floor": 1.5}, "floor: 1.5"), ({"by": ()}, "by: names no axis"), ({"by": ("sex",)}, "by: sex")],
)  # fmt: skip
def test_bad_arguments_are_named(arguments: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=rf"data\.selector\.{told}"):
        WorstGroupSelector(**arguments)  # type: ignore[arg-type]
