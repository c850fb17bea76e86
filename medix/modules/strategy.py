"""Which strategies train a policy rightly, and what the policy must do for each."""

import torch
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, SingleDeviceStrategy, Strategy

from medix.policy.base import Policy

_SHARDED = (
    "{class_path: lightning.pytorch.strategies.ModelParallelStrategy, init_args: {data_parallel_size: RANKS, "
    "tensor_parallel_size: 1, save_distributed_checkpoint: false}}"
)


def check_strategy(strategy: Strategy) -> None:
    """Refuse a strategy under which an update would not be what it says.

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
    """Prepare a policy, its weights loaded.

    Args:
        policy: gets the obligation to give every parameter a gradient, and its weights sharded, where that is needed.
        strategy: of the trainer.
        precision: of the trainer; under ``bf16-mixed`` sharded weights stay float32 and are gathered in bfloat16.
    """
    policy.every_parameter = policy.every_parameter or isinstance(strategy, DDPStrategy | ModelParallelStrategy)
    if isinstance(strategy, ModelParallelStrategy):
        _check_sharded(strategy)
        # Autocast would cast whole weights again and again; sharded weights are cast before they are gathered.
        compute_dtype = torch.bfloat16 if precision == "bf16-mixed" else None
        policy.shard(strategy.device_mesh["data_parallel"], compute_dtype)


def _ranks(strategy: Strategy) -> int:
    return int(getattr(strategy, "world_size", 1))
