"""Ranks, GPUs and strategy, from the trainer's arguments."""

from typing import Any

import pytest
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, ModelParallelStrategy, SingleDeviceStrategy

from medix.doctor.plan import Plan, Zero
from medix.modules.zero_strategy import ZeroStrategy
from tests.support.doctoring import ROOMY, with_gpus


def plan(gpus: int = 8, **trainer: Any) -> Plan:
    return Plan.of(trainer, with_gpus(gpus) if gpus else ROOMY)


def sharded(data: Any = 8, tensor: Any = 1, distributed: bool = False) -> ModelParallelStrategy:
    return ModelParallelStrategy(
        data_parallel_size=data, tensor_parallel_size=tensor, save_distributed_checkpoint=distributed
    )


def test_the_strategy_of_the_paper_shards_weights_over_eight() -> None:
    found = plan(accelerator="gpu", devices=8, precision="bf16-mixed", strategy=sharded())
    assert (found.kind, found.ranks, found.shards, found.fault) == ("sharded", 8, 8, "")
    assert found.gpus == tuple(range(8))
    assert found.is_mixed
    assert found.gathers_in_16_bit


@pytest.mark.parametrize(
    ("gpus", "trainer", "devices", "taken"),
    [
        (8, {"accelerator": "gpu", "devices": 3}, 3, (0, 1, 2)),
        (8, {"accelerator": "gpu", "devices": [5, 7]}, 2, (5, 7)),
        (8, {"accelerator": "gpu", "devices": "5,7"}, 2, (5, 7)),
        (8, {"accelerator": "cuda", "devices": "auto"}, 8, tuple(range(8))),
        (8, {"accelerator": "gpu", "devices": -1}, 8, tuple(range(8))),
        (2, {"accelerator": "gpu", "devices": 4}, 4, (0, 1)),
        (2, {}, 2, (0, 1)),
        (0, {}, 1, ()),
        (8, {"accelerator": "cpu", "devices": 2}, 2, ()),
    ],
)
def test_devices_are_counted_as_lightning_does(
    gpus: int, trainer: dict[str, Any], devices: int, taken: tuple[int, ...]
) -> None:
    found = plan(gpus, **trainer)
    assert (found.devices, found.gpus, found.on_gpu) == (devices, taken, bool(taken))


def test_ranks_are_devices_times_nodes() -> None:
    assert plan(accelerator="gpu", devices=4, num_nodes=2, strategy=sharded()).ranks == 8


@pytest.mark.parametrize(
    ("strategy", "devices", "kind"),
    [("auto", 1, "single"), ("auto", 2, "ddp"), ("ddp", 2, "ddp"), (DDPStrategy(), 2, "ddp"), (None, 1, "single")],
)
def test_other_strategies_replicate_weights(strategy: Any, devices: int, kind: str) -> None:
    found = plan(accelerator="gpu", devices=devices, strategy=strategy)
    assert (found.kind, found.shards, found.fault) == (kind, 1, "")


@pytest.mark.parametrize(
    ("given", "found"), [(None, "32-true"), (32, "32-true"), ("bf16", "bf16-mixed"), ("bf16-true", "bf16-true")]
)
def test_precision_is_given_in_its_long_form(given: Any, found: str) -> None:
    assert plan(precision=given).precision == found


@pytest.mark.parametrize(
    ("strategy", "devices", "said"),
    [
        (sharded(data=4), 8, "data_parallel_size 4 x tensor_parallel_size 1 = 4, but trainer.devices 8 x .* = 8"),
        (sharded("auto", "auto"), 8, "tensor_parallel_size is 8"),
        (sharded(distributed=True), 8, "save_distributed_checkpoint is true"),
        (FSDPStrategy(), 8, "trainer.strategy: FSDPStrategy is not supported"),
        ("fsdp", 8, "trainer.strategy: FSDPStrategy is not supported"),
        ("fdsp", 8, "'fdsp' is not a strategy of Lightning"),
        (SingleDeviceStrategy("cpu"), 2, "cannot use 2 devices"),
    ],
)
def test_a_strategy_that_cannot_train_is_a_fault_with_a_remedy(strategy: Any, devices: int, said: str) -> None:
    import re

    fault = plan(accelerator="gpu", devices=devices, strategy=strategy).fault
    assert re.search(said, fault)
    assert re.search("Give|[Ss]et", fault)


@pytest.mark.parametrize(
    ("strategy", "divided", "offloads"),
    [
        ("deepspeed_stage_1", (8, 1, 1), (False, False)),
        (ZeroStrategy(stage=2, offload_optimizer=True), (8, 8, 1), (True, False)),
        ("deepspeed_stage_3", (8, 8, 8), (False, False)),
        ("deepspeed_stage_3_offload", (8, 8, 8), (True, True)),
    ],
)
def test_each_stage_of_zero_divides_more(
    strategy: Any, divided: tuple[int, int, int], offloads: tuple[bool, bool]
) -> None:
    """Optimizer state, gradients, weights."""
    found = plan(accelerator="gpu", devices=8, precision="bf16-mixed", strategy=strategy)
    assert (found.kind, found.fault, found.precision_fault) == ("zero", "", "")
    assert (found.state_shards, found.gradient_shards, found.shards) == divided
    assert (found.offloads_optimizer, found.offloads_parameters) == offloads
    assert found.gathers_in_16_bit
    on_cpu = plan(accelerator="cpu", devices=8, strategy=strategy)
    assert not on_cpu.offloads_optimizer  # it is in main memory anyway
    assert not on_cpu.offloads_parameters


def test_zero_has_a_bucket_of_its_own_size_and_no_true_16_bit_precision() -> None:
    strategy = ZeroStrategy(zero_optimization={"reduce_bucket_size": 2e8})
    found = plan(accelerator="gpu", devices=8, precision="bf16-true", strategy=strategy)
    assert found.zero == Zero(3, bucket=200_000_000)
    assert "bf16-true keeps no float32 weights" in found.precision_fault
