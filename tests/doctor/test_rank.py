"""What decides the memory of a rank: widths of numbers, and lengths of rows."""

from pathlib import Path

import pytest

from medix.doctor.rank import Rank
from medix.policy.tiny import build_tiny
from tests.support.doctoring import subject, with_gpus

GPUS = {"accelerator": "gpu", "devices": 2}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))


@pytest.mark.parametrize(
    ("precision", "weight", "compute"),
    [("32-true", 4, 4), ("bf16-mixed", 4, 2), ("bf16-true", 2, 2), ("64-true", 8, 8)],
)
def test_precision_decides_the_width_of_weights_and_of_the_computation(
    tmp_path: Path, policy: Path, precision: str, weight: int, compute: int
) -> None:
    rank = Rank.of(subject(tmp_path, policy, trainer={"precision": precision}))
    assert (rank.weight_bytes, rank.trained_bytes, rank.compute_bytes) == (weight, weight, compute)


def test_adapters_are_trained_in_float32(tmp_path: Path, policy: Path) -> None:
    at = subject(
        tmp_path, policy, trainer={"precision": "bf16-true"}, model={"policy": {"init_args": {"lora": {"rank": 2}}}}
    )
    assert (Rank.of(at).weight_bytes, Rank.of(at).trained_bytes) == (2, 4)


def test_prompts_and_completions_are_the_longest_that_the_context_holds(tmp_path: Path, policy: Path) -> None:
    """A context of 2,048 holds a completion of 48 tokens and a prompt of 2,000, whatever max_prompt_tokens allows."""
    sampling = {"engine": {"init_args": {"sampling": {"max_completion_tokens": 48}}}}
    rank = Rank.of(subject(tmp_path, policy, model=sampling))
    assert (rank.prompt_tokens, rank.completion_tokens) == (2000, 48)


def test_the_smallest_gpu_of_training_counts(tmp_path: Path, policy: Path) -> None:
    assert Rank.of(subject(tmp_path, policy, with_gpus(2, 40), GPUS)).gpu_memory == 40 * 2**30
    assert Rank.of(subject(tmp_path, policy)).gpu_memory == 0


def test_groups_of_an_update_are_divided_by_ranks(tmp_path: Path, policy: Path) -> None:
    prompts = {"update": {"prompts_per_update": 8}, "prompts_per_step": 8}
    at = subject(tmp_path, policy, with_gpus(2), GPUS, model=prompts)
    assert Rank.of(at).groups_per_update == 4
    assert Rank.of(at).adapter_rank == 0
    at = subject(tmp_path, policy, model={"policy": {"init_args": {"lora": {"rank": 3}}}})
    assert Rank.of(at).adapter_rank == 3
