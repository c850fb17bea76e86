"""Every GPU is used once: by training, or by a server on the same machine."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medix.doctor.checks.gpus import GpusCheck, answers
from medix.doctor.findings import State
from medix.doctor.machine import Machine
from medix.doctor.subject import Subject
from tests.support.doctoring import ROOMY, look, problems, states, subject, with_gpus

ABSENT = Path("owner/model")


@pytest.fixture
def listening() -> Iterator[int]:
    """A port with a server."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def silent() -> int:
    """A port without a server."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def made(folder: Path, machine: Machine, devices: Any, *urls: str, **trainer: Any) -> Subject:
    judge = {"class_path": "medix.judge.ServedJudge", "init_args": {"base_url": list(urls), "model": "m"}}
    return subject(
        folder,
        ABSENT,
        machine,
        {"accelerator": "gpu", "devices": devices, **trainer},
        **({"judge": judge} if urls else {}),
    )


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


@pytest.fixture(autouse=True)
def torch_sees_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)


def test_training_on_all_gpus_leaves_none_for_the_judge_of_the_same_machine(tmp_path: Path, silent: int) -> None:
    """What the public scripts do: eight GPUs for training, and the judge beside it."""
    (found,) = problems(look(GpusCheck(), made(tmp_path, with_gpus(8), 8, url(silent))))
    assert "8 GPUs - 8 for training (trainer.devices) = 0 left" in found.found
    assert (
        f"servers still to be started here need at least 1: judge.init_args.base_url (m) {url(silent)}" in found.found
    )
    assert (
        "set trainer.devices to 2, or run servers on another machine" in found.remedy
    )  # of 7, 2 share 4 and 2 prompts


def test_a_gpu_that_is_left_is_named_for_the_judge(tmp_path: Path, silent: int) -> None:
    (found,) = look(GpusCheck(), made(tmp_path, with_gpus(8), [0, 1, 2, 3, 4, 6], url(silent)))
    assert found.state is State.OK
    assert "CUDA_VISIBLE_DEVICES=5,7" in found.found


def test_every_server_needs_a_gpu_of_its_own(tmp_path: Path, silent: int) -> None:
    other = f"http://localhost:{silent}/v1"
    (found,) = problems(look(GpusCheck(), made(tmp_path, with_gpus(4), 3, url(silent), other)))
    assert "4 GPUs - 3 for training (trainer.devices) = 1 left" in found.found
    assert "need at least 2" in found.found
    assert "set trainer.devices to 2, or" in found.remedy


def test_a_judge_on_another_machine_needs_no_gpu_here(tmp_path: Path) -> None:
    (found,) = look(GpusCheck(), made(tmp_path, with_gpus(8), 8, "http://judge.example:8085/v1"))
    assert found.state is State.OK


def test_a_judge_that_answers_on_gpus_of_training_is_a_problem(tmp_path: Path, listening: int) -> None:
    at = made(tmp_path, with_gpus(8, used=[77, 77]), 8, url(listening))
    (found,) = problems(look(GpusCheck(), at))
    assert "GPU 0: 77.0 GiB of 80.0 GiB, GPU 1: 77.0 GiB of 80.0 GiB" in found.found
    assert url(listening) in found.found
    assert "nvidia-smi" in found.remedy


def test_a_judge_that_answers_on_gpus_of_its_own_is_ok(tmp_path: Path, listening: int) -> None:
    at = made(tmp_path, with_gpus(8, used=[77, 77]), [2, 3, 4, 5, 6, 7], url(listening))
    assert states(look(GpusCheck(), at)) == [State.OK]


def test_gpus_that_another_program_uses_are_a_warning(tmp_path: Path) -> None:
    shared_out, in_use = look(GpusCheck(), made(tmp_path, with_gpus(2, used=[0, 40]), 2))
    assert (shared_out.state, in_use.state) == (State.OK, State.WARNING)
    assert "GPU 1: 40.0 GiB" in in_use.found


def test_too_few_gpus_are_a_problem(tmp_path: Path) -> None:
    (found,) = problems(look(GpusCheck(), made(tmp_path, with_gpus(4), 8)))
    assert "trainer.devices: 8 GPUs, but this machine has 4" in found.found
    (found,) = problems(look(GpusCheck(), made(tmp_path, ROOMY, 8)))
    assert "this machine has 0" in found.found


def test_hidden_gpus_are_counted_apart(tmp_path: Path) -> None:
    whole = with_gpus(8)
    (found,) = problems(look(GpusCheck(), made(tmp_path, Machine(whole.gpus, (0, 1), whole.memory), 4)))
    assert "this machine has 2 (6 more are hidden by CUDA_VISIBLE_DEVICES)" in found.found


def test_several_machines_cannot_share_a_loopback(tmp_path: Path, silent: int) -> None:
    found = problems(look(GpusCheck(), made(tmp_path, with_gpus(8), 4, url(silent), num_nodes=2)))
    assert [one.found for one in found] == [
        f"judge.init_args.base_url: {url(silent)}, but trainer.num_nodes is 2: each node would ask itself"
    ]


def test_a_torch_that_sees_fewer_gpus_than_the_driver_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    (found,) = problems(look(GpusCheck(), made(tmp_path, with_gpus(2), 2)))
    assert "sees 0 of the 2 GPUs that the driver reports" in found.found
    assert states(look(GpusCheck(), made(tmp_path, with_gpus(2, planned=True), 2))) == [State.OK]


def test_training_on_the_cpu_uses_none(tmp_path: Path) -> None:
    (found,) = look(GpusCheck(), subject(tmp_path, ABSENT))
    assert found.state is State.OK


def test_a_server_is_found_by_its_port(listening: int, silent: int) -> None:
    assert answers(("127.0.0.1", listening))
    assert not answers(("127.0.0.1", silent))
