"""The Slurm job that a run belongs to, and how it is put back in the queue."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from medix import stop_signal
from medix.distributed import gather
from medix.stop_signal import Stopped
from medix.visible_text import tell

_SECONDS = 30.0
"""A controller that does not answer for so long is down; a job has half a minute from SIGTERM to SIGKILL by default."""


@dataclass(frozen=True)
class SlurmJob:
    """A job.

    A job that ends by itself within the grace time of its preemption counts as ended: Slurm requeues only those that
    it has to kill. So a run that has saved its last finished step says that it is to go on.

    Attributes:
        number: its id; ``ARRAY_TASK`` for a task of an array, one of which has the id of the whole array.
    """

    number: str

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "SlurmJob | None":
        """The job that this process belongs to; None outside Slurm."""
        number = environment.get("SLURM_JOB_ID")
        if "SLURM_ARRAY_TASK_ID" in environment:
            number = f"{environment['SLURM_ARRAY_JOB_ID']}_{environment['SLURM_ARRAY_TASK_ID']}"
        return None if number is None else cls(number)

    def goes_on(self, received: int) -> bool:
        """Whether the job is to be put back in the queue after a signal.

        SIGUSR1 asks for it (``#SBATCH --signal=USR1@300``), and so does the SIGTERM of a preemption. SIGTERM of
        ``scancel`` or of the time limit does not, nor does SIGINT. A job that is being cancelled stays so, also where
        SIGUSR1 came before: ``scontrol requeue`` would bring it back.

        Args:
            received: number of the signal.

        Raises:
            RuntimeError: Slurm does not say.
        """
        if received == signal.SIGINT:
            return False
        shown = self._scontrol("show", "job", "--oneliner", self.number)
        if shown.returncode:
            raise RuntimeError(f"whether job {self.number} is to go on is not known: {_said(shown)}")
        fields = dict(word.partition("=")[::2] for word in shown.stdout.split())
        is_preempted = fields.get("PreemptTime", "None") != "None"
        return fields.get("JobState") == "RUNNING" and (received == signal.SIGUSR1 or is_preempted)

    def requeue(self) -> str:
        """Put the job back in the queue, with everything saved; what was done, for the last line of the run."""
        ended = self._scontrol("requeue", self.number)
        if ended.returncode:
            return f"job {self.number} could not be put back in the queue: {_said(ended)}"
        return f"job {self.number} is back in the queue"

    @staticmethod
    def _scontrol(*words: str) -> "subprocess.CompletedProcess[str]":
        program = shutil.which("scontrol")
        if program is None:
            return subprocess.CompletedProcess(words, 127, "", "scontrol is not on the PATH")
        try:
            return subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(words, 124, "", f"scontrol did not answer within {_SECONDS:g} s")


@contextmanager
def requeued(is_first: bool) -> Iterator[None]:
    """Put the Slurm job of a run that a signal has stopped back in the queue, if it is to go on; see ``SlurmJob``.

    Args:
        is_first: whether this is the rank that does it.

    Raises:
        Stopped: as the block raises it, or with what became of the job as its text.
    """
    try:
        yield
    except Stopped as stop:
        job = SlurmJob.of()
        if job is None:
            raise
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # requeueing ends a job that runs: every rank receives it
        text = _requeued(job, stop) if is_first else str(stop)
        if stop_signal.is_agreed():
            gather(None)  # srun --kill-on-bad-exit would end the first rank before it has asked
        raise Stopped(stop.number, text) from stop


def _requeued(job: SlurmJob, stop: Stopped) -> str:
    """The last line of a run whose job is put back in the queue, if it is to go on.

    Slurm ends a job that it requeues: what a rank says after it may be lost between its node and the log.
    """
    try:
        if not job.goes_on(stop.number):
            return str(stop)
    except RuntimeError as error:
        return f"{stop}; {error}"
    tell(f"medix: {stop}; Slurm is asked to put job {job.number} back in the queue", sys.stderr)
    return job.requeue()


def _said(ended: "subprocess.CompletedProcess[str]") -> str:
    return (ended.stderr or ended.stdout).strip() or f"scontrol ended with status {ended.returncode}"
