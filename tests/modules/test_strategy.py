"""Strategies that train rightly, and those that are refused."""

from types import SimpleNamespace
from typing import Any

import pytest
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, ModelParallelStrategy, SingleDeviceStrategy

from medix.modules.strategy import check_strategy, distribute
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


@pytest.mark.parametrize(("strategy", "expected"), [(SingleDeviceStrategy(), False), (DDPStrategy(), True)])
def test_every_parameter_gets_a_gradient_where_ranks_wait_for_all(strategy: Any, expected: bool) -> None:
    policy = BigramPolicy()
    distribute(policy, strategy, "32-true")
    assert policy.every_parameter is expected
