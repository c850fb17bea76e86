from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from medix.distributed import (
    OtherRankError,
    all_agree,
    all_reduce,
    broadcast,
    described,
    fail_together,
    gather,
    gather_to_first,
    rank,
    world_size,
)


def test_one_rank_is_its_own_sum() -> None:
    assert world_size() == 1
    assert all_reduce([1.0, 2.5], "sum") == [1.0, 2.5]
    assert gather({"a": 1}) == [{"a": 1}]
    assert gather_to_first({"a": 1}) == [{"a": 1}]
    assert broadcast({"a": 1}) == {"a": 1}
    assert [all_agree(True), all_agree(False)] == [True, False]


def test_alone_an_error_is_the_error() -> None:
    with pytest.raises(ValueError, match="broken"), fail_together():
        raise ValueError("broken")


class MuteError(ValueError):
    def __str__(self) -> str:
        raise KeyError("no text")


def test_an_error_can_be_sent_whatever_it_says() -> None:
    """30 million characters: 10,000 are sent."""
    assert described(OSError("bad \udc80 file")) == r"OSError: bad \udc80 file"
    assert described(MuteError()) == "MuteError: (its text cannot be read: KeyError)"
    told = "aaa … (and 29990000 characters more, which its own rank tells)"
    assert described(ValueError("a" * 30_000_000)).endswith(told)


def _fail_on_rank_one(number: int) -> None:
    with fail_together():
        if number:
            raise MuteError


def _reduce(number: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=number, world_size=2)
    try:
        results = [all_reduce([float(number + 1), 2.0**53 - 1], op) for op in ("sum", "min", "max")]
        torch.save(results, f"{folder}/{number}")
        assert (world_size(), rank()) == (2, number)
        assert gather({"rank": number, "rows": ["x"] * number}) == [
            {"rank": 0, "rows": []},
            {"rank": 1, "rows": ["x"]},
        ]
        assert gather_to_first("x" * number) == (None if number else ["", "x"])
        assert broadcast({"of": number}) == {"of": 0}
        assert [all_agree(number == 0), all_agree(True)] == [False, True]
        with pytest.raises(MuteError if number else OtherRankError) as caught:
            _fail_on_rank_one(number)
        assert number or "MuteError: (its text cannot be read: KeyError)" in str(caught.value)
        with fail_together():  # and the ranks are in step afterwards
            pass
    finally:
        distributed.destroy_process_group()


def test_two_ranks_agree_on_sums_exchange_data_and_share_errors(tmp_path: Path) -> None:
    """Ranks hold 1 and 2: sum 3, minimum 1, maximum 2. 2^53 - 1 is beyond float32, and exact in float64."""
    multiprocessing.spawn(_reduce, args=(str(tmp_path),), nprocs=2)
    for number in (0, 1):
        total, least, most = torch.load(tmp_path / str(number))
        assert (total[0], least[0], most[0]) == (3.0, 1.0, 2.0)
        assert least[1] == 2.0**53 - 1
