"""A private Slurm of two nodes on this machine: its configuration, state and logs lie in one folder, no system file is
changed, and no munge daemon is needed. Nodes are named by loopback addresses, which resolve everywhere."""

import getpass
import os
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.requirements import program

ROOT = Path(__file__).parents[2]
LIMIT = 300
"""Seconds until a start or a job counts as hanging."""

_PORTS = (20_000, 32_000)
"""Below those that Linux gives to who asks for any port, as other tests and their servers do meanwhile."""

NODES = ("127.0.0.1", "127.0.0.2")

_CONFIGURATION = """\
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
AuthType=auth/none
CredType=cred/none
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SlurmdParameters=config_overrides
JobRequeue=1
KillWait=120
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=1,bf_interval=1
NodeName=127.0.0.[1-2] NodeHostname={host} Port=[{node_port}-{next_port}] CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=low Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=300
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""


@dataclass(frozen=True)
class Slurm:
    """A running private Slurm.

    Args:
        folder: holds ``slurm.conf`` and the logs.
    """

    folder: Path

    def run(self, name: str, *words: str, cwd: Path) -> str:
        """The output of one of Slurm's programs."""
        found = program(name)
        assert found is not None
        ended = subprocess.run(
            [found, *words], cwd=cwd, env=self.environment, capture_output=True, text=True, check=False, timeout=LIMIT
        )
        assert ended.returncode == 0, f"{name} {words}: {ended.stdout}{ended.stderr}\n{self.logs}"
        return ended.stdout.strip()

    def job(self, number: str) -> dict[str, str]:
        """What ``scontrol`` shows of a job."""
        shown = self.run("scontrol", "show", "job", "--oneliner", number, cwd=self.folder)
        return dict(word.partition("=")[::2] for word in shown.split())

    def wait_for(self, number: str) -> dict[str, str]:
        """A job at its end; one that is back in the queue starts at once, instead of after two minutes."""
        end = time.monotonic() + LIMIT
        while (job := self.job(number))["JobState"] in ("PENDING", "RUNNING", "COMPLETING"):
            if job["JobState"] == "PENDING" and job["Reason"] == "BeginTime":
                self.run("scontrol", "update", f"jobid={number}", "starttime=now", cwd=self.folder)
            assert time.monotonic() < end, f"the job does not end: {job}\n{self.logs}"
            time.sleep(0.3)
        return job

    @property
    def logs(self) -> str:
        """What the two daemons wrote."""
        return "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("*.log")))

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that asks this Slurm, and of its jobs."""
        outside = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        return outside | {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": path,  # `tests` can be imported, wherever the job runs
        }


@contextmanager
def started(folder: Path) -> Iterator[Slurm]:
    """Controller and node daemons, ended on leaving."""
    for name in ("state", *(f"spool.{node}" for node in NODES)):
        (folder / name).mkdir()
    port = _first_free_port(3)
    values = {"host": socket.gethostname(), "user": getpass.getuser(), "folder": folder}
    text = _CONFIGURATION.format(controller_port=port, node_port=port + 1, next_port=port + 2, **values)
    (folder / "slurm.conf").write_text(text)
    slurm = Slurm(folder)
    with ExitStack() as stack:
        stack.enter_context(_daemon(slurm, "slurmctld"))
        for node in NODES:
            stack.enter_context(_daemon(slurm, "slurmd", "-N", node, "-d", str(program("slurmstepd"))))
        until = time.monotonic() + LIMIT
        while "2 idle" not in _nodes(slurm):
            assert time.monotonic() < until, f"Slurm has no nodes: {_nodes(slurm)}\n{slurm.logs}"
            time.sleep(0.2)
        yield slurm


@contextmanager
def _daemon(slurm: Slurm, name: str, *words: str) -> Iterator[None]:
    command = [str(program(name)), "-D", "-f", str(slurm.folder / "slurm.conf"), *words]
    with (slurm.folder / f"{name}{''.join(words[1:2])}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=slurm.environment)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=LIMIT)


def _nodes(slurm: Slurm) -> str:
    found = program("sinfo")
    assert found is not None
    words = [found, "--noheader", "--partition=low", "--format=%D %T"]
    return subprocess.run(words, env=slurm.environment, capture_output=True, text=True, check=False).stdout


def free_port() -> int:
    """A port that nothing listens on, and that nobody gets meanwhile who asks for any."""
    return _first_free_port(1)


def _first_free_port(number: int) -> int:
    """The first of some ports in a row; Slurm gives the nodes of one machine such."""
    while True:
        port = random.SystemRandom().randrange(*_PORTS)  # tests seed the other
        with ExitStack() as stack, suppress(OSError):
            for offset in range(number):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            return port
