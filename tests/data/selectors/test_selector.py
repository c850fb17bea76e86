"""What every selector promises: the same draws on any ranks and workers, and after a resume at any step."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from medix.data.manifest import Manifest
from medix.data.selectors.curriculum import CurriculumSelector, Milestone
from medix.data.selectors.difficulty import DifficultySelector
from medix.data.selectors.mixture import MixtureSelector
from medix.data.selectors.selector import EpochSelector, Selector
from medix.data.selectors.spread import SpreadSelector
from medix.data.selectors.worst_group import WorstGroupSelector
from medix.data.stream import SampleOrder, Stream
from tests.support.streams import NamedStream, Reading, manifest

Make = Callable[[Path], Selector]

SELECTORS: dict[str, Make] = {
    "epoch": lambda _: EpochSelector(),
    "mixture": lambda _: MixtureSelector(modality={"MRI_SCAN": 3}, source={"odd": 0.5}),
    "curriculum": lambda _: CurriculumSelector(
        [Milestone(1, modality={"MRI_SCAN": 0}), Milestone(5, dataset={"b": 4, "a": 0.3})]
    ),
    "difficulty": lambda folder: DifficultySelector(
        [str(folder / "records.jsonl")], [Milestone(0, level={"1": 3, "unknown": 0.5}), Milestone(4)], levels=3
    ),
    "spread": lambda _: SpreadSelector(patience=1, floor=0.3, by=["modality"]),
    "worst_group": lambda _: WorstGroupSelector(rate=0.7, by=["modality", "source"]),
}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, ...]:
    folder = tmp_path_factory.mktemp("manifests")
    parity = ("even", "odd")
    lines = [f'{{"dataset": "a", "id": "one.{i}", "total": {i / 10}}}\n' for i in range(11)]
    (folder / "records.jsonl").write_text("".join(lines))
    return (
        manifest(folder, "one", [5, 4, 5], "CT_SCAN", "a", lambda i: parity[i % 2]),
        manifest(folder, "two", [3, 4], "MRI_SCAN", "b", lambda i: parity[i % 2]),
    )


def _reading(name: str, manifests: tuple[Manifest, ...], size: int = 8) -> Reading:
    def is_flat(sample: str, index: int) -> bool:
        return hash_of(sample) % 3 > 0 or index % 5 == 0

    folder = manifests[0].path.parent
    return Reading(lambda: SELECTORS[name](folder), lambda: NamedStream(manifests, seed=9, window=2), size, is_flat)


def hash_of(text: str) -> int:
    return sum(map(ord, text))


def _through_a_checkpoint(state: dict[str, Any]) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    found: dict[str, Any] = torch.load(file, weights_only=True)
    return found


@pytest.mark.parametrize("name", SELECTORS)
def test_a_run_that_was_killed_at_any_batch_goes_on_with_the_same_draws(
    name: str, manifests: tuple[Manifest, ...]
) -> None:
    """Whichever batch it is killed in, it goes on from its last finished step: 18 batches of 8 are 7 passes over the
    21 samples. Resumed on one, two and four ranks in turn."""
    reading = _reading(name, manifests)
    straight, saved = reading(18)
    assert len(saved) == 13
    for number, state in enumerate(saved[:-1]):
        state.selector = _through_a_checkpoint(state.selector) if state.selector else {}
        first = next(index for index, batch in enumerate(straight) if batch[0][0] >= state.position)
        rest, again = reading(len(straight) - first, ranks=(1, 2, 4)[number % 3], start=state)
        assert rest == straight[first:]
        assert again[-1] == saved[-1]


@pytest.mark.parametrize("name", [name for name in SELECTORS if name != "epoch"])
def test_a_resume_with_batches_of_another_size_passes_over_no_draw(name: str, manifests: tuple[Manifest, ...]) -> None:
    """21 samples: epochs of 16 draws in batches of 8, of 20 in batches of 5, of 20 in batches of 2. From every step."""
    _, saved = _reading(name, manifests)(8)
    for state in saved:
        seen, states = _reading(name, manifests, size=5)(6, ranks=2, start=state)
        last = states[-1]
        more, _ = _reading(name, manifests, size=2)(4, start=last)
        indices = [index for batch in (*seen, *more) for index, _ in batch]
        assert indices == list(range(state.position, state.position + 5 * len(seen) + 2 * len(more)))
        assert last.position == state.position + 5 * len(seen)


def test_samples_of_a_pass_are_drawn_once_each_also_where_the_size_of_batches_changes(
    manifests: tuple[Manifest, ...],
) -> None:
    """8 draws and then 13 are the 21 samples."""
    first, saved = _reading("spread", manifests)(1)
    second, _ = _reading("spread", manifests, size=13)(1, start=saved[-1])
    assert len({name for batch in (*first, second[0]) for _, name in batch}) == 21


@pytest.mark.parametrize("name", ["epoch", "mixture", "spread"])
def test_draws_depend_on_neither_ranks_nor_workers(name: str, manifests: tuple[Manifest, ...]) -> None:
    """Workers render ahead where they may; a state that changes with the steps is never run ahead of."""
    reading = _reading(name, manifests)
    straight, saved = reading(7)
    shared, states = reading(7, ranks=2, workers=2)
    assert shared == straight
    assert states == saved
    middle = saved[2]
    first = next(i for i, batch in enumerate(straight) if batch[0][0] >= middle.position)
    assert reading(7 - first, workers=1, start=middle)[0] == straight[first:]


@pytest.mark.parametrize("name", SELECTORS)
def test_ranks_share_every_batch_without_a_gap(name: str, manifests: tuple[Manifest, ...]) -> None:
    """21 samples in batches of 4: epochs of 20 draws follow each other; the default passes over the 21st index."""
    batches, _ = _reading(name, manifests, size=4)(12, ranks=2)
    indices = [index for batch in batches for index, _ in batch]
    assert len(set(indices)) == len(indices)
    assert (
        indices
        == ([*range(20), *range(21, 41), *range(42, 54)] if name == "epoch" else list(range(52)))[: len(indices)]
    )


def test_the_default_draws_the_order_of_the_stream(manifests: tuple[Manifest, ...]) -> None:
    stream, selector = Stream(manifests, seed=4, window=2), EpochSelector()
    selector.bind(stream)
    assert [selector.locate(i) for i in range(60)] == [stream.order.locate(i) for i in range(60)]
    assert selector.epoch(8) == 21
    assert selector.state_dict() == selector.settings() == {}


def test_an_unbound_selector_says_so() -> None:
    for selector in (EpochSelector(), MixtureSelector()):
        with pytest.raises(RuntimeError, match="call bind first"):
            selector.stream  # noqa: B018


@pytest.mark.parametrize("name", SELECTORS)
def test_the_shards_to_come_are_those_of_the_next_draws(name: str, manifests: tuple[Manifest, ...]) -> None:
    selector = SELECTORS[name](manifests[0].path.parent)
    selector.bind(NamedStream(manifests, seed=9, window=1))
    needed = {selector.locate(index).shard for index in range(6)}
    announced = list(dict.fromkeys(selector.shards_from(0)))
    assert needed <= set(announced)
    assert set(announced) <= set(range(5))


def test_shards_from_an_index_begin_with_its_window() -> None:
    """Windows of two shards with one sample each: the third index is in the second window."""
    order = SampleOrder([[1] * 6], seed=2, window=2)
    assert list(order.shards_from(2)) == [*order.shard_order(0)[2:], *order.shard_order(1)]
    assert list(SampleOrder([[1] * 3], shuffle=False).shards_from(1)) == [1, 2, 0]
    assert list(SampleOrder([[0]]).shards_from(0)) == []


def test_shards_without_a_selected_sample_are_not_announced() -> None:
    assert set(SampleOrder([[0, 5, 0, 0]], seed=3, window=2).shards_from(0)) == {1}
    assert list(SampleOrder([[0, 5, 0, 2]], shuffle=False).shards_from(0)) == [1, 3]
