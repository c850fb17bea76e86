"""Makes the samples of rows in several processes, in the order of the rows."""

import multiprocessing
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import NamedTuple

from medix.data.sources.source import RowError, Source, SourceRow
from medix.types import Sample
from medix.worker_signals import blocked, leave_signals_to_parent

SMALL = 200
"""Up to this number of rows, starting processes would take longer than the work."""

_CHUNK = 8
_AHEAD = 4

NumberedRow = tuple[int, SourceRow]


class RowOutcome(NamedTuple):
    """What became of a row.

    Attributes:
        number: of the row, from 0.
        where: of the row.
        result: its sample, or why there is none.
        counts: ``Source.counts`` of this row.
    """

    number: int
    where: str
    result: Sample | RowError
    counts: Counter[str]


def outcomes(source: Source, rows: Iterable[NumberedRow], workers: int) -> Iterator[RowOutcome]:
    """The outcomes of rows, in order.

    Args:
        source: makes the samples.
        rows: numbered rows of the source.
        workers: number of processes; up to 1, or with at most ``SMALL`` rows, this process does the work.

    Raises:
        RuntimeError: a process was killed, as by the kernel when memory is short.
    """
    rows = iter(rows)
    first = list(islice(rows, SMALL + 1)) if workers > 1 else []
    if len(first) > SMALL:
        yield from _parallel(source, chain(first, rows), workers)
    else:
        yield from (_outcome(source, row) for row in chain(first, rows))


def _outcome(source: Source, row: NumberedRow) -> RowOutcome:
    number, held = row
    source.counts.clear()
    result: Sample | RowError
    try:
        result = held.content if isinstance(held.content, RowError) else source.sample(held)
    except RowError as error:
        result = error.with_traceback(None)
    return RowOutcome(number, held.where, result, Counter(source.counts))


def _parallel(source: Source, rows: Iterator[NumberedRow], workers: int) -> Iterator[RowOutcome]:
    # Not fork: readers of Parquet and progress bars have threads, whose locks a forked process would inherit. Not
    # forkserver: started with signals blocked, it would hand that to every other process that it starts.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _begin, (source,))
    waiting: deque[Future[list[RowOutcome]]] = deque()
    try:
        while True:
            while len(waiting) < _AHEAD * workers and (chunk := list(islice(rows, _CHUNK))):
                with blocked():
                    waiting.append(pool.submit(_work, chunk))
            if not waiting:
                return
            yield from waiting.popleft().result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a process that reads rows was killed, which the kernel does when memory is short; give fewer --workers"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_source: Source | None = None


def _begin(source: Source) -> None:
    """Prepare a worker process."""
    global _source
    _source = source
    leave_signals_to_parent()


def _work(rows: Sequence[NumberedRow]) -> list[RowOutcome]:
    assert _source is not None
    return [_outcome(_source, row) for row in rows]
