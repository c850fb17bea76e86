"""Commands of medix on one or two ranks of this machine, and on two nodes that it stands for.

The launchers are those of the tests, so that this needs a checkout of the project.
"""

import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.support import namespaces, slurm, warm
from tests.support.ranks import run_on_ranks

Commands = Sequence[Sequence[str]]
"""Words after ``python -m medix``, run one after the other."""

_SRUN = """\
#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=1 --exclusive --output=job.log
set -e
"""


def on_ranks(folder: Path, commands: Commands, ranks: int) -> None:
    """In processes of this machine.

    Args:
        folder: working directory.
        commands: to run.
        ranks: processes.

    Raises:
        RuntimeError: one failed; with the end of what all said.
    """
    said = run_on_ranks(folder, commands, ranks)
    _check(said.status, said.output)


def on_two_machines(folder: Path, commands: Commands) -> None:
    """One rank in each of two network namespaces, started by torchrun; see ``on_ranks``."""
    log = folder / "machines.log"
    with namespaces.two_machines() as holders:
        for number, words in enumerate(commands):
            meeting = ["--nnodes=2", "--nproc-per-node=1", f"--master-addr={namespaces.ADDRESSES[0]}"]
            meeting.append(f"--master-port={namespaces.PORT + number}")
            started = [
                namespaces.torchrun(holder, [*meeting, f"--node-rank={rank}"], words, folder, log)
                for rank, holder in enumerate(holders)
            ]
            _check([warm.wait(one, namespaces.LIMIT) for one in started], log.read_text(errors="replace"))


def on_slurm(folder: Path, commands: Commands) -> None:
    """One rank on each of the two nodes of a private Slurm, in one job; see ``on_ranks``."""
    runs = [
        f"MASTER_PORT={slurm.free_port()} srun {shlex.join([sys.executable, '-m', 'medix', *words])}\n"
        for words in commands
    ]
    (folder / "job.sh").write_text(_SRUN + "".join(runs))
    with tempfile.TemporaryDirectory(prefix="slurm-", dir=folder) as name, slurm.started(Path(name)) as cluster:
        try:
            ended = cluster.wait_for(cluster.run("sbatch", "--parsable", "job.sh", cwd=folder))
        except AssertionError as error:  # it hangs
            raise RuntimeError(f"{error}\n{(folder / 'job.log').read_text(errors='replace')}") from error
        _check([ended["JobState"] != "COMPLETED"], (folder / "job.log").read_text(errors="replace") + cluster.logs)


def _check(statuses: Sequence[int], output: str) -> None:
    if any(statuses):
        raise RuntimeError(f"a run failed: statuses {list(statuses)}; the end of its output:\n{output[-3000:]}")


LAUNCHERS: dict[str, Callable[[Path, Commands], None]] = {
    "one process": partial(on_ranks, ranks=1),
    "two processes": partial(on_ranks, ranks=2),
    "two machines": on_two_machines,
    "slurm": on_slurm,
}
"""By what starts the ranks."""
