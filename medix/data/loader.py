"""Batches of prompts for one rank, from any position of the stream."""

import itertools
import logging
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset

from medix.data.exchange import Samples
from medix.data.machine_error import MachineError
from medix.data.picture import PictureError
from medix.data.prompt_errors import ProcessorError, UnusablePromptError
from medix.data.prompting import Prompting
from medix.data.read_ahead import ReadAhead
from medix.data.selectors.selector import Selector
from medix.data.shards import ShardError
from medix.data.stream import Place
from medix.distributed import is_first_to_say
from medix.types import Prompt, PromptBatch, Sample
from medix.visible_text import visible
from medix.worker_signals import blocked, leave_signals_to_parent

_LOG = logging.getLogger(__name__)


class DataWorkerError(RuntimeError):
    """A worker process has ended by itself, as one that was killed."""


FAULTS = (ShardError, MachineError, PictureError, UnusablePromptError, ProcessorError, DataWorkerError)
"""What ends a run between two steps, because a prompt cannot be made."""


class Span(NamedTuple):
    """Indices of one global batch, from ``start`` up to ``stop``, and the start of the next one."""

    start: int
    stop: int
    next_index: int


@dataclass(frozen=True)
class BatchPlan:
    """Maps positions in the stream to batches.

    Global indices continue across epochs. An epoch has ``samples // size`` full batches, regardless of the number of
    ranks; the remaining samples are read only with ``keep_rest``. A batch spans two epochs with ``crosses`` only.

    Args:
        samples: number of samples per epoch.
        size: number of prompts per batch, summed over all ranks.
        keep_rest: whether to keep a shorter last batch.
        crosses: whether the last batch of an epoch that begins within one, as after a resume with another ``size``,
            goes on into the next epoch, so that no sample is left out.
    """

    samples: int
    size: int
    keep_rest: bool = False
    crosses: bool = False

    def __len__(self) -> int:
        return -(-self.samples // self.size) if self.keep_rest else self.samples // self.size

    def normalise(self, position: int) -> int:
        """The position itself, or the start of the next epoch if fewer samples than a batch remain in this one."""
        remaining = self.samples - position % self.samples
        return position if remaining >= self.size or self.keep_rest or self.crosses else position + remaining

    def spans(self, position: int) -> Iterator[Span]:
        """The batches from a position to the end of its epoch."""
        start = self.normalise(position)
        end = (start // self.samples + 1) * self.samples
        while start < end:
            stop = start + self.size if self.crosses else min(start + self.size, end)
            following = self.normalise(stop) if stop < end else stop
            yield Span(start, stop, following)
            start = following


class Draw(NamedTuple):
    """One draw.

    Attributes:
        number: of the draw.
        at: what it reads: an index of the stream's order, or a place.
    """

    number: int
    at: int | Place


class PromptDataset(Dataset[Prompt | Exception]):
    """Prompts by draw. The mapping is a pure function: every worker and rank gets the same prompt for a draw.

    If a prompt cannot be rendered, the exception is returned instead of raised, because torch wraps an exception from a
    worker process in a traceback of its own.

    Args:
        stream: samples by index, and by place if a selector names places.
        prompting: renders samples.
        processor: the policy's processor.
        subgroups: fields of ``Sample.metadata`` that become ``Sample.subgroup``.
    """

    def __init__(self, stream: Samples, prompting: Prompting, processor: Any, subgroups: Sequence[str] = ()) -> None:
        self.stream = stream
        self.subgroups = subgroups
        self.prompting = prompting
        self.processor = processor

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, draw: Draw | int) -> Prompt | Exception:
        """The prompt of a draw, or of an index of the stream's order."""
        draw = draw if isinstance(draw, Draw) else Draw(draw, draw)
        try:
            sample: Sample = self.stream[draw.at]  # type: ignore[index]
            if self.subgroups:
                found = {name: sample.metadata.get(name, "") for name in self.subgroups}
                sample = replace(sample, subgroup=found)
            return self.prompting.render(sample, self.processor, draw.number)
        except FAULTS as error:
            return error


class _Tasks:
    """The draws of each task of the workers. A task is planned when a worker is given it."""

    def __init__(self) -> None:
        self.tasks: Iterable[list[Draw]] = ()

    def __iter__(self) -> Iterator[list[Draw]]:
        return iter(self.tasks)


class PromptLoader:
    """Iterates over the batches of one epoch, or over the remaining ones after a resume.

    Not a torch ``DataLoader`` (it creates one internally), so that Lightning changes neither the order nor the
    distribution over ranks. Rank r of W gets every W-th prompt of a batch. The length is that of a whole epoch, also
    after a resume, as Lightning's progress tracking expects. Each iteration starts where the previous one stopped.

    Draws are planned in this process, in the order of their indices. Workers render later batches ahead, unless the
    draws change with the steps of the training: then the draws of a batch are planned when it is requested, with the
    state after the last finished step, its prompts are shared by all workers, and none works ahead.

    A prompt that the policy cannot take, as one longer than the limit, or whose shard cannot be read, raises an error,
    or is left out of its batch and counted; the order of the other prompts and the positions of batches do not change,
    on this rank or another. A batch may therefore be shorter, or empty.

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
        selector: decides what a draw reads; None reads the index of the draw in the order of the stream.
        skip_bad_shards: whether to leave out samples of a shard that cannot be read.
        read_ahead: downloads shards before they are needed.
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
        selector: Selector | None = None,
        skip_bad_shards: bool = False,
        read_ahead: ReadAhead | None = None,
    ) -> None:
        self.dataset = dataset
        self.plan = plan
        self.position = position
        self.rank = rank
        self.ranks = ranks
        self.workers = workers
        self.skip_long = skip_long
        self.endless = endless
        self.selector = selector
        self.skip_bad_shards = skip_bad_shards
        self.read_ahead = read_ahead
        self.bad_shards: Counter[str] = Counter()
        self._is_told = False

    def __len__(self) -> int:
        return len(self.plan)

    def state_dict(self) -> dict[str, Any]:
        """Empty, so that Lightning treats the loader as resumable; the training module saves the position."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Do nothing; see ``state_dict``."""

    def __iter__(self) -> Iterator[PromptBatch]:
        tasks = _Tasks()
        loader = DataLoader(
            self.dataset,
            batch_sampler=tasks,
            num_workers=self.workers,
            collate_fn=list,
            worker_init_fn=_begin_worker,
            # torch draws the workers' seed from this generator; drawing it from the global one would change dropout
            generator=torch.Generator(),
            persistent_workers=self._plans_by_batch and self.workers > 0,
        )
        is_over = not self.endless and self.position >= self.plan.samples
        spans = iter(()) if is_over else self.plan.spans(self.position)
        for part in ([span] for span in spans) if self._plans_by_batch else (spans,):
            yield from self._read(loader, tasks, part)

    @property
    def _plans_by_batch(self) -> bool:
        return self.selector is not None and self.selector.changes_with_steps

    def _read(self, loader: "DataLoader[Any]", tasks: _Tasks, spans: Iterable[Span]) -> Iterator[PromptBatch]:
        """Batches whose draws may be planned together."""
        spans, ahead = itertools.tee(spans)
        tasks.tasks = ([self._draw(index) for index in task] for span in ahead for task in self._tasks(span))
        # Without workers nothing is started, and no fork server is wanted.
        with blocked() if loader.num_workers else nullcontext(), _told_when_asked():
            found = iter(loader)
        for span in spans:
            if self.read_ahead is not None:
                self.read_ahead.look(span.start)
            # A share may be empty (the last validation batch of some ranks), and has no task then.
            with _workers_told(found):
                items = [item for _ in self._tasks(span) for item in next(found)]
            if self.endless:
                self.position = span.next_index
            yield self._batch(items, span)

    def _tasks(self, span: Span) -> list[range]:
        """The indices of this rank's share of a batch, by task."""
        share = range(span.start + self.rank, span.stop, self.ranks)
        size = max(1, -(-len(share) // max(1, self.workers)) if self._plans_by_batch else len(share))
        return [share[start : start + size] for start in range(0, len(share), size)]

    def _draw(self, index: int) -> Draw:
        return Draw(index, index if self.selector is None else self.selector.locate(index))

    def _batch(self, items: Sequence[Prompt | Exception], span: Span) -> PromptBatch:
        prompts, too_long = [], 0
        bad: Counter[str] = Counter()
        for item in items:
            if isinstance(item, Prompt):
                prompts.append(item)
            elif isinstance(item, UnusablePromptError) and self.skip_long:
                too_long += 1
                if not self._is_told and is_first_to_say(f"data.on_long: skip, of {self.plan}"):
                    _LOG.warning("%s. It is left out, as later ones (data.on_long: skip)", visible(str(item)))
                self._is_told = True
            elif isinstance(item, ShardError) and self.skip_bad_shards:
                is_new = not self.bad_shards[item.shard] + bad[item.shard]
                if is_new and is_first_to_say(f"data.on_bad_shard: skip, of {item.shard}"):
                    _LOG.warning("%s. Its samples are left out (data.on_bad_shard: skip)", visible(str(item)))
                bad[item.shard] += 1
            else:
                raise item
        self.bad_shards += bad
        return PromptBatch(prompts, next_index=span.next_index, too_long=too_long, bad_shards=dict(bad))


def _begin_worker(number: int) -> None:  # noqa: ARG001 - the signature of a worker_init_fn
    leave_signals_to_parent()


@contextmanager
def _told_when_asked() -> Iterator[None]:
    """Inside, torch starts workers, but sets no handler that raises wherever this process is when a worker ends.

    The loader still finds out when it waits for a batch, where no update is under way.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGCHLD)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL if before is None else before)


@contextmanager
def _workers_told(found: Any) -> Iterator[None]:
    """Turn torch's error about workers that have ended into one that names the cause and the remedy."""
    try:
        yield
    except RuntimeError as error:
        ended = [worker.exitcode for worker in getattr(found, "_workers", ()) if worker.exitcode]
        if not ended or "exited unexpectedly" not in str(error):
            raise
        how = f"with status {ended[0]}" if ended[0] > 0 else f"by {signal.Signals(-ended[0]).name}"
        raise DataWorkerError(
            f"data.num_workers: a process that renders prompts was ended {how}, as the kernel does when memory is "
            "short (SIGKILL), or /dev/shm is full (SIGBUS); lower data.num_workers, or give the job more memory"
        ) from error
