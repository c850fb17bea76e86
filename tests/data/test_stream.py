from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.data.mixture import Mixture
from medix.data.stream import Place, SampleOrder, Stream, draws, permutation
from tests.data.conftest import Writer

GROUPS = st.lists(st.lists(st.integers(0, 6), min_size=1, max_size=5), min_size=1, max_size=4).filter(
    lambda groups: sum(map(sum, groups)) > 0
)


def _epoch(order: SampleOrder, epoch: int) -> list[Place]:
    return [order.locate(index) for index in range(epoch * len(order), (epoch + 1) * len(order))]


@given(groups=GROUPS, seed=st.integers(0, 2**40), window=st.integers(1, 6), epoch=st.integers(0, 50))
def test_every_epoch_is_a_permutation(groups: list[list[int]], seed: int, window: int, epoch: int) -> None:
    order = SampleOrder(groups, seed, window)
    counts = [count for group in groups for count in group]
    expected = {Place(shard, position) for shard, count in enumerate(counts) for position in range(count)}
    places = _epoch(order, epoch)
    assert len(places) == len(expected)
    assert set(places) == expected


@given(groups=GROUPS, seed=st.integers(0, 99), indices=st.lists(st.integers(0, 500), min_size=1))
def test_a_place_depends_on_the_index_and_not_on_what_was_asked_before(
    groups: list[list[int]], seed: int, indices: list[int]
) -> None:
    """One order is asked in turn, a fresh one for each index: caches must not show."""
    order = SampleOrder(groups, seed, 2)
    assert [order.locate(i) for i in indices] == [SampleOrder(groups, seed, 2).locate(i) for i in indices]


def test_epochs_and_seeds_differ() -> None:
    orders = [_epoch(SampleOrder([[10, 10], [10]], seed, 2), epoch) for seed in (1, 2) for epoch in (0, 1, 2)]
    assert len({tuple(order) for order in orders}) == 6


@given(window=st.integers(1, 5), epoch=st.integers(0, 9))
def test_a_window_is_left_behind_once_it_is_read(window: int, epoch: int) -> None:
    """So a reader that holds `window` shards open reads each shard once."""
    order = SampleOrder([[3] * 7, [5] * 4], 3, window)
    shards = [place.shard for place in _epoch(order, epoch)]
    spans = [(shards.index(shard), len(shards) - 1 - shards[::-1].index(shard)) for shard in set(shards)]
    assert max(sum(first <= i <= last for first, last in spans) for i in range(len(shards))) <= window


def test_modalities_are_mixed_in_proportion_in_every_window() -> None:
    """20 shards of one manifest, 5 of another: four to one among any five neighbours, give or take one."""
    order = SampleOrder([[1] * 20, [1] * 5], 7, 1)
    for epoch in range(5):
        shards = order.shard_order(epoch)
        for start in range(0, 25, 5):
            assert abs(sum(shard >= 20 for shard in shards[start : start + 5]) - 1) <= 1


def test_without_shuffling_every_epoch_has_the_stored_order() -> None:
    order = SampleOrder([[2, 0], [1]], shuffle=False)
    assert _epoch(order, 0) == _epoch(order, 4) == [Place(0, 0), Place(0, 1), Place(2, 0)]


def test_the_order_is_pinned() -> None:
    """A checkpoint holds an index: another order under the same seed would silently be other data."""
    order = SampleOrder([[2, 2], [3]], seed=1, window=2)
    assert permutation(8, 1, 2, 3).tolist() == [5, 0, 7, 3, 6, 1, 4, 2]
    assert [tuple(order.locate(i)) for i in range(7)] == [(2, 2), (2, 1), (2, 0), (0, 1), (0, 0), (1, 1), (1, 0)]


def test_draws_are_splitmix64() -> None:
    """With base 0 the first outputs of SplitMix64 seeded with 0 (the generator's published test vector)."""
    assert [hex(int(value)) for value in draws(2)] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4"]


@pytest.mark.parametrize("index", [-1, -100])
def test_a_negative_index_is_an_error(index: int) -> None:
    with pytest.raises(IndexError, match=f"index {index}"):
        SampleOrder([[3]]).locate(index)


def test_an_empty_order_has_no_index() -> None:
    with pytest.raises(IndexError):
        SampleOrder([[0]]).locate(0)


def test_a_window_of_no_shards_is_refused() -> None:
    with pytest.raises(ValueError, match="window: 0"):
        SampleOrder([[3]], window=0)


def test_a_stream_runs_on_over_epochs_and_reads_every_sample_once_in_each(write: Writer) -> None:
    stream = Stream(write({"CT_SCAN": 9, "MRI_SCAN": 5, None: 3}), seed=4, window=2)
    epochs = [[stream[epoch * 17 + i].id for i in range(17)] for epoch in range(3)]
    assert all(Counter(epoch) == Counter(f"row.{i}" for i in range(17)) for epoch in epochs)
    assert all(first != second for first, second in pairwise(epochs))


def test_a_mixture_shapes_the_epoch(write: Writer) -> None:
    stream = Stream(write({"CT_SCAN": 9, "MRI_SCAN": 4}), mixture=Mixture(repeat={"MRI_SCAN": 3}, limit={"CT_SCAN": 3}))
    counts = Counter(stream[i].id for i in range(len(stream)))
    assert counts == Counter({f"row.{i}": 1 for i in (0, 3, 6)} | {f"row.{i}": 3 for i in (9, 10, 11, 12)})
