"""Batches of prompts for one rank, from any position of the stream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset

from medix.data.exchange import Samples
from medix.data.picture import PictureError
from medix.data.prompting import Prompting, PromptTooLongError
from medix.data.shards import ShardError
from medix.types import Prompt, PromptBatch


class Span(NamedTuple):
    """One global batch: ``start`` to ``stop``, and where the next one begins."""

    start: int
    stop: int
    next_index: int


@dataclass(frozen=True)
class BatchPlan:
    """The arithmetic of epochs and positions.

    Global indices run on over epochs. An epoch has ``samples // size`` full batches, whatever the number of ranks; what
    is left of it is read only if ``keep_rest``. A batch never crosses an epoch.

    Args:
        samples: samples of an epoch.
        size: prompts of a batch, over all ranks.
        keep_rest: whether a shorter last batch counts.
    """

    samples: int
    size: int
    keep_rest: bool = False

    def __len__(self) -> int:
        return -(-self.samples // self.size) if self.keep_rest else self.samples // self.size

    def normalise(self, position: int) -> int:
        """The position itself, or the next epoch if too little of this one is left for a batch."""
        left = self.samples - position % self.samples
        return position if left >= self.size or self.keep_rest else position + left

    def spans(self, position: int) -> Iterator[Span]:
        """The batches from a position to the end of its epoch."""
        start = self.normalise(position)
        end = (start // self.samples + 1) * self.samples
        while start < end:
            stop = min(start + self.size, end)
            following = self.normalise(stop) if stop < end else end
            yield Span(start, stop, following)
            start = following


class PromptDataset(Dataset[Prompt | Exception]):
    """Prompts by global index: a pure function, so that workers and ranks cannot change what an index holds.

    A prompt that cannot be made is returned as its error: an exception raised in a worker process would reach the
    user wrapped in a foreign traceback.

    Args:
        stream: samples by global index.
        prompting: renders them.
        processor: the policy's processor.
    """

    def __init__(self, stream: Samples, prompting: Prompting, processor: Any) -> None:
        self.stream = stream
        self.prompting = prompting
        self.processor = processor

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, index: int) -> Prompt | Exception:
        try:
            return self.prompting.render(self.stream[index], self.processor, index)
        except (ShardError, PictureError, PromptTooLongError) as error:
            return error


class PromptLoader:
    """What the trainer iterates over: the batches of one epoch, or what is left of it.

    Not a torch ``DataLoader`` (it makes one), so that Lightning leaves order and ranks alone. Rank r of W gets every
    W-th prompt of a batch. Its length is that of a whole epoch; after a resume it yields the rest, which is what
    Lightning's own progress counts on. Each iteration starts where the last one stopped.

    Prompts that pass the limit are an error, or are left out of their batch and counted: the order of the others, and
    the positions of batches, do not change. A batch may then be shorter, or empty.

    Args:
        dataset: prompts by global index.
        plan: sizes.
        position: global index to start from.
        rank: this process.
        ranks: number of processes.
        workers: worker processes; 0 makes prompts in this one.
        skip_long: whether a prompt beyond the limit is left out.
        endless: False starts every iteration at ``position`` (validation).
    """

    def __init__(
        self,
        dataset: PromptDataset,
        plan: BatchPlan,
        position: int = 0,
        rank: int = 0,
        ranks: int = 1,
        workers: int = 0,
        skip_long: bool = False,
        endless: bool = True,
    ) -> None:
        self.dataset = dataset
        self.plan = plan
        self.position = position
        self.rank = rank
        self.ranks = ranks
        self.workers = workers
        self.skip_long = skip_long
        self.endless = endless
        self.too_long = 0
        self.first_too_long = ""

    def __len__(self) -> int:
        return len(self.plan)

    def state_dict(self) -> dict[str, Any]:
        """Empty, so that Lightning treats the loader as resumable; the training module saves the position."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Do nothing; see ``state_dict``."""

    def __iter__(self) -> Iterator[PromptBatch]:
        spans = list(self.plan.spans(self.position))
        shares = [list(range(span.start + self.rank, span.stop, self.ranks)) for span in spans]
        # An empty share (the last validation batch of some ranks) is no batch to torch; it is filled in below.
        batches = iter(
            DataLoader(
                self.dataset,
                batch_sampler=[share for share in shares if share],
                num_workers=self.workers,
                collate_fn=list,
                # torch draws a seed for workers from here; from the global generator it would change dropout
                generator=torch.Generator(),
            )
        )
        for span, share in zip(spans, shares, strict=True):
            batch = self._batch(next(batches) if share else [], span)
            if self.endless:
                self.position = span.next_index
            yield batch

    def _batch(self, items: Sequence[Prompt | Exception], span: Span) -> PromptBatch:
        prompts, too_long = [], 0
        for item in items:
            if isinstance(item, Prompt):
                prompts.append(item)
            elif isinstance(item, PromptTooLongError) and self.skip_long:
                too_long += 1
                self.first_too_long = self.first_too_long or str(item)
            else:
                raise item
        self.too_long += too_long
        return PromptBatch(prompts, next_index=span.next_index, too_long=too_long)
