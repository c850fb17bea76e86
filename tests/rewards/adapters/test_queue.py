"""Rows from many threads."""

import pickle
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from medix.rewards.adapters.queue import RowQueue
from medix.rewards.adapters.rows import Row


def row(text: str) -> Row:
    return Row(text, "r", "q", None)


def lengths(rows: Sequence[Row]) -> list[int]:
    return [len(row.completion) for row in rows]


class Gated:
    """Holds its first call until the gate is opened."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.entered, self.gate = threading.Event(), threading.Event()

    def __call__(self, rows: Sequence[Row]) -> list[int]:
        self.batches.append(len(rows))
        self.entered.set()
        assert self.gate.wait(10)
        if any(row.completion == "bad" for row in rows):
            raise ValueError("a bad row")
        return lengths(rows)


def waiting(queue: RowQueue[int]) -> int:
    return len(queue._waiting)


def queued(first: str, others: list[str]) -> tuple[Gated, list[int | BaseException]]:
    """The first row is being scored while the others come."""
    score = Gated()
    queue = RowQueue(score)
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(queue, row(first))]
        assert score.entered.wait(10)
        futures += [pool.submit(queue, row(text)) for text in others]
        for _ in range(2000):
            if waiting(queue) < len(others):
                threading.Event().wait(0.001)
        score.gate.set()
        return score, [future.exception(10) or future.result() for future in futures]


def test_rows_that_come_while_one_is_scored_are_scored_together() -> None:
    score, results = queued("a", ["bb", "ccc", "dddd"])
    assert score.batches == [1, 3]
    assert results == [1, 2, 3, 4]


def test_an_error_reaches_everyone_in_its_batch_and_no_one_else() -> None:
    _, results = queued("a", ["bad", "ccc"])
    assert results[0] == 1
    assert [str(error) for error in results[1:]] == ["a bad row"] * 2


def test_an_error_leaves_the_queue_usable() -> None:
    score = Gated()
    score.gate.set()
    queue = RowQueue(score)
    with pytest.raises(ValueError, match="a bad row"):
        queue(row("bad"))
    assert queue(row("good")) == 4


def test_every_caller_gets_the_result_of_its_own_row() -> None:
    queue = RowQueue(lengths)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(queue, [row("x" * number) for number in range(200)])) == list(range(200))


def test_a_pickled_queue_scores() -> None:
    assert pickle.loads(pickle.dumps(RowQueue(lengths)))(row("abc")) == 3
