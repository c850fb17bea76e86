from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medix.data.selectors.selector import Outcome
from medix.data.selectors.spread import SpreadSelector
from medix.data.stream import Stream
from tests.support.streams import manifest

SAMPLES = 6


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    return Stream([manifest(tmp_path_factory.mktemp("m"), "a", [3, 3])], seed=5)


def _ordinals(selector: SpreadSelector, start: int, stop: int) -> list[int]:
    return [3 * place.shard + place.position for place in map(selector.locate, range(start, stop))]


def _run(selector: SpreadSelector, flat: set[int], steps: int, step: int = 0) -> Counter[int]:
    """Steps of six draws, in which the groups of some samples have no spread."""
    drawn: Counter[int] = Counter()
    for number in range(step, step + steps):
        found = _ordinals(selector, SAMPLES * number, SAMPLES * (number + 1))
        drawn.update(found)
        outcomes = [Outcome(SAMPLES * number + i, ordinal not in flat, 0.5) for i, ordinal in enumerate(found)]
        selector.finish_step(number + 1, SAMPLES * (number + 1), outcomes)
    return drawn


def test_a_prompt_without_spread_is_drawn_in_every_fourth_pass(stream: Stream) -> None:
    """After two passes sample 2 has two groups without spread. With floor 0.25 it is then drawn in one pass of four, in
    which a pass has six draws, else five: 21 draws for four passes, and 12 times that for 252."""
    selector = SpreadSelector(patience=2, floor=0.25)
    selector.bind(stream)
    assert _run(selector, {2}, 2) == dict.fromkeys(range(SAMPLES), 2)
    later = _run(selector, {2}, 42, step=2)
    assert sum(later.values()) == 252 == 12 * 21
    assert later[2] == 12
    assert {later[ordinal] for ordinal in range(SAMPLES) if ordinal != 2} == {48}


def test_one_group_with_spread_puts_it_back_into_every_pass(stream: Stream) -> None:
    selector = SpreadSelector(patience=1, floor=0.25)
    selector.bind(stream)
    _run(selector, {2}, 10)
    assert selector.state_dict()["flat"] == [[0, 2, 1]]
    _run(selector, set(), 10, step=10)
    assert selector.state_dict()["flat"] == []
    assert _run(selector, set(), 6, step=20)[2] in (5, 6, 7)


@settings(max_examples=12)
@given(flat=st.sets(st.integers(0, SAMPLES - 1)), patience=st.integers(1, 3), floor=st.floats(0.05, 1))
def test_no_sample_is_ever_excluded(stream: Stream, flat: set[int], patience: int, floor: float) -> None:
    """Even where no group has spread, draws go on, and every sample is among those of any `period + 1` passes."""
    selector = SpreadSelector(patience, floor)
    selector.bind(stream)
    _run(selector, flat, 8)
    cursor = selector.state_dict()["cursors"][0]
    found: set[int] = set()
    step = 8
    while selector.state_dict()["cursors"][0] < cursor + SAMPLES * (selector.period + 1) + 2 * SAMPLES:
        found |= _run(selector, flat, 1, step=step).keys()
        step += 1
    assert found == set(range(SAMPLES))


def test_a_group_that_cannot_be_compared_does_not_count(stream: Stream) -> None:
    selector = SpreadSelector(patience=1)
    selector.bind(stream)
    first = _ordinals(selector, 0, 6)
    selector.finish_step(1, 6, [Outcome(0, None, 0.5), Outcome(1, False, 0.5)])
    assert selector.state_dict()["flat"] == [[first[1] // 3, first[1] % 3, 1]]


def test_groups_sampled_ahead_are_counted_in_the_next_step(stream: Stream) -> None:
    """The group of draw 3 is scored a step later; what is not heard of after two steps is forgotten."""
    selector = SpreadSelector(patience=1)
    selector.bind(stream)
    first = _ordinals(selector, 0, 6)
    selector.finish_step(1, 6, [])
    assert len(selector.state_dict()["pending"]) == 6
    selector.finish_step(2, 12, [Outcome(3, False, 0.0)])
    assert selector.state_dict()["flat"] == [[first[3] // 3, first[3] % 3, 1]]
    assert [row[0] for row in selector.state_dict()["pending"]] == [*range(6, 12)]
    selector.finish_step(3, 18, [Outcome(2, False, 0.0)])
    assert len(selector.state_dict()["flat"]) == 1


@pytest.mark.parametrize("arguments", [{"patience": 0}, {"floor": 0.0}, {"floor": 1.5}, {"floor": float("nan")}])
def test_a_floor_of_nothing_is_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=rf"data\.selector\.{next(iter(arguments))}"):
        SpreadSelector(**arguments)  # type: ignore[arg-type]
