"""Plain data of every rank."""

import json
from pathlib import Path

import torch
from torch import distributed
from torch.multiprocessing.spawn import start_processes

from medix.callbacks.gather import gather


def _rank(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    found = gather({"rank": rank, "rows": ["x"] * rank})
    (Path(folder) / f"{rank}.json").write_text(json.dumps(found))
    distributed.destroy_process_group()


def test_one_rank_is_the_value_alone() -> None:
    assert gather({"a": 1}) == [{"a": 1}]


def test_two_ranks_see_both_in_order_although_sizes_differ(tmp_path: Path) -> None:
    start_processes(_rank, args=(str(tmp_path),), nprocs=2, start_method="fork")
    expected = [{"rank": 0, "rows": []}, {"rank": 1, "rows": ["x"]}]
    assert [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)] == [expected, expected]
