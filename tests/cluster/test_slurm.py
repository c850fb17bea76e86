"""A run on two nodes of a real Slurm, told to end and preempted in the middle of steps: the same trajectory."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support import slurm
from tests.support.ranks import run_on_ranks
from tests.support.runs import ROOT, small_spec, write_spec
from tests.support.slurm import Slurm

pytestmark = pytest.mark.slurm

INTERRUPTION = '''\
"""Has Slurm interrupt this job in the middle of a step, and waits until its signal is here."""

import os
import subprocess
import time
from pathlib import Path

from lightning.pytorch import Callback

from medix import stop_signal


class Interruption(Callback):
    def on_phase_start(self, trainer, module, name) -> None:
        if module.step == 1 and name == "rollout":
            self.ask("told", "scancel", "--signal=USR1", os.environ.get("SLURM_JOB_ID", ""))

    def on_phase_end(self, trainer, module, name, seconds) -> None:
        if module.step == 3 and name == "old_logprobs":
            self.ask("preempted", "sbatch", "--partition=high", "--nodes=2", "--exclusive", "--wrap=true")

    def ask(self, mark, *words) -> None:
        mark = Path(mark)
        if os.environ.get("SLURM_PROCID") != "0" or mark.exists():
            return
        mark.touch()
        subprocess.run(words, env={name: os.environ[name] for name in ("PATH", "SLURM_CONF")}, check=True)
        end = time.monotonic() + 300
        while stop_signal.requested() is None and time.monotonic() < end:
            time.sleep(0.05)
'''

JOB = """\
#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=1 --requeue --open-mode=append --output=job.log
exec srun {python} -m medix fit --config spec.yaml
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    with slurm.started(tmp_path_factory.mktemp("slurm")) as running:
        yield running


def spec_in(folder: Path, policy: Path, **trainer: Any) -> None:
    """Five steps of two updates; no checkpoint is due but the last."""
    folder.mkdir()
    (folder / "interruption.py").write_text(INTERRUPTION)
    spec = small_spec(folder, policy, model={"max_steps": 5}, trainer=trainer)
    spec["trainer"]["callbacks"][-1]["init_args"]["every_n_steps"] = 100
    spec["trainer"]["callbacks"].append({"class_path": "interruption.Interruption"})
    write_spec(folder, spec)


@pytest.fixture(scope="module")
def runs(cluster: Slurm, tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same run straight on two ranks, and as a job whose spec states neither devices nor nodes."""
    base = tmp_path_factory.mktemp("runs")
    straight, job = base / "straight", base / "job"
    spec_in(straight, tiny_policy, devices=2, strategy="ddp")
    said = run_on_ranks(straight, [["fit", "--config", "spec.yaml"]])
    assert said.status == [0], said.output
    spec_in(job, tiny_policy)
    (job / "job.sh").write_text(JOB.format(python=sys.executable))
    number = cluster.run("sbatch", "--parsable", f"--export=ALL,MASTER_PORT={slurm.free_port()}", "job.sh", cwd=job)
    ended = cluster.wait_for(number)
    assert ended["JobState"] == "COMPLETED", (job / "job.log").read_text() + cluster.logs
    assert ended["Restarts"] == "2", ended
    return straight, job


def last(folder: Path) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(folder / "run" / "checkpoints" / "step-000005.ckpt", weights_only=True)
    return saved


def test_the_numbers_of_nodes_and_of_ranks_are_read_from_slurm(runs: tuple[Path, Path]) -> None:
    said = (runs[1] / "job.log").read_text()
    assert "2 ranks, 1 on each of 2 nodes, started by Slurm (SLURM_NTASKS 2, SLURM_NNODES 2)" in " ".join(said.split())


def test_the_first_job_is_told_and_the_second_preempted_in_the_middle_of_a_step(runs: tuple[Path, Path]) -> None:
    """The rollout of step 2 is abandoned, the update of step 4 is finished."""
    said = (runs[1] / "job.log").read_text()
    back = "the same command goes on; Slurm is asked to put job 1 back in the queue"
    assert f"stopped by SIGUSR1 at step 1; {back}" in said
    assert f"stopped by SIGTERM at step 4; {back}" in said
    assert "going on from step 1 of 5" in said
    assert "going on from step 4 of 5" in said


def test_the_interrupted_run_ends_with_the_weights_of_the_straight_one_bit_for_bit(runs: tuple[Path, Path]) -> None:
    straight, job = map(last, runs)
    assert straight["state_dict"]
    for name, weight in straight["state_dict"].items():
        assert torch.equal(weight, job["state_dict"][name]), name
    states = (one["optimizer_states"][0]["state"] for one in (straight, job))
    for one, other in zip(*(state.values() for state in states), strict=True):
        assert torch.equal(one["exp_avg"], other["exp_avg"])
        assert torch.equal(one["exp_avg_sq"], other["exp_avg_sq"])


@pytest.mark.parametrize("rank", [0, 1])
def test_no_sample_is_lost_or_repeated(runs: tuple[Path, Path], rank: int) -> None:
    straight, job = ((one / "run" / "completions" / f"train.rank{rank}.jsonl").read_text() for one in runs)
    assert straight.count("\n") == job.count("\n") > 0


@pytest.mark.parametrize("name", ["slurm_servers", "slurm_train"])
def test_slurm_accepts_the_examples(cluster: Slurm, tmp_path: Path, name: str) -> None:
    """On nodes of two cores without a GPU: what their ``#SBATCH`` lines ask for beyond that is replaced."""
    script = ROOT / "specs" / "cluster" / f"{name}.sbatch"
    fits = ["--gres=none", "--cpus-per-task=1", "--ntasks-per-node=1"]
    cluster.run("sbatch", "--test-only", *fits, str(script), cwd=tmp_path)
