"""The memory estimate compared with the memory of the machine."""

from pathlib import Path

import pytest

from medix.doctor.checks.memory import MemoryCheck
from medix.doctor.findings import State, UnavailableError
from medix.doctor.machine import GIB, Machine
from medix.policy.tiny import build_tiny
from tests.support.doctoring import ROOMY, look, problems, states, subject, with_gpus


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))


def test_a_tiny_run_fits_the_main_memory(tmp_path: Path, policy: Path) -> None:
    (found,) = look(MemoryCheck(), subject(tmp_path, policy))
    assert found.state is State.OK
    assert "64.0 GiB of main memory free" in found.found
    assert any(line.startswith("weights, always: 141,760 x 4 bytes = ") for line in found.arithmetic)
    assert found.arithmetic[-1].startswith("checked: -3 to +10 % of the measured peaks of 40 updates")


def test_ranks_on_the_cpu_share_the_main_memory(tmp_path: Path, policy: Path) -> None:
    """Each takes a GiB for the runtime and a little more."""
    at = subject(tmp_path, policy, Machine(memory=3 * GIB), {"devices": 4})
    (found,) = problems(look(MemoryCheck(), at))
    assert "for 4 ranks" in found.found
    assert "too little" in found.found


def test_too_little_is_a_problem_that_names_the_keys(tmp_path: Path, policy: Path) -> None:
    at = subject(tmp_path, policy, Machine(memory=GIB))
    (found,) = problems(look(MemoryCheck(), at))
    assert "during backward pass of the text layers (runtime 1.0 GiB + pixels" in found.found
    assert "model.update.tokens_per_microbatch" in found.remedy
    assert "gradient_checkpointing: true" in found.remedy


def test_an_estimate_that_barely_fits_is_a_warning(tmp_path: Path, policy: Path) -> None:
    at = subject(tmp_path, policy)
    (roomy,) = look(MemoryCheck(), at)
    needed = float(roomy.found.removeprefix("peak ").split(" GiB")[0])
    tight = subject(tmp_path, policy, Machine(memory=int((needed + 0.06) * GIB)))
    (found,) = look(MemoryCheck(), tight)
    assert found.state is State.WARNING
    assert "close to the limit" in found.found


def test_the_gpu_with_least_free_memory_decides(tmp_path: Path, policy: Path) -> None:
    trainer = {"accelerator": "gpu", "devices": 2}
    fits = subject(tmp_path, policy, with_gpus(3, used=[0, 0, 79.9]), trainer)
    assert states(look(MemoryCheck(), fits)) == [State.OK, State.OK]
    full = subject(tmp_path, policy, with_gpus(3, used=[0, 79.9]), trainer)
    found = problems(look(MemoryCheck(), full))
    assert len(found) == 1
    assert "free on GPU 1" in found[0].found


def test_without_a_gpu_the_estimate_is_stated_all_the_same(tmp_path: Path, policy: Path) -> None:
    (need, main) = look(MemoryCheck(), subject(tmp_path, policy, ROOMY, {"accelerator": "gpu", "devices": 2}))
    assert need.state is State.WARNING
    assert "GiB during backward pass of the text layers" in need.found
    assert "--gpus" in need.remedy
    assert main.state is State.OK


def test_the_main_memory_of_a_planned_machine_is_not_checked(tmp_path: Path, policy: Path) -> None:
    at = subject(tmp_path, policy, with_gpus(2, planned=True), {"accelerator": "gpu", "devices": 2})
    assert len(look(MemoryCheck(), at)) == 1


def test_an_unavailable_policy_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="owner/model"):
        look(MemoryCheck(), subject(tmp_path, Path("owner/model")))


def test_a_released_model_is_planned_without_its_configuration(tmp_path: Path) -> None:
    at = subject(tmp_path, Path("Qwen/Qwen3-VL-30B-A3B-Thinking"), with_gpus(1, planned=True), {"accelerator": "gpu"})
    (found,) = problems(look(MemoryCheck(), at))
    assert any(line.startswith("weights, always: 31,070,754,032 x 4 bytes = ") for line in found.arithmetic)
    assert found.arithmetic[-1] == (
        "sizes: those of Qwen/Qwen3-VL-30B-A3B-Thinking as released; its configuration is not on this machine"
    )
