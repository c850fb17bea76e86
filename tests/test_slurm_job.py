"""After which signals a job goes back to the queue, with a scontrol that writes down what it is asked."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from medix.slurm_job import SlurmJob, requeued
from medix.stop_signal import Stopped

SCONTROL = """\
#!/bin/sh
echo "$@" >> asked
case "$1" in
show) echo "JobId=7 JobState=${STATE:-RUNNING} PreemptEligibleTime=2026-01-01T00:00:00 PreemptTime=${PREEMPTED:-None}";;
requeue) [ -z "$REFUSES" ] || { echo "Requested operation is presently disabled" >&2; exit 1; };;
esac
"""


@pytest.fixture(autouse=True)
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What scontrol was asked."""
    program = tmp_path / "scontrol"
    program.write_text(SCONTROL)
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return tmp_path / "asked"


def test_sigusr1_asks_for_the_queue(job: Path) -> None:
    assert SlurmJob("7").goes_on(signal.SIGUSR1)
    assert SlurmJob("7").requeue() == "job 7 is back in the queue"
    assert job.read_text() == "show job --oneliner 7\nrequeue 7\n"


def test_a_task_of_an_array_is_asked_for_alone(job: Path) -> None:
    """One of them has the id of the array, and scontrol would show and requeue all of its tasks."""
    array = {"SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "3"}
    found = SlurmJob.of(array)
    assert found is not None
    assert found.goes_on(signal.SIGUSR1)
    assert found.requeue() == "job 7_3 is back in the queue"
    assert job.read_text() == "show job --oneliner 7_3\nrequeue 7_3\n"


def test_sigterm_does_so_where_the_job_was_preempted(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREEMPTED", "2026-01-01T00:01:00")
    assert SlurmJob("7").goes_on(signal.SIGTERM)


def test_a_cancelled_job_ends(job: Path) -> None:
    """scancel sends SIGTERM as well; requeueing would bring the job back."""
    assert not SlurmJob("7").goes_on(signal.SIGTERM)
    assert job.read_text() == "show job --oneliner 7\n"
    assert not SlurmJob("7").goes_on(signal.SIGINT)


def test_a_job_that_is_cancelled_after_it_was_told_ends(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE", "CANCELLED")
    assert not SlurmJob("7").goes_on(signal.SIGUSR1)
    assert job.read_text() == "show job --oneliner 7\n"


def test_a_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REFUSES", "1")
    found = SlurmJob("7").requeue()
    assert found == "job 7 could not be put back in the queue: Requested operation is presently disabled"
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(RuntimeError, match="is to go on is not known: scontrol is not on the PATH"):
        SlurmJob("7").goes_on(signal.SIGTERM)


@pytest.fixture
def handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("handler")
def test_the_run_says_so_before_slurm_ends_it_and_its_status_stays(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Slurm may end srun at once: what is said after the request may not arrive in the log."""
    said: list[str] = []

    def requeue(_: SlurmJob) -> str:
        said.append(capfd.readouterr().err)
        return "done"

    monkeypatch.setattr(SlurmJob, "requeue", requeue)
    with pytest.raises(Stopped, match=r"^done$") as stop, requeued(True):
        raise Stopped(signal.SIGUSR1, "stopped at step 3")
    assert said == ["medix: stopped at step 3; Slurm is asked to put job 7 back in the queue\n"]
    assert stop.value.number == signal.SIGUSR1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN, "Slurm sends it to all ranks of a requeued job"


@pytest.mark.usefixtures("handler")
def test_a_job_that_ends_says_so_once(job: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Stopped, match=r"^stopped at step 3$"), requeued(True):
        raise Stopped(signal.SIGTERM, "stopped at step 3")
    assert "requeue" not in job.read_text()
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("handler")
def test_where_slurm_does_not_answer_the_last_line_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Stopped, match=r"^stopped at step 3; whether job 7 is to go on is not known"), requeued(True):
        raise Stopped(signal.SIGUSR1, "stopped at step 3")


@pytest.mark.usefixtures("handler")
def test_the_other_ranks_ask_nothing(job: Path) -> None:
    with pytest.raises(Stopped, match=r"^$"), requeued(False):
        raise Stopped(signal.SIGUSR1)
    assert not job.exists()


def test_outside_slurm_nothing_is_asked(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID")
    with pytest.raises(Stopped, match=r"^text$"), requeued(True):
        raise Stopped(signal.SIGTERM, "text")
    assert not job.exists()
