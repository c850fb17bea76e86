"""Vectors of references, kept from one step to the next."""

import copy
import pickle
import threading

import pytest
import torch

from medix.rewards.vectors import VectorTable
from tests.support.encoders import CountingEncoder

ENCODER = CountingEncoder()


def vectors_of(*texts: str) -> dict[str, torch.Tensor]:
    return {text: torch.tensor([float(len(text)), 1.0]) for text in texts}


def filled(size: int, *texts: str) -> VectorTable:
    table = VectorTable(size)
    table.look_up(ENCODER, texts, texts)
    table.keep(ENCODER, vectors_of(*texts))
    return table


def at_hand(table: VectorTable, *texts: str) -> set[str]:
    return set(table.look_up(ENCODER, texts, texts))


def test_what_is_kept_is_found_and_counted() -> None:
    table = filled(10, "a", "bb")
    found = table.look_up(ENCODER, ["a", "bb", "new"], ["a", "new"])
    assert found["bb"].tolist() == [2.0, 1.0]
    assert set(found) == {"a", "bb"}
    assert (table.found, table.missed) == (1, 3)  # "bb" was asked for as an answer


def test_the_least_recently_used_goes_first() -> None:
    table = filled(2, "a", "b")
    at_hand(table, "a")
    table.keep(ENCODER, vectors_of("c"))
    assert len(table) == 2
    assert at_hand(table, "a", "b", "c") == {"a", "c"}


def test_a_table_of_no_size_keeps_nothing() -> None:
    assert at_hand(filled(0, "a"), "a") == set()


def test_another_encoder_object_finds_nothing_also_if_it_is_equal() -> None:
    table = filled(10, "a")
    twin = CountingEncoder()
    assert twin == ENCODER
    assert not table.look_up(twin, ["a"], ["a"])
    table.keep(ENCODER, vectors_of("a"))  # comes late, of the former one
    assert not table.look_up(twin, ["a"], ["a"])


def test_a_vector_that_is_not_finite_is_not_kept() -> None:
    table = filled(10, "a")
    table.keep(ENCODER, {"bad": torch.tensor([float("nan")]), "worse": torch.tensor([float("inf")])})
    assert at_hand(table, "a", "bad", "worse") == {"a"}


def test_a_kept_row_does_not_hold_the_batch_it_came_in() -> None:
    batch = torch.ones(100, 4)
    table = VectorTable(10)
    table.look_up(ENCODER, ["a"], ["a"])
    table.keep(ENCODER, {"a": batch[3]})
    assert table.look_up(ENCODER, ["a"], [])["a"].untyped_storage().nbytes() == 16


def test_copies_and_pickles_are_empty() -> None:
    table = filled(10, "a")
    for other in (copy.deepcopy(table), pickle.loads(pickle.dumps(table))):  # spawned workers get it pickled
        assert len(other) == 0
        assert other.size == 10
    table.forget()
    assert len(table) == 0


def test_threads_may_share_it() -> None:
    table = VectorTable(5)
    errors: list[Exception] = []

    def work(offset: int) -> None:
        try:
            for step in range(300):
                texts = [str((offset + step + index) % 20) for index in range(4)]
                table.look_up(ENCODER, texts, texts)
                table.keep(ENCODER, vectors_of(*texts))
        except Exception as error:  # noqa: BLE001 - told by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(table) == 5
    assert table.found + table.missed == 4 * 300 * 4


def test_a_size_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cached_references: -1 .*0 for none"):
        VectorTable(-1)
