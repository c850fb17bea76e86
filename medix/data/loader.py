"""Batches of prompts for one rank, from any position of the stream."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset

from medix.data.exchange import Samples
from medix.data.picture import PictureError
from medix.data.prompt_errors import ProcessorError, UnusablePromptError
from medix.data.prompting import Prompting
from medix.data.shards import ShardError
from medix.types import Prompt, PromptBatch


class Span(NamedTuple):
    """Indices of one global batch, from ``start`` up to ``stop``, and the start of the next one."""

    start: int
    stop: int
    next_index: int


@dataclass(frozen=True)
class BatchPlan:
    """Maps positions in the stream to batches.

    Global indices continue across epochs. An epoch has ``samples // size`` full batches, regardless of the number of
    ranks; the remaining samples are read only with ``keep_rest``. A batch never spans two epochs.

    Args:
        samples: number of samples per epoch.
        size: number of prompts per batch, summed over all ranks.
        keep_rest: whether to keep a shorter last batch.
    """

    samples: int
    size: int
    keep_rest: bool = False

    def __len__(self) -> int:
        return -(-self.samples // self.size) if self.keep_rest else self.samples // self.size

    def normalise(self, position: int) -> int:
        """The position itself, or the start of the next epoch if fewer samples than a batch remain in this one."""
        remaining = self.samples - position % self.samples
        return position if remaining >= self.size or self.keep_rest else position + remaining

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
    """Prompts by global index. The mapping is a pure function: every worker and rank gets the same prompt for an index.

    If a prompt cannot be rendered, the exception is returned instead of raised, because torch wraps an exception from a
    worker process in a traceback of its own.

    Args:
        stream: samples by global index.
        prompting: renders samples.
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
        except (ShardError, PictureError, UnusablePromptError, ProcessorError) as error:
            return error


class PromptLoader:
    """Iterates over the batches of one epoch, or over the remaining ones after a resume.

    Not a torch ``DataLoader`` (it creates one internally), so that Lightning changes neither the order nor the
    distribution over ranks. Rank r of W gets every W-th prompt of a batch. The length is that of a whole epoch, also
    after a resume, as Lightning's progress tracking expects. Each iteration starts where the previous one stopped.

    A prompt that the policy cannot take, as one longer than the limit, raises an error, or is left out of its batch and
    counted; the order of the other prompts and the positions of batches do not change. A batch may therefore be
    shorter, or empty.

    Args:
        dataset: prompts by global index.
        plan: samples per epoch and prompts per batch.
        position: global index to start from.
        rank: rank of this process.
        ranks: number of processes.
        workers: number of worker processes; 0 renders prompts in this process.
        skip_long: whether to leave out prompts that the policy cannot take.
        endless: whether an iteration continues where the previous one stopped; False starts every iteration at
            ``position`` (validation).
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
        is_over = not self.endless and self.position >= self.plan.samples
        spans = [] if is_over else list(self.plan.spans(self.position))
        shares = [list(range(span.start + self.rank, span.stop, self.ranks)) for span in spans]
        # A share may be empty (the last validation batch of some ranks). torch has no empty batches: added below.
        batches = iter(
            DataLoader(
                self.dataset,
                batch_sampler=[share for share in shares if share],
                num_workers=self.workers,
                collate_fn=list,
                # torch draws the workers' seed from this generator; drawing it from the global one would change dropout
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
            elif isinstance(item, UnusablePromptError) and self.skip_long:
                too_long += 1
                self.first_too_long = self.first_too_long or str(item)
            else:
                raise item
        self.too_long += too_long
        return PromptBatch(prompts, next_index=span.next_index, too_long=too_long)
