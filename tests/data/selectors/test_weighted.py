from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from medix.data.selectors.part import Label, labels_by_axes
from medix.data.selectors.weighted import WeightedSelector
from medix.data.stream import Stream
from tests.support.streams import manifest


class ByDataset(WeightedSelector):
    """Weights by data set, which may be changed between steps."""

    def __init__(self, weights: dict[str, float], exponent: float = 1.0) -> None:
        super().__init__(exponent)
        self.weights = weights

    def labels(self, stream: Stream) -> list[dict[Label, NDArray[np.intp]]]:
        return labels_by_axes(stream, ("dataset",))

    def weight(self, label: Label, step: int) -> float:
        return self.weights[label[0]]


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """Nine samples of a, three of b, one of c."""
    folder = tmp_path_factory.mktemp("m")
    return Stream([manifest(folder, name, sizes, dataset=name) for name, sizes in
                   (("a", [4, 5]), ("b", [3]), ("c", [1]))], window=1)  # fmt: skip


def _drawn(selector: WeightedSelector, stream: Stream, start: int, stop: int) -> Counter[str]:
    names = [stream.shards.shards[selector.locate(i).shard].manifest.name for i in range(start, stop)]
    return Counter(names)


def test_shares_by_hand(stream: Stream) -> None:
    """Weights 1, 2 and 3 of 9, 3 and 1 samples: 9, 6 and 3 of 18; with exponent 0.5: 3, 2 * 1.7320508, 3."""
    selector = ByDataset({"a": 1, "b": 2, "c": 3})
    selector.bind(stream)
    assert selector.shares(0) == pytest.approx([9 / 18, 6 / 18, 3 / 18])
    assert _drawn(selector, stream, 0, 1800) == pytest.approx({"a": 900, "b": 600, "c": 300}, abs=2)
    flat = ByDataset({"a": 1, "b": 2, "c": 3}, exponent=0.5)
    flat.bind(stream)
    assert flat.shares(0) == pytest.approx([3 / 9.4641016, 3.4641016 / 9.4641016, 3 / 9.4641016])


@given(weights=st.lists(st.floats(0.01, 100), min_size=3, max_size=3), count=st.integers(1, 400))
def test_draws_stay_near_their_share(stream: Stream, weights: list[float], count: int) -> None:
    """Less than one draw more than the share, and less than two fewer with three parts."""
    selector = ByDataset(dict(zip("abc", weights, strict=True)))
    selector.bind(stream)
    found = _drawn(selector, stream, 0, count)
    for part, share in zip(selector.parts, selector.shares(0), strict=True):
        assert -2 - 1e-6 < found[part.label[0]] - count * share < 1 + 1e-6


def test_the_parts_do_not_alternate(stream: Stream) -> None:
    """Two equal parts: a strict alternation would give each of two ranks one of them."""
    selector = ByDataset({"a": 1, "b": 1, "c": 0}, exponent=0)
    selector.bind(stream)
    names = [selector.locate(i).shard < 2 for i in range(0, 400, 2)]
    assert 60 < sum(names) < 140


def test_every_sample_of_a_part_is_drawn_once_in_each_pass(stream: Stream) -> None:
    selector = ByDataset({"a": 0, "b": 1, "c": 0})
    selector.bind(stream)
    for start in (0, 3, 6):
        assert sorted(selector.locate(i).position for i in range(start, start + 3)) == [0, 1, 2]


def test_a_part_that_is_left_out_is_drawn_again_later(stream: Stream) -> None:
    selector = ByDataset({"a": 1, "b": 1, "c": 50})
    selector.bind(stream)
    selector.finish_step(1, 10, [])
    selector.weights["c"] = 0
    selector.finish_step(2, 12, [])
    assert sum(selector.state_dict()["credits"]) == pytest.approx(0, abs=1e-12)
    assert _drawn(selector, stream, 12, 200)["c"] == 0
    selector.weights["c"] = 50
    selector.finish_step(3, 200, [])
    assert _drawn(selector, stream, 200, 300)["c"] > 70


def test_what_was_drawn_before_a_step_cannot_be_asked_again(stream: Stream) -> None:
    selector = ByDataset({"a": 1, "b": 1, "c": 1})
    selector.bind(stream)
    selector.finish_step(1, 10, [])
    with pytest.raises(IndexError, match="draw 9 of a selector that stands at draw 10"):
        selector.locate(9)


@pytest.mark.parametrize(
    "weights",
    [{"a": 0, "b": 0, "c": 0}, *({"a": wrong, "b": 1, "c": 1} for wrong in (-1.0, float("nan"), float("inf")))],
)
def test_weights_that_choose_nothing_are_refused(stream: Stream, weights: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"data\.selector: weights after step 0 are .*give positive numbers"):
        ByDataset(weights).bind(stream)


def test_an_exponent_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.selector\.exponent: 2"):
        ByDataset({}, exponent=2)


def test_a_state_of_other_parts_is_refused(stream: Stream) -> None:
    selector = ByDataset({"a": 1, "b": 1, "c": 1})
    selector.bind(stream)
    state = selector.state_dict()
    state["parts"][1] = ["b", "0" * 16]
    with pytest.raises(ValueError, match=r"split into other parts \(such as 'b'\)"):
        selector.load_state_dict(state)


def test_the_draws_are_pinned(stream: Stream) -> None:
    """A checkpoint holds cursors and credits: other draws after the same state would silently be other data."""
    selector = ByDataset({"a": 1, "b": 2, "c": 3})
    selector.bind(stream)
    found = [tuple(selector.locate(i)) for i in range(8)]
    assert found == [(2, 2), (1, 2), (1, 1), (3, 0), (2, 0), (1, 3), (3, 0), (1, 4)]


def test_shards_of_all_parts_stay_open(tmp_path: Path) -> None:
    """Windows of two shards: two and one more of each part, instead of three for the whole stream."""
    stream = Stream([manifest(tmp_path, n, [1] * 5, dataset=n) for n in ("a", "b")], window=2)
    ByDataset({"a": 1, "b": 1}).bind(stream)
    assert stream.shards.limit == 6


def test_more_shards_in_turn_than_are_kept_open_are_said(tmp_path: Path) -> None:
    """Three parts with windows of 100 shards are 303 with the next one of each; with windows of 80, 243."""
    manifests = [manifest(tmp_path, name, [1] * 120, dataset=name) for name in "abc"]
    for window, told in (
        (100, "reads 303 shards in turn, 3 parts with up to data.window = 100 each, but 256"),
        (80, ""),
    ):
        selector, stream = ByDataset({"a": 1, "b": 1, "c": 1}), Stream(manifests, window=window)
        selector.bind(stream)
        assert stream.shards.limit == min(256, 3 * (window + 1))
        assert told in "".join(selector.remarks())
        assert len(selector.remarks()) == bool(told)
