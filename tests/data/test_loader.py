import signal
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from medix.data.loader import BatchPlan, DataWorkerError, PromptDataset, PromptLoader, Span
from medix.data.machine_error import MachineError
from medix.data.manifest import Manifest
from medix.data.prompt_errors import UnusablePromptError
from medix.data.prompting import Prompting, PromptTooLongError
from medix.data.shards import Shard, ShardError
from medix.data.stream import Stream
from medix.stop_signal import SIGNALS
from medix.types import Prompt, PromptBatch, Sample
from tests.data.conftest import Writer, make_sample, picture


def _dataset(manifests: tuple[Manifest, ...], processor: Any, shuffle: bool = True, **prompting: Any) -> PromptDataset:
    return PromptDataset(
        Stream(manifests, seed=5, window=2, shuffle=shuffle), Prompting(template="short", **prompting), processor
    )


def _ids(batches: list[PromptBatch]) -> list[list[str]]:
    return [[prompt.sample.id for prompt in batch] for batch in batches]


def test_an_epoch_has_full_batches_only_and_the_next_begins_at_its_own_first_index() -> None:
    """10 samples in batches of 4: 0-4 and 4-8; 8 and 9 are left over, the next epoch begins at 10."""
    plan = BatchPlan(samples=10, size=4)
    assert len(plan) == 2
    assert list(plan.spans(0)) == [Span(0, 4, 4), Span(4, 8, 10)]
    assert list(plan.spans(10)) == [Span(10, 14, 14), Span(14, 18, 20)]


def test_what_is_left_of_an_epoch_can_be_kept() -> None:
    plan = BatchPlan(samples=10, size=4, keep_rest=True)
    assert len(plan) == 3
    assert list(plan.spans(0)) == [Span(0, 4, 4), Span(4, 8, 8), Span(8, 10, 10)]


def test_a_position_too_near_the_end_of_its_epoch_is_the_beginning_of_the_next() -> None:
    plan = BatchPlan(samples=10, size=4)
    assert [plan.normalise(position) for position in (0, 4, 6, 7, 9, 10, 17)] == [0, 4, 6, 10, 10, 10, 20]


def test_a_position_off_the_grid_of_batches_reads_what_fits() -> None:
    assert list(BatchPlan(samples=10, size=4).spans(1)) == [Span(1, 5, 5), Span(5, 9, 10)]


@given(samples=st.integers(1, 40), size=st.integers(1, 40), position=st.integers(0, 200), keep=st.booleans())
def test_batches_tile_an_epoch_from_any_position(samples: int, size: int, position: int, keep: bool) -> None:
    if size > samples and not keep:
        return
    plan = BatchPlan(samples, size, keep)
    spans = list(plan.spans(position))
    assert spans[0].start == plan.normalise(position) >= position
    assert all(first.next_index == second.start == first.stop for first, second in pairwise(spans))
    assert spans[-1].next_index % samples == 0
    assert len({span.start // samples for span in spans} | {(span.stop - 1) // samples for span in spans}) == 1
    assert all(span.stop - span.start == size for span in spans[: -1 if keep else None])
    if position % samples == 0:
        assert len(spans) == len(plan)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_the_order_depends_on_neither_ranks_nor_workers(
    write: Writer, processor: Any, ranks: int, workers: int
) -> None:
    """Batch by batch, the shares of all ranks put together in turn are the stream."""
    manifests = write({"CT_SCAN": 11, "MRI_SCAN": 8})
    stream = Stream(manifests, seed=5, window=2)
    shares = []
    for rank in range(ranks):
        dataset = _dataset(manifests, processor)
        loader = PromptLoader(dataset, BatchPlan(19, 8), rank=rank, ranks=ranks, workers=workers)
        shares.append([*loader, *loader])
        assert [batch.next_index for batch in shares[-1]] == [8, 19, 27, 38]
    for batch in range(4):
        start = (0, 8, 19, 27)[batch]
        together = [prompt.sample.id for row in zip(*(shares[rank][batch] for rank in range(ranks)), strict=True)
                    for prompt in row]  # fmt: skip
        assert together == [stream[start + i].id for i in range(8)]


@pytest.mark.parametrize("consumed", [0, 1, 2, 3, 4, 5])
def test_a_resumed_loader_continues_at_the_next_sample_also_on_other_ranks(
    write: Writer, processor: Any, consumed: int
) -> None:
    """Two epochs of three batches; stopped after any batch, also the last of an epoch, and continued on two ranks."""
    manifests = write({"CT_SCAN": 9, "MRI_SCAN": 5})
    straight = PromptLoader(_dataset(manifests, processor), BatchPlan(14, 4))
    batches = [*straight, *straight]
    position = batches[consumed - 1].next_index if consumed else 0
    resumed = [
        PromptLoader(_dataset(manifests, processor), BatchPlan(14, 4), position, rank, ranks=2) for rank in range(2)
    ]
    rest = [list(zip(*resumed, strict=True)) for _ in range(2)]
    found = [sorted([*first, *second], key=lambda prompt: prompt.index) for epoch in rest for first, second in epoch]
    expected = _ids(batches[consumed:])
    assert [[prompt.sample.id for prompt in batch] for batch in found][: len(expected)] == expected
    assert len(rest[0]) == 3 - consumed % 3
    assert all(len(loader) == 3 for loader in resumed)


def test_validation_reads_every_sample_once_in_stored_order_each_time(write: Writer, processor: Any) -> None:
    """13 samples in batches of 4 on 3 ranks: the last batch has one prompt, and ranks 1 and 2 get an empty one."""
    manifests = write({"CT_SCAN": 8, "MRI_SCAN": 5})
    for _ in range(2):
        loaders = [
            PromptLoader(
                _dataset(manifests, processor, shuffle=False), BatchPlan(13, 4, True), 0, rank, 3, endless=False
            )
            for rank in range(3)
        ]
        shares = [list(loader) for loader in loaders]
        assert [[len(batch) for batch in share] for share in shares] == [[2, 2, 2, 1], [1, 1, 1, 0], [1, 1, 1, 0]]
        prompts = sorted((prompt for share in shares for batch in share for prompt in batch), key=lambda p: p.index)
        assert [prompt.sample.id for prompt in prompts] == [f"row.{i}" for i in range(13)]
        assert _ids(list(loaders[0])) == _ids(shares[0])


def test_an_evaluation_starts_at_its_position_and_is_over_behind_the_last_sample(write: Writer, processor: Any) -> None:
    dataset, plan = _dataset(write({"CT_SCAN": 5}), processor, shuffle=False), BatchPlan(5, 2, True)
    assert _ids(PromptLoader(dataset, plan, 4, endless=False)) == [["row.4"]]
    assert list(PromptLoader(dataset, plan, 5, endless=False)) == []


def _with_a_long_one(write: Writer, number: int = 5) -> tuple[Manifest, ...]:
    samples = [make_sample(i) for i in range(12)]
    samples[number] = Sample(**{**samples[number].to_state(), "question": "why? " * 400})
    return write(samples)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_long_prompt_stops_with_its_own_error(write: Writer, processor: Any, workers: int) -> None:
    """From a worker process too: no foreign traceback around the message."""
    dataset = _dataset(_with_a_long_one(write), processor, max_prompt_tokens=200)
    with pytest.raises(PromptTooLongError, match=r"^prompt of sample 'row\.5' has \d+ tokens"):
        list(PromptLoader(dataset, BatchPlan(12, 4), workers=workers))


def test_a_skipped_prompt_is_counted_named_once_and_moves_no_other(
    write: Writer, processor: Any, caplog: pytest.LogCaptureFixture
) -> None:
    manifests = _with_a_long_one(write)
    whole = PromptLoader(_dataset(manifests, processor), BatchPlan(12, 4))
    skipping = PromptLoader(_dataset(manifests, processor, max_prompt_tokens=200), BatchPlan(12, 4), skip_long=True)
    expected = [*whole, *whole]
    found = [*skipping, *skipping]
    assert _ids(found) == [[name for name in batch if name != "row.5"] for batch in _ids(expected)]
    assert [batch.next_index for batch in found] == [batch.next_index for batch in expected]
    assert sum(batch.too_long for batch in found) == 2
    assert len(caplog.messages) == 1
    assert "'row.5'" in caplog.text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"images": (picture(size=(8, 2000)),)}, r"sample 'row\.5': picture of 8 x 2000"),
        ({"question": "<image> or <image>?"}, r"sample 'row\.5': the question has 2 image markers for 1 image"),
    ],
)
def test_a_prompt_that_the_policy_cannot_take_is_skipped_like_a_long_one(
    write: Writer, processor: Any, change: dict[str, Any], told: str
) -> None:
    samples = [make_sample(i) for i in range(8)]
    samples[5] = Sample(**{**samples[5].to_state(), **change})
    dataset = _dataset(write(samples), processor)
    with pytest.raises(UnusablePromptError, match=told):
        list(PromptLoader(dataset, BatchPlan(8, 4)))
    skipping = PromptLoader(dataset, BatchPlan(8, 4), skip_long=True)
    batches = list(skipping)
    assert (sum(map(len, batches)), sum(batch.too_long for batch in batches)) == (7, 1)


def test_a_batch_of_long_prompts_is_empty_and_keeps_its_place(write: Writer, processor: Any) -> None:
    dataset = _dataset(write({"CT_SCAN": 4}), processor, max_prompt_tokens=3)
    (batch,) = PromptLoader(dataset, BatchPlan(4, 4), skip_long=True)
    assert (len(batch), batch.too_long, batch.next_index) == (0, 4, 4)


def test_a_damaged_shard_stops_the_loader_and_is_named(write: Writer, processor: Any) -> None:
    manifests = write({"CT_SCAN": 8})
    path = manifests[0].path.parent / manifests[0].shards[1].url
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(ShardError, match=r"^shard .*made-ct_scan-000001\.tar does not match manifest"):
        list(PromptLoader(_dataset(manifests, processor), BatchPlan(8, 4)))


@pytest.mark.parametrize(("ranks", "workers"), [(1, 0), (2, 1)])
def test_samples_of_a_bad_shard_are_left_out_and_counted_and_move_no_other(
    write: Writer, processor: Any, ranks: int, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Four of twelve samples; each rank counts its own, and names the shard once."""
    manifests = write({"CT_SCAN": 12})
    whole = [*PromptLoader(_dataset(manifests, processor), BatchPlan(12, 4))]
    path = manifests[0].path.parent / manifests[0].shards[1].url
    path.write_bytes(path.read_bytes()[:-512])
    found, counts = [], []
    for rank in range(ranks):
        loader = PromptLoader(
            _dataset(manifests, processor), BatchPlan(12, 4), 0, rank, ranks, workers, skip_bad_shards=True
        )
        batches = [*loader]
        found += [(prompt.index, prompt.sample.id) for batch in batches for prompt in batch]
        counts.append(sum(sum(batch.bad_shards.values()) for batch in batches))
        assert list(loader.bad_shards.values()) == [counts[-1]]
        assert next(iter(loader.bad_shards)).endswith("made-ct_scan-000001.tar")
        assert [batch.next_index for batch in batches] == [4, 8, 12]
    expected = [(prompt.index, prompt.sample.id) for batch in whole for prompt in batch]
    assert sorted(found) == [(i, name) for i, name in expected if name not in {f"row.{n}" for n in range(4, 8)}]
    assert sum(counts) == 4
    messages = [record.getMessage() for record in caplog.records]
    assert sum("are left out (data.on_bad_shard: skip)" in message for message in messages) == ranks


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_of_the_machine_ends_a_run_that_leaves_out_bad_shards(
    write: Writer, processor: Any, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that went on would train on nothing."""

    def fail(shard: Shard) -> None:
        raise MachineError(f"{shard.entry.url}: Too many open files; raise the limit")

    monkeypatch.setattr(Shard, "open", fail)
    dataset = _dataset(write({"CT_SCAN": 4}), processor)
    with pytest.raises(MachineError, match=r"^made-ct_scan-000000\.tar: Too many open files; raise the limit$"):
        list(PromptLoader(dataset, BatchPlan(4, 4), workers=workers, skip_bad_shards=True))


class _Signalled(PromptDataset):
    """One whose workers get a signal with the sixth sample."""

    number = signal.SIGTERM

    def __getitem__(self, draw: Any) -> Any:
        if draw.number == 5 and torch.utils.data.get_worker_info():
            signal.raise_signal(self.number)
        return super().__getitem__(draw)


def _signalled(manifests: tuple[Manifest, ...], processor: Any, number: signal.Signals) -> PromptLoader:
    dataset = _Signalled(Stream(manifests, seed=5, window=2), Prompting(template="short"), processor)
    dataset.number = number
    return PromptLoader(dataset, BatchPlan(12, 4), workers=2)


def test_signals_of_the_group_are_left_to_the_process_that_trains(write: Writer, processor: Any) -> None:
    """And torch's handler, which raises wherever this process is when a worker ends, is gone."""
    manifests, handler = write({"CT_SCAN": 12}), signal.getsignal(signal.SIGCHLD)
    for number in SIGNALS:
        assert list(map(len, _signalled(manifests, processor, number))) == [4, 4, 4]
    assert signal.getsignal(signal.SIGCHLD) == handler


def test_without_workers_no_process_is_started_for_any(
    write: Writer, processor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a resource tracker nor a fork server, which would import all of a program for nothing."""
    monkeypatch.setattr("medix.data.loader.blocked", lambda: pytest.fail("a process begins"))
    dataset = _dataset(write({"CT_SCAN": 4}), processor)
    assert len(list(PromptLoader(dataset, BatchPlan(4, 2, True), endless=False))) == 2


def test_a_worker_that_was_killed_is_named_with_the_remedy(
    write: Writer, processor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_MultiProcessingDataLoaderIter._try_get_data, "__defaults__", (0.1,))
    loader = _signalled(write({"CT_SCAN": 12}), processor, signal.SIGKILL)
    with pytest.raises(DataWorkerError, match=r"data\.num_workers: .* by SIGKILL, .*; lower data\.num_workers"):
        list(loader)


def test_an_image_is_decoded_and_processed_once_per_visit(
    write: Writer, processor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six samples with two images each, over two epochs: 24 images are opened, and processed in 12 calls."""
    opened, processed = [], []
    open_image, process = Image.open, type(processor.image_processor).__call__
    monkeypatch.setattr(Image, "open", lambda *args, **names: (opened.append(1), open_image(*args, **names))[1])
    monkeypatch.setattr(
        type(processor.image_processor),
        "__call__",
        lambda self, *args, **names: (processed.append(1), process(self, *args, **names))[1],
    )
    loader = PromptLoader(_dataset(write([make_sample(i, images=2) for i in range(6)]), processor), BatchPlan(6, 3))
    assert sum(map(len, [*loader, *loader])) == 12
    assert (len(opened), len(processed)) == (24, 12)


def test_the_position_is_that_after_the_last_batch_handed_out(write: Writer, processor: Any) -> None:
    loader = PromptLoader(_dataset(write({"CT_SCAN": 10}), processor), BatchPlan(10, 4))
    first = next(iter(loader))
    assert loader.position == first.next_index == 4
    assert next(iter(loader)).next_index == loader.position == 10


def test_fields_of_metadata_become_subgroups_and_others_go_no_further(write: Writer, processor: Any) -> None:
    samples = [replace(make_sample(0), metadata={"sex": "F", "site": "a"}), make_sample(1)]
    stream = Stream(write(samples), seed=5, window=2, shuffle=False)
    dataset = PromptDataset(stream, Prompting(template="short"), processor, ["sex"])
    found = [dataset[index] for index in range(2)]
    assert [prompt.sample.subgroup for prompt in found if isinstance(prompt, Prompt)] == [{"sex": "F"}, {"sex": ""}]
    assert Sample.from_state(found[0].sample.to_state()) == found[0].sample  # type: ignore[union-attr]
