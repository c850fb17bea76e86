"""Ranks, GPUs and strategy, from arguments of a trainer."""

from typing import Any

import pytest
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, ModelParallelStrategy, SingleDeviceStrategy

from medix.commands.doctor_plan import Plan
from tests.support.doctoring import ROOMY, with_gpus


def plan(gpus: int = 8, **trainer: Any) -> Plan:
    return Plan.of(trainer, with_gpus(gpus) if gpus else ROOMY)


def shares(data: Any = 8, tensor: Any = 1, distributed: bool = False) -> ModelParallelStrategy:
    return ModelParallelStrategy(
        data_parallel_size=data, tensor_parallel_size=tensor, save_distributed_checkpoint=distributed
    )


def test_the_strategy_of_the_paper_shares_weights_over_eight() -> None:
    found = plan(accelerator="gpu", devices=8, precision="bf16-mixed", strategy=shares())
    assert (found.kind, found.ranks, found.shards, found.fault) == ("sharded", 8, 8, "")
    assert found.gpus == tuple(range(8))
    assert found.mixes
    assert found.gathered_in_16_bits


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
    assert plan(accelerator="gpu", devices=4, num_nodes=2, strategy=shares()).ranks == 8


@pytest.mark.parametrize(
    ("strategy", "devices", "kind"),
    [("auto", 1, "single"), ("auto", 2, "ddp"), ("ddp", 2, "ddp"), (DDPStrategy(), 2, "ddp"), (None, 1, "single")],
)
def test_usual_strategies_keep_whole_weights(strategy: Any, devices: int, kind: str) -> None:
    found = plan(accelerator="gpu", devices=devices, strategy=strategy)
    assert (found.kind, found.shards, found.fault) == (kind, 1, "")


@pytest.mark.parametrize(
    ("given", "found"), [(None, "32-true"), (32, "32-true"), ("bf16", "bf16-mixed"), ("bf16-true", "bf16-true")]
)
def test_precision_has_one_name(given: Any, found: str) -> None:
    assert plan(precision=given).precision == found


@pytest.mark.parametrize(
    ("strategy", "devices", "said"),
    [
        (shares(data=4), 8, "data_parallel_size 4 x tensor_parallel_size 1 = 4, but trainer.devices 8 x .* = 8"),
        (shares("auto", "auto"), 8, "tensor_parallel_size is 8"),
        (shares(distributed=True), 8, "save_distributed_checkpoint is true"),
        (FSDPStrategy(), 8, "trainer.strategy: FSDPStrategy is not supported"),
        ("fsdp", 8, "trainer.strategy: FSDPStrategy is not supported"),
        ("fdsp", 8, "'fdsp' is no strategy of Lightning"),
        (SingleDeviceStrategy("cpu"), 2, "no use for 2 devices"),
    ],
)
def test_a_strategy_that_cannot_train_is_a_fault_with_what_to_give(strategy: Any, devices: int, said: str) -> None:
    import re

    fault = plan(accelerator="gpu", devices=devices, strategy=strategy).fault
    assert re.search(said, fault)
    assert re.search("give|Give|Set", fault)
