"""Ranks that a real Slurm starts find each other through Lightning's environment."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import slurm
from tests.support.slurm import Slurm

pytestmark = pytest.mark.slurm

TASK = '''\
"""Two steps of training on this rank; writes what medix.distributed says of the ranks."""

import json
import os
import sys
from pathlib import Path

from medix.distributed import gather, all_reduce, rank, world_size
from tests.support.fake_training import FakeData, FakeModule, make_trainer

class Seen(FakeModule):
    def on_train_start(self):
        super().on_train_start()
        seen = {"rank": rank(), "world": world_size(), "task": int(os.environ["SLURM_PROCID"])}
        seen |= {"sum": all_reduce([rank() + 1.0], "sum"), "everyone": gather(rank())}
        Path(f"rank-{rank()}.json").write_text(json.dumps(seen))

trainer = make_trainer(".", [], devices=2, num_nodes=1, strategy="ddp", limit_val_batches=0)
trainer.fit(Seen(max_steps=2), FakeData())
'''


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with slurm.started(tmp_path_factory.mktemp("slurm")) as running:
        yield running


def test_two_tasks_see_their_rank_and_the_number_of_ranks(cluster: Slurm, tmp_path: Path) -> None:
    """Ranks 0 and 1 hold 1 and 2, which sum to 3."""
    (tmp_path / "task.py").write_text(TASK)
    words = ("--ntasks=2", "--ntasks-per-node=2", sys.executable, "task.py")
    ended = cluster.srun(*words, cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr + cluster.logs
    for number in (0, 1):
        seen = json.loads((tmp_path / f"rank-{number}.json").read_text())
        assert seen == {"rank": number, "world": 2, "task": number, "sum": [3.0], "everyone": [0, 1]}
