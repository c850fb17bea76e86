from pathlib import Path

import torch
from torch import distributed, multiprocessing

from medix.modules.ranks import over_ranks, world_size


def test_one_rank_is_its_own_sum() -> None:
    assert world_size() == 1
    assert over_ranks([1.0, 2.5], "sum") == [1.0, 2.5]


def _reduce(rank: int, folder: str) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        results = [over_ranks([float(rank + 1), 2.0**53 - 1], op) for op in ("sum", "min", "max")]
        torch.save(results, f"{folder}/{rank}")
        assert world_size() == 2
    finally:
        distributed.destroy_process_group()


def test_two_ranks_agree_on_sum_minimum_and_maximum(tmp_path: Path) -> None:
    """Ranks hold 1 and 2: sum 3, minimum 1, maximum 2. 2^53 - 1 is beyond float32, and exact in float64."""
    multiprocessing.spawn(_reduce, args=(str(tmp_path),), nprocs=2)
    for rank in (0, 1):
        total, least, most = torch.load(tmp_path / str(rank))
        assert (total[0], least[0], most[0]) == (3.0, 1.0, 2.0)
        assert least[1] == 2.0**53 - 1
