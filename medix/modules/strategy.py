"""The Lightning strategies that training supports, and what each requires."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, SingleDeviceStrategy, Strategy

from medix.modules.precision import check_plugin, keep_default_dtype
from medix.policy.base import Policy

_SHARDED = (
    "{class_path: lightning.pytorch.strategies.ModelParallelStrategy, init_args: {data_parallel_size: RANKS, "
    "tensor_parallel_size: 1, save_distributed_checkpoint: false}}"
)


def check_trainer(trainer: Trainer, updates_per_step: int) -> None:
    """Refuse trainer settings that training does not support.

    Raises:
        ValueError: names the key and what to give instead.
    """
    check_strategy(trainer.strategy)
    check_plugin(trainer.precision_plugin)
    if trainer.max_steps != -1:
        raise ValueError(
            f"trainer.max_steps: {trainer.max_steps} counts optimiser calls, of which a step makes {updates_per_step}; "
            "leave it at -1 and set model.max_steps"
        )


def check_strategy(strategy: Strategy) -> None:
    """Refuse a strategy that training does not support.

    Raises:
        ValueError: names the strategy and what to give instead.
    """
    if isinstance(strategy, ModelParallelStrategy):
        _check_sharded(strategy)
    elif not isinstance(strategy, SingleDeviceStrategy | DDPStrategy):
        raise ValueError(
            f"trainer.strategy: {type(strategy).__name__} is not supported: a step makes several backward passes, "
            "clips the gradient once and samples in between; tested are one device, ddp, and sharded "
            f"weights. Give ddp, or to shard weights {_SHARDED.replace('RANKS', str(_ranks(strategy)))}"
        )


def _check_sharded(strategy: ModelParallelStrategy) -> None:
    ranks = _ranks(strategy)
    tensor_parallel = strategy.device_mesh["tensor_parallel"].size()
    if tensor_parallel != 1:
        raise ValueError(
            f"trainer.strategy: ModelParallelStrategy.tensor_parallel_size is {tensor_parallel} (auto takes all "
            "ranks of a node), but layers are sharded and not split. "
            f"Give {_SHARDED.replace('RANKS', str(ranks))}"
        )
    if strategy._save_distributed_checkpoint:
        raise ValueError(
            "trainer.strategy: ModelParallelStrategy.save_distributed_checkpoint is true, its default; a run goes on "
            "from, and export and validate read, a checkpoint in one file. Set it to false"
        )


def distribute(policy: Policy, strategy: Strategy, precision: str) -> None:
    """Prepare a policy for the strategy, once its weights are loaded.

    Args:
        policy: is told to give every parameter a gradient if there are several ranks, and is sharded if the strategy
            has a device mesh.
        strategy: of the trainer.
        precision: of the trainer; under ``bf16-mixed`` sharded weights stay float32 and are gathered in bfloat16.
    """
    keep_default_dtype(strategy.precision_plugin)
    policy.every_parameter = policy.every_parameter or isinstance(strategy, DDPStrategy | ModelParallelStrategy)
    if isinstance(strategy, ModelParallelStrategy):
        _check_sharded(strategy)
        # Autocast would cast the whole weights in every pass; shards are cast before they are gathered.
        compute_dtype = torch.bfloat16 if precision == "bf16-mixed" else None
        policy.shard(strategy.device_mesh["data_parallel"], compute_dtype)


def shards_parameters(strategy: Strategy) -> bool:
    """Whether every forward pass gathers weights from all ranks, so that ranks must make equally many passes."""
    return isinstance(strategy, ModelParallelStrategy)


def local_gradients(strategy: Strategy, stay: bool) -> AbstractContextManager[Any]:
    """Context in which backward passes do not average gradients over ranks, if ``stay`` is true."""
    return strategy.block_backward_sync() if stay and isinstance(strategy, DDPStrategy) else nullcontext()


def _ranks(strategy: Strategy) -> int:
    return int(getattr(strategy, "world_size", 1))
