"""Runs of two ranks on two machines (network namespaces), started by torchrun: one trajectory, however they meet."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from tests.support import warm
from tests.support.namespaces import ADDRESSES, LIMIT, PORT, torchrun, two_machines
from tests.support.runs import medix, small_spec, write_spec

pytestmark = pytest.mark.netns

INTERRUPTION = '''\
"""Sends a signal in the middle of step 2, once: to this worker, or to the torchrun that started it."""

import os
import signal
import time
from pathlib import Path

from lightning.pytorch import Callback

from medix import stop_signal


class Interruption(Callback):
    def __init__(self, name: str) -> None:
        self.number = getattr(signal, name)

    def on_phase_end(self, trainer, module, name, seconds) -> None:
        mark = Path("sent")
        if name != "old_logprobs" or module.step != 1 or trainer.global_rank != 1 or mark.exists():
            return
        mark.touch()
        os.kill(os.getpid() if self.number == signal.SIGKILL else os.getppid(), self.number)
        end = time.monotonic() + 300
        while stop_signal.requested() is None and time.monotonic() < end:
            time.sleep(0.05)
'''

STATIC = [
    [
        "--nnodes=2",
        "--nproc-per-node=1",
        f"--node-rank={rank}",
        f"--master-addr={ADDRESSES[0]}",
        f"--master-port={PORT}",
    ]
    for rank in range(2)
]
C10D = [
    ["--nnodes=2", "--nproc-per-node=1", "--rdzv-backend=c10d", f"--rdzv-endpoint={ADDRESSES[0]}:{PORT}",
     "--rdzv-id=medix", f"--rdzv-conf=is_host={int(rank == 0)}", f"--local-addr={ADDRESSES[rank]}"]
    for rank in range(2)
]  # fmt: skip

Together = Callable[[Path, Sequence[Sequence[str]]], list[int]]


@pytest.fixture(scope="module")
def machines() -> Iterator[list[int]]:
    with two_machines() as holders:
        yield holders


@pytest.fixture(scope="module")
def together(machines: list[int]) -> Together:
    """Runs ``fit`` under a torchrun on each machine; returns their exit statuses."""

    def run(folder: Path, options: Sequence[Sequence[str]]) -> list[int]:
        words = ["fit", "--config", "spec.yaml"]
        started = [
            torchrun(holder, given, words, folder, folder / "log")
            for holder, given in zip(machines, options, strict=True)
        ]
        return [warm.wait(one, LIMIT) for one in started]

    return run


@pytest.fixture(scope="module")
def folders(tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a folder with the spec of a run of two steps of two updates, which states neither devices nor nodes."""

    def make(name: str, interruption: str = "", **trainer: Any) -> Path:
        folder = tmp_path_factory.mktemp(name)
        (folder / "interruption.py").write_text(INTERRUPTION)
        # Gradients of 1e-9 and less are rounding, which the usual eps of 1e-8 would make steps of.
        changes = {"optimizer": {"init_args": {"eps": 1e-5}}}
        spec = small_spec(folder, tiny_policy, trainer=trainer, model=changes)
        spec["trainer"]["callbacks"][-1]["init_args"]["every_n_steps"] = 1
        if interruption:
            spec["trainer"]["callbacks"].append(
                {"class_path": "interruption.Interruption", "init_args": {"name": interruption}}
            )
        write_spec(folder, spec)
        return folder

    return make


@pytest.fixture(scope="module")
def static(folders: Callable[..., Path], together: Together) -> Path:
    folder = folders("static")
    assert together(folder, STATIC) == [0, 0], log(folder)
    return folder


def log(folder: Path) -> str:
    return " ".join((folder / "log").read_text(errors="replace").split())


def weights(folder: Path, step: int = 2) -> dict[str, torch.Tensor]:
    path = folder / "run" / "checkpoints" / f"step-{step:06d}.ckpt"
    saved: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
    return saved


def assert_equal(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first
    assert first.keys() == second.keys()
    for name, weight in first.items():
        assert torch.equal(weight, second[name]), name


def test_the_numbers_of_nodes_and_of_ranks_are_read_from_torchrun(static: Path) -> None:
    expected = "2 ranks, 1 on each of 2 nodes, started by torchrun (LOCAL_WORLD_SIZE 1, WORLD_SIZE 2)"
    assert log(static).count(expected) == 1, "one rank prints the table"
    saved = yaml.safe_load((static / "run" / "spec.yaml").read_text())["trainer"]
    assert (saved["devices"], saved["num_nodes"]) == ("auto", 1), "the saved spec fits other launchers too"


def test_two_machines_train_the_weights_of_one_process(static: Path, folders: Callable[..., Path]) -> None:
    """Equal within the rounding of float32, while training itself moves weights by more than 1e-3."""
    alone = folders("alone")
    medix(alone, "fit", "--config", "spec.yaml")
    one, two, early = weights(alone), weights(static), weights(alone, step=1)
    assert max(float((one[name] - two[name]).abs().max()) for name in one) <= 1e-6
    assert max(float((one[name] - early[name]).abs().max()) for name in one) > 1e-4


def test_machines_that_meet_by_c10d_train_the_same(
    static: Path, folders: Callable[..., Path], together: Together
) -> None:
    folder = folders("c10d")
    assert together(folder, C10D) == [0, 0], log(folder)
    assert_equal(static, folder)


def test_a_machine_that_is_told_to_end_saves_the_step_and_no_status_is_0(
    static: Path, folders: Callable[..., Path], together: Together
) -> None:
    """SIGTERM reaches one torchrun, as when a pod is deleted; with status 0 a Job would count as complete."""
    folder = folders("told", "SIGTERM")
    statuses = together(folder, STATIC)
    assert 0 not in statuses, statuses
    assert "stopped by SIGTERM at step 2; the same command goes on" in log(folder)
    assert_equal(static, folder)


def test_a_worker_that_is_killed_in_a_pod_is_started_again_and_goes_on(
    static: Path, folders: Callable[..., Path], machines: list[int]
) -> None:
    """The options of torchrun stand in PET_* alone, as a training operator of Kubernetes sets them.

    SIGKILL ends a worker in the middle of step 2, without a word; both pods meet again and go on from step 1.
    """
    folder = folders("pods", "SIGKILL")
    words = ["fit", "--config", "spec.yaml"]
    pods = [
        torchrun(holder, [], words, folder, folder / "log", **pet([*options, "--max-restarts=2"]))
        for holder, options in zip(machines, C10D, strict=True)
    ]
    assert [warm.wait(pod, LIMIT) for pod in pods] == [0, 0], log(folder)
    assert "going on from step 1 of 2" in log(folder)
    assert_equal(static, folder)


def pet(options: Sequence[str]) -> dict[str, str]:
    """Options of torchrun as the variables that stand for them: ``PET_NNODES`` for ``--nnodes``."""
    pairs = (one.removeprefix("--").partition("=") for one in options)
    return {f"PET_{name.upper().replace('-', '_')}": value for name, _, value in pairs}
