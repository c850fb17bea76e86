"""Streams of samples that no shard holds: names and counts alone, for tests of what is drawn."""

import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.data.index import IndexRow, index_path, write_index
from medix.data.loader import BatchPlan, PromptDataset, PromptLoader
from medix.data.manifest import Manifest, ShardEntry
from medix.data.prompting import Prompting
from medix.data.selectors.selector import Outcome, Selector
from medix.data.stream import Place, Stream
from medix.types import Prompt, PromptBatch, Sample


def manifest(
    folder: Path,
    name: str,
    sizes: Sequence[int],
    modality: str = "CT_SCAN",
    dataset: str = "",
    source: Callable[[int], str] | None = None,
) -> Manifest:
    """A manifest of shards that do not exist; the index holds ids ``name.0``, ``name.1``, … and sources.

    Args:
        folder: of manifest and index.
        name: of the manifest.
        sizes: samples of each shard.
        modality, dataset: of all samples.
        source: of the sample with a number; the index holds no sources if None.
    """
    digests = [hashlib.sha256(f"{name}.{number}".encode()).hexdigest() for number in range(len(sizes))]
    entries = tuple(ShardEntry(f"{name}-{i}.tar", digests[i], 1, size) for i, size in enumerate(sizes))
    made = Manifest(name, modality, "CC0-1.0", "nobody", entries, path=folder / f"{name}.yaml", dataset=dataset)
    ids = iter(range(sum(sizes)))
    rows = [
        (
            digest,
            [IndexRow(f"{name}.{i}", "", (), "", "", source(i) if source else "") for i in itertools.islice(ids, n)],
        )
        for digest, n in zip(digests, sizes, strict=True)
    ]
    write_index(index_path(made.path), rows)
    if source is None:  # an index from before sources were in it
        lines = [json.loads(line) for line in index_path(made.path).read_text().splitlines()]
        texts = [json.dumps(line | {"samples": [row[:-1] for row in line["samples"]]}) for line in lines]
        index_path(made.path).write_text("".join(f"{text}\n" for text in texts))
    return made


class NamedStream(Stream):
    """Samples are named after their shard and their ordinal, ``0.3``; nothing is read."""

    def __getitem__(self, index: int | Place) -> Sample:
        place = index if isinstance(index, Place) else self.order.locate(index)
        shard, ordinal = self.key(place)
        return Sample(f"{shard}.{ordinal}", "?", "!", None)


class NoRendering(Prompting):
    """Prompts of one token."""

    def render(self, sample: Sample, processor: Any, index: int = -1) -> Prompt:
        return Prompt(sample, (1,), {}, index)


@dataclass
class Saved:
    """What a checkpoint holds of the data after a step."""

    step: int
    position: int
    selector: dict[str, Any]


@dataclass
class Reading:
    """A training run reduced to its data: ranks in turn, steps of one or two loader batches.

    Args:
        make: creates the selector of a rank.
        stream: creates the samples of a rank.
        size: prompts of a batch, over all ranks.
        flat: whether the group of a sample has no spread, when it is drawn by an index.
    """

    make: Callable[[], Selector]
    stream: Callable[[], Stream]
    size: int = 8
    flat: Callable[[str, int], bool] = lambda name, index: False

    def __call__(
        self, batches: int, ranks: int = 1, workers: int = 0, start: Saved | None = None
    ) -> tuple[list[list[tuple[int, str]]], list[Saved]]:
        """Read a number of batches.

        Returns:
            Index and id of every prompt of each batch in the order of the draws, and the state before the first batch
            and after each step.
        """
        start = start or Saved(0, 0, {})
        selectors = [self.make() for _ in range(ranks)]
        loaders = []
        for rank, selector in enumerate(selectors):
            stream = self.stream()
            selector.bind(stream)
            if start.selector:
                selector.load_state_dict(start.selector)
            dataset = PromptDataset(stream, NoRendering(), None)
            plan = BatchPlan(selector.epoch(self.size), self.size, crosses=not selector.leaves_rest)
            loaders.append(PromptLoader(dataset, plan, start.position, rank, ranks, workers=workers, selector=selector))
        step, seen, outcomes, saved = start.step, [], [], [start]
        reading = [_endless(loader) for loader in loaders]
        while len(seen) < batches:
            for _ in range(1 + step % 2):
                found = [next(one) for one in reading]
                prompts = sorted((p for batch in found for p in batch), key=lambda prompt: prompt.index)
                seen.append([(prompt.index, prompt.sample.id) for prompt in prompts])
                outcomes += [Outcome(p.index, not self.flat(p.sample.id, p.index), 0.5) for p in prompts]
            step += 1
            for selector in selectors:
                selector.finish_step(step, found[0].next_index, outcomes)
            states = [selector.state_dict() for selector in selectors]
            assert all(state == states[0] for state in states)
            saved.append(Saved(step, found[0].next_index, states[0]))
            outcomes = []
        return seen, saved


def _endless(loader: PromptLoader) -> Iterator[PromptBatch]:
    while True:
        yield from loader
