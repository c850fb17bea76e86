"""Rows that come one at a time, from many threads."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from medix.rewards.adapters.rows import Row

T = TypeVar("T")


class RowQueue(Generic[T]):
    """Scores rows one thread at a time, each time all that are waiting.

    A trainer that scores row by row does so from a pool of threads. The first to come scores its own row; those that
    come meanwhile are scored together by the next: one call of the encoder (whose tokenizer must not be used from two
    threads at once), equal questions asked once, and no waiting for a batch to fill.

    Args:
        score: called with one or more rows; one result each.
    """

    def __init__(self, score: Callable[[Sequence[Row]], Sequence[T]]) -> None:
        self._score = score
        self._waiting: list[tuple[Row, Future[T]]] = []
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def __reduce__(self) -> tuple[type["RowQueue[Any]"], tuple[Any]]:
        return RowQueue, (self._score,)  # a copy has no one waiting

    def __call__(self, row: Row) -> T:
        """The result of one row. An error of the batch it was scored in is raised to each of its callers."""
        future: Future[T] = Future()
        with self._guard:
            self._waiting.append((row, future))
        with self._turn:
            if not future.done():  # else an earlier turn took it along
                self._score_waiting()
        return future.result()

    def _score_waiting(self) -> None:
        with self._guard:
            taken, self._waiting = self._waiting, []
        try:
            results = self._score([row for row, _ in taken])
        except BaseException as error:  # noqa: BLE001 - every caller raises it from its own future
            for _, future in taken:
                future.set_exception(error)
            return
        for (_, future), result in zip(taken, results, strict=True):
            future.set_result(result)
