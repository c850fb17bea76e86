"""The Lightning strategies that training supports, and what each requires."""

import importlib.util
from typing import Any

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.strategies import (
    DDPStrategy,
    DeepSpeedStrategy,
    ModelParallelStrategy,
    SingleDeviceStrategy,
    Strategy,
    StrategyRegistry,
)

from medix.modules.precision import check_plugin, keep_default_dtype
from medix.modules.zero_strategy import ZeroStrategy
from medix.policy.base import Policy
from medix.policy.replicated import Replicated

_SHARDED = (
    "{class_path: lightning.pytorch.strategies.ModelParallelStrategy, init_args: {data_parallel_size: RANKS, "
    "tensor_parallel_size: 1, save_distributed_checkpoint: false}}"
)

_ZERO: dict[str, dict[str, Any]] = {
    "deepspeed": {"stage": 2},
    "deepspeed_stage_1": {"stage": 1},
    "deepspeed_stage_2": {"stage": 2},
    "deepspeed_stage_2_offload": {"stage": 2, "offload_optimizer": True},
    "deepspeed_stage_3": {"stage": 3},
    "deepspeed_stage_3_offload": {"stage": 3, "offload_optimizer": True, "offload_parameters": True},
}
"""Lightning's names, without ``deepspeed_stage_3_offload_nvme``."""


def check_trainer(trainer: Trainer, updates_per_step: int, create: OptimizerCallable) -> None:
    """Refuse trainer settings that training does not support.

    Args:
        trainer: with its devices.
        updates_per_step: optimiser calls of one step.
        create: makes the optimizer of the run.

    Raises:
        ValueError: names the key and what to give instead.
    """
    check_strategy(trainer.strategy)
    if isinstance(trainer.strategy, ZeroStrategy):
        trainer.strategy.check(create)
    check_plugin(trainer.precision_plugin)
    check_precision_of(trainer.strategy, str(trainer.precision))
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
    elif isinstance(strategy, DeepSpeedStrategy):
        raise ValueError(
            f"trainer.strategy: Lightning's {type(strategy).__name__} counts passes wrongly where one training step "
            "makes several, and writes checkpoints that run code when they are read; give deepspeed_stage_3, which "
            "stands for {class_path: medix.modules.ZeroStrategy, init_args: {stage: 3}} here"
        )
    elif isinstance(strategy, ZeroStrategy) and importlib.util.find_spec("deepspeed") is None:
        raise ValueError("trainer.strategy: ZeroStrategy needs DeepSpeed; pip install 'medix-rl[deepspeed]'")
    elif not isinstance(strategy, SingleDeviceStrategy | DDPStrategy):
        raise ValueError(
            f"trainer.strategy: {type(strategy).__name__} is not supported: a step makes several backward passes, "
            "clips the gradient once and samples in between; tested are one device, ddp, and sharded "
            f"weights. Give ddp, or to shard weights {_SHARDED.replace('RANKS', str(_ranks(strategy)))} "
            "or deepspeed_stage_3"
        )


def check_precision_of(strategy: Strategy, precision: str) -> None:
    """Refuse a precision that a strategy does not have.

    Args:
        strategy: of the trainer.
        precision: in Lightning's long form.

    Raises:
        ValueError: names both.
    """
    if isinstance(strategy, ZeroStrategy) and precision == "bf16-true":
        raise ValueError(
            "trainer.precision: bf16-true keeps no float32 weights, and ZeroStrategy always does; give bf16-mixed, "
            "which computes with bfloat16 weights there"
        )


def by_name(name: str) -> Strategy | str:
    """The strategy that a spec means by a name: for Lightning's names of DeepSpeed's, ours.

    Raises:
        ValueError: nothing has this name, or it is one of DeepSpeed's that we do not have; with those to give.
    """
    if name in _ZERO:
        return ZeroStrategy(**_ZERO[name])
    if name.startswith("deepspeed"):
        raise ValueError(f"trainer.strategy: {name} is not supported; give one of {', '.join(_ZERO)}")
    if name != "auto" and name not in StrategyRegistry.available_strategies():
        raise ValueError(
            f"trainer.strategy: {name!r} is not a strategy of Lightning; set auto, ddp, deepspeed_stage_3, or to shard "
            f"weights with FSDP2 {_SHARDED}"
        )
    return name


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
        policy: is told how its weights lie on the ranks, and to give every parameter a gradient if there are several;
            it is sharded if the strategy has a device mesh. ``ZeroStrategy`` divides it later.
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
    elif isinstance(strategy, DDPStrategy) and not isinstance(strategy, ZeroStrategy):
        policy.sharding = Replicated(strategy.block_backward_sync)


def _ranks(strategy: Strategy) -> int:
    return int(getattr(strategy, "world_size", 1))
