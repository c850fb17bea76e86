"""Ranks as threads of one process, for code that only exchanges objects and counts."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
HANGS = 120.0


class ThreadRanks:
    """Replaces those of ``gather``, ``rank`` and ``world_size`` that a module has.

    Args:
        ranks: number of threads.
        module: imports the functions by name.
        monkeypatch: of the test.
    """

    def __init__(self, ranks: int, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ranks = ranks
        self._own = threading.local()
        self._slots: list[Any] = [None] * ranks
        self._meet = threading.Barrier(ranks)
        replaced = {"gather": self.gather, "rank": lambda: self._own.rank, "world_size": lambda: ranks}
        for name in replaced.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, replaced[name])

    def gather(self, value: T) -> list[T]:
        """Every rank's object, in order."""
        self._slots[self._own.rank] = value
        self._meet.wait(HANGS)
        found = list(self._slots)
        self._meet.wait(HANGS)
        return found

    def run(self, work: Callable[[int], T]) -> list[T]:
        """The results of all ranks; an error of one is raised, and ends the others."""

        def one(rank: int) -> T:
            self._own.rank = rank
            try:
                return work(rank)
            except BaseException:
                self._meet.abort()
                raise

        with ThreadPoolExecutor(self.ranks) as pool:
            return list(pool.map(one, range(self.ranks)))
