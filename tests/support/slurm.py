"""A private Slurm of one node on this machine: its configuration, state and logs lie in one folder, no system file is
changed, and no munge daemon is needed."""

import getpass
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.requirements import program

ROOT = Path(__file__).parents[2]
LIMIT = 300
"""Seconds until a start or a job counts as hanging."""

_CONFIGURATION = """\
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
AuthType=auth/none
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=localhost NodeHostname={host} NodeAddr=127.0.0.1 Port={node_port} CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""


@dataclass(frozen=True)
class Slurm:
    """A running private Slurm.

    Args:
        folder: holds ``slurm.conf`` and the logs.
    """

    folder: Path

    def srun(self, *words: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        """Run a command as a job; waits for its end."""
        found = program("srun")
        assert found is not None
        command = [found, *words]
        return subprocess.run(
            command, cwd=cwd, env=self._environment, capture_output=True, text=True, check=False, timeout=LIMIT
        )

    @property
    def logs(self) -> str:
        """What the two daemons wrote."""
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("*.log")))

    @property
    def _environment(self) -> dict[str, str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        return outside | {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": path,  # `tests` can be imported, wherever the job runs
        }


@contextmanager
def started(folder: Path) -> Iterator[Slurm]:
    """Controller and node daemon, ended on leaving."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    controller_port, node_port = _free_ports(2)
    values = {"host": socket.gethostname(), "user": getpass.getuser(), "folder": folder}
    text = _CONFIGURATION.format(controller_port=controller_port, node_port=node_port, **values)
    (folder / "slurm.conf").write_text(text)
    slurm = Slurm(folder)
    with ExitStack() as stack:
        stack.enter_context(_daemon(slurm, "slurmctld"))
        stack.enter_context(_daemon(slurm, "slurmd", "-N", "localhost", "-d", str(program("slurmstepd"))))
        until = time.monotonic() + LIMIT
        while slurm.srun("--immediate=10", "true", cwd=folder).returncode:
            assert time.monotonic() < until, f"Slurm runs no job:\n{slurm.logs}"
            time.sleep(0.5)
        yield slurm


@contextmanager
def _daemon(slurm: Slurm, name: str, *words: str) -> Iterator[None]:
    command = [str(program(name)), "-D", "-f", str(slurm.folder / "slurm.conf"), *words]
    with (slurm.folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=slurm._environment)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=LIMIT)


def _free_ports(number: int) -> Sequence[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
