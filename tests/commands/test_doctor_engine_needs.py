"""The memory of each kind of engine, derived by hand; the cache of the local engine is in test_doctor_needs."""

from pathlib import Path
from typing import Any

import pytest

from medix.commands.doctor_engine_needs import ColocatedNeeds, EngineNeeds, LocalNeeds, NoNeeds, token_bytes
from medix.commands.doctor_ledger import Moment, Need
from medix.commands.doctor_machine import GIB, Machine
from medix.commands.doctor_needs import Needs
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
) -> list[Need]:
    """What vLLM takes of a rank."""
    engine = {
        "class_path": "medix.rollout.colocated.ColocatedEngine",
        "init_args": {"sampling": {"completions_per_prompt": 3, "max_completion_tokens": 6}, **arguments},
    }
    rank = Needs.of(subject(folder, policy, machine, trainer, model={"engine": engine}))
    return list(EngineNeeds.of(rank.module.engine).needs(rank))


def test_every_engine_has_its_kind() -> None:
    sampling = Sampling()
    assert isinstance(EngineNeeds.of(LocalEngine(sampling)), LocalNeeds)
    assert isinstance(EngineNeeds.of(ServedEngine(sampling, "http://127.0.0.1:8086")), NoNeeds)
    assert LocalNeeds.samples_from_the_policy
    assert not ColocatedNeeds.samples_from_the_policy


def test_a_colocated_engine_takes_its_share_and_gives_it_back_when_it_sleeps(tmp_path: Path, policy: Path) -> None:
    (asleep,) = vllm(tmp_path, policy, with_gpus(1), ON_GPU, memory_share=0.25)
    assert (asleep.bytes, asleep.moment) == (20 * GIB, Moment.ROLLOUT)
    (awake,) = vllm(tmp_path, policy, with_gpus(1), ON_GPU, memory_share=0.25, sleep=False)
    assert (awake.bytes, awake.moment) == (20 * GIB, Moment.ALWAYS)
    assert "sleep: true" in awake.lower


def test_a_cache_of_a_given_size_stands_beside_the_weights(tmp_path: Path, policy: Path) -> None:
    (need,) = vllm(tmp_path, policy, with_gpus(1), ON_GPU, cache_gigabytes=2.0, dtype="bfloat16")
    assert need.bytes == 2 * TINY + 2e9


def test_on_a_cpu_the_memory_is_kept(tmp_path: Path, policy: Path) -> None:
    (need,) = vllm(tmp_path, policy, ROOMY)
    assert (need.bytes, need.moment) == (4 * TINY + 4 * GIB, Moment.ALWAYS)


def test_a_token_has_a_key_and_a_value_in_every_layer(tmp_path: Path, policy: Path) -> None:
    """Two layers of one key head of width 16."""
    assert token_bytes(Needs.of(subject(tmp_path, policy)), 4) == 2 * 2 * 16 * 4
