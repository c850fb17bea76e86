"""The memory of each kind of engine, derived by hand; the local engine's KV cache is in test_rank_memory."""

from pathlib import Path
from typing import Any

import pytest

from medix.doctor.engine_memory import (
    ColocatedEngineMemory,
    EngineMemory,
    LocalEngineMemory,
    RemoteEngineMemory,
    kv_bytes_per_token,
)
from medix.doctor.machine import GIB, Machine
from medix.doctor.memory import Allocation, Phase
from medix.doctor.rank import Rank
from medix.policy.tiny import build_tiny
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.served import ServedEngine
from tests.support.doctoring import ROOMY, subject, with_gpus

TINY = 141_760
ON_GPU = {"accelerator": "gpu", "devices": 1}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))


def vllm(
    folder: Path, policy: Path, machine: Machine, trainer: dict[str, Any] | None = None, **arguments: Any
) -> list[Allocation]:
    """What vLLM takes of a rank."""
    engine = {
        "class_path": "medix.rollout.colocated.ColocatedEngine",
        "init_args": {"sampling": {"completions_per_prompt": 3, "max_completion_tokens": 6}, **arguments},
    }
    rank = Rank.of(subject(folder, policy, machine, trainer, model={"engine": engine}))
    return list(EngineMemory.of(rank.module.engine).allocations(rank))


def test_every_engine_has_its_kind() -> None:
    sampling = Sampling()
    assert isinstance(EngineMemory.of(LocalEngine(sampling)), LocalEngineMemory)
    assert isinstance(EngineMemory.of(ServedEngine(sampling, "http://127.0.0.1:8086")), RemoteEngineMemory)
    assert LocalEngineMemory.samples_from_policy
    assert not ColocatedEngineMemory.samples_from_policy


def test_a_colocated_engine_takes_its_share_and_gives_it_back_when_it_sleeps(tmp_path: Path, policy: Path) -> None:
    (asleep,) = vllm(tmp_path, policy, with_gpus(1), ON_GPU, memory_share=0.25)
    assert (asleep.bytes, asleep.phases) == (20 * GIB, (Phase.ROLLOUT,))
    (awake,) = vllm(tmp_path, policy, with_gpus(1), ON_GPU, memory_share=0.25, sleep=False)
    assert (awake.bytes, awake.phases) == (20 * GIB, (Phase.ALWAYS,))
    assert "sleep: true" in awake.reduced_by


def test_a_cache_of_a_given_size_stands_beside_the_weights(tmp_path: Path, policy: Path) -> None:
    (allocation,) = vllm(tmp_path, policy, with_gpus(1), ON_GPU, cache_gigabytes=2.0, dtype="bfloat16")
    assert allocation.bytes == 2 * TINY + 2e9


def test_vllm_computes_in_the_precision_of_the_step(tmp_path: Path, policy: Path) -> None:
    mixed = {**ON_GPU, "precision": "bf16-mixed"}
    (allocation,) = vllm(tmp_path, policy, with_gpus(1), mixed, cache_gigabytes=2.0)
    assert allocation.bytes == 2 * TINY + 2e9


def test_on_a_cpu_the_memory_is_kept(tmp_path: Path, policy: Path) -> None:
    (allocation,) = vllm(tmp_path, policy, ROOMY)
    assert (allocation.bytes, allocation.phases) == (4 * TINY + 4 * GIB, (Phase.ALWAYS,))


def test_a_token_has_a_key_and_a_value_in_every_layer(tmp_path: Path, policy: Path) -> None:
    """Two layers of one key head of width 16."""
    assert kv_bytes_per_token(Rank.of(subject(tmp_path, policy)), 4) == 2 * 2 * 16 * 4
