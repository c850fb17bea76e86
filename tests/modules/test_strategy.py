"""Strategies that train rightly, and those that are refused."""

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    FSDPStrategy,
    ModelParallelStrategy,
    SingleDeviceStrategy,
)

from medix.modules.strategy import by_name, check_precision_of, check_strategy, distribute
from medix.modules.zero_strategy import ZeroStrategy
from medix.policy.replicated import Replicated
from tests.support.policies import BigramPolicy


class Mesh(dict[str, Any]):
    """Sizes of the dimensions of a device mesh."""


def sharded(tensor_parallel: int, *, logprobs_in_chunks: bool) -> ModelParallelStrategy:
    strategy = ModelParallelStrategy(save_distributed_checkpoint=logprobs_in_chunks)
    strategy._device_mesh = Mesh(tensor_parallel=SimpleNamespace(size=lambda: tensor_parallel))  # type: ignore[assignment]
    return strategy


def test_one_device_ddp_and_sharded_weights_pass() -> None:
    for strategy in (SingleDeviceStrategy(), DDPStrategy(), sharded(1, logprobs_in_chunks=False)):
        check_strategy(strategy)


def test_another_strategy_is_refused_by_name_with_what_to_give() -> None:
    with pytest.raises(ValueError, match=r"trainer\.strategy: FSDPStrategy.*ModelParallelStrategy"):
        check_strategy(FSDPStrategy())


def test_splitting_layers_is_refused_with_sizes_to_give() -> None:
    with pytest.raises(ValueError, match=r"tensor_parallel_size is 2.*data_parallel_size: 1"):
        check_strategy(sharded(2, logprobs_in_chunks=False))


def test_a_checkpoint_in_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="save_distributed_checkpoint is true"):
        check_strategy(sharded(1, logprobs_in_chunks=True))


def test_deepspeed_of_lightning_is_refused_with_the_name_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PL_DEEPSPEED_CONFIG_PATH", raising=False)
    with pytest.raises(ValueError, match=r"DeepSpeedStrategy counts.*give deepspeed_stage_3, .*medix.modules.Zero"):
        check_strategy(DeepSpeedStrategy(stage=3))


@pytest.mark.parametrize(
    ("name", "stage", "offloads"),
    [
        ("deepspeed", 2, (False, False)),
        ("deepspeed_stage_1", 1, (False, False)),
        ("deepspeed_stage_2_offload", 2, (True, False)),
        ("deepspeed_stage_3", 3, (False, False)),
        ("deepspeed_stage_3_offload", 3, (True, True)),
    ],
)
def test_names_of_deepspeed_stand_for_our_strategy(name: str, stage: int, offloads: tuple[bool, bool]) -> None:
    strategy = by_name(name)
    assert isinstance(strategy, ZeroStrategy)
    assert (strategy.stage, (strategy.offload_optimizer, strategy.offload_parameters)) == (stage, offloads)
    check_strategy(strategy)
    assert by_name("ddp") == "ddp"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("deepspeed_stage_3_offload_nvme", "deepspeed_stage_3_offload_nvme is not supported; give .*_3_offload$"),
        ("fdsp", "'fdsp' is not a strategy of Lightning; set auto, ddp, deepspeed_stage_3, or .*ModelParallelStrategy"),
    ],
)
def test_an_unknown_name_is_refused_with_those_to_give(name: str, told: str) -> None:
    with pytest.raises(ValueError, match=rf"^trainer\.strategy: {told}"):
        by_name(name)


def test_without_deepspeed_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'medix-rl\[deepspeed\]'"):
        check_strategy(ZeroStrategy())


def test_zero_without_float32_weights_is_refused() -> None:
    check_precision_of(ZeroStrategy(), "bf16-mixed")
    check_precision_of(DDPStrategy(), "bf16-true")
    with pytest.raises(ValueError, match=r"bf16-true keeps no float32 weights.*bf16-mixed"):
        check_precision_of(ZeroStrategy(), "bf16-true")


@pytest.mark.parametrize(("strategy", "expected"), [(SingleDeviceStrategy(), False), (DDPStrategy(), True)])
def test_every_parameter_gets_a_gradient_where_ranks_wait_for_all(strategy: Any, expected: bool) -> None:
    policy = BigramPolicy()
    distribute(policy, strategy, "32-true")
    assert policy.every_parameter is expected
    assert isinstance(policy.sharding, Replicated) is expected
