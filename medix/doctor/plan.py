"""Which processes a spec starts, and on which devices: from the trainer's arguments; the trainer is not built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, SingleDeviceStrategy, Strategy
from lightning.pytorch.strategies import StrategyRegistry as Registry

from medix.doctor.machine import Machine
from medix.modules.precision import check_precision
from medix.modules.strategy import by_name, check_precision_of, check_strategy
from medix.modules.zero_strategy import ZeroStrategy
from medix.spec.trainer_keys import long_form

_GPU = ("gpu", "cuda")
_MIXED = ("bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class Zero:
    """What DeepSpeed ZeRO divides among the ranks, and what it keeps in main memory.

    Attributes:
        stage: 1 optimiser state and float32 weights, 2 gradients too, 3 also the weights.
        offloads_optimizer: whether optimiser state and float32 weights are in main memory.
        offloads_parameters: whether the parts of the weights are.
        bucket: elements of the buffer in which gradients are reduced.
    """

    stage: int
    offloads_optimizer: bool = False
    offloads_parameters: bool = False
    bucket: int = 500_000_000

    @classmethod
    def of(cls, strategy: ZeroStrategy) -> "Zero":
        """What a strategy of ours divides."""
        bucket = int(float(strategy.zero_optimization.get("reduce_bucket_size", cls.bucket)))
        return cls(strategy.stage, strategy.offload_optimizer, strategy.offload_parameters, bucket)


@dataclass(frozen=True)
class Plan:
    """Processes, devices and precision of a run.

    Attributes:
        on_gpu: whether training runs on GPUs.
        devices: processes per machine.
        nodes: machines.
        gpus: indices of the GPUs that training uses here; fewer than ``devices`` if there are too few.
        kind: ``single``, ``ddp``, ``sharded`` (FSDP2) or ``zero``.
        precision: the trainer's, in Lightning's long form such as ``bf16-mixed``.
        fault: why the strategy cannot be used; empty if it can.
        precision_fault: why the precision cannot be used; empty if it can.
        zero: what DeepSpeed ZeRO divides; None with another strategy.
    """

    on_gpu: bool
    devices: int
    nodes: int
    gpus: tuple[int, ...]
    kind: str
    precision: str
    fault: str = ""
    precision_fault: str = ""
    zero: Zero | None = None

    @property
    def ranks(self) -> int:
        """Processes on all machines."""
        return self.devices * self.nodes

    @property
    def shards(self) -> int:
        """Ranks over which one copy of the weights is sharded."""
        return self._divided_from(stage=3)

    @property
    def gradient_shards(self) -> int:
        """Ranks over which the gradients are divided."""
        return self._divided_from(stage=2)

    @property
    def offloads_optimizer(self) -> bool:
        """Whether optimiser state, float32 weights and gradients are in main memory, and not on the GPUs."""
        return self.on_gpu and self.zero is not None and self.zero.offloads_optimizer

    @property
    def offloads_parameters(self) -> bool:
        """Whether the parts of the weights are in main memory, and not on the GPUs."""
        return self.on_gpu and self.zero is not None and self.zero.offloads_parameters

    @property
    def state_shards(self) -> int:
        """Ranks over which the state of the optimizer is divided."""
        return self._divided_from(stage=1)

    def _divided_from(self, stage: int) -> int:
        is_divided = self.kind == "sharded" or (self.zero is not None and self.zero.stage >= stage)
        return self.ranks if is_divided else 1

    @property
    def is_mixed(self) -> bool:
        """Whether it computes in 16 bits on float32 weights."""
        return self.precision in _MIXED

    @property
    def gathers_in_16_bit(self) -> bool:
        """Whether passes compute with weights in 16 bits, of which float32 ones are kept in parts."""
        return self.kind in ("sharded", "zero") and self.precision == "bf16-mixed"

    @classmethod
    def of(cls, trainer: Mapping[str, Any], machine: Machine) -> "Plan":
        """Resolve the trainer's arguments as Lightning does.

        Args:
            trainer: ``accelerator``, ``devices``, ``num_nodes``, ``strategy``, ``precision`` and others.
            machine: the machine to run on.
        """
        accelerator = str(trainer.get("accelerator") or "auto")
        on_gpu = accelerator in _GPU or (accelerator == "auto" and bool(machine.visible))
        devices, gpus = _devices(trainer.get("devices", "auto"), machine, on_gpu)
        nodes = int(trainer.get("num_nodes") or 1)
        strategy = trainer.get("strategy") or "auto"
        try:
            strategy = by_name(strategy) if isinstance(strategy, str) else strategy
        except ValueError as error:
            kind, fault = "single", str(error)
        else:
            kind, fault = _kind(strategy, devices, nodes)
        precision = long_form(trainer.get("precision"))
        zero = Zero.of(strategy) if isinstance(strategy, ZeroStrategy) else None
        return cls(on_gpu, devices, nodes, gpus, kind, precision, fault, _precision_fault(trainer, strategy), zero)


def _precision_fault(trainer: Mapping[str, Any], strategy: Strategy | str) -> str:
    """Why the precision cannot be used; empty if it can."""
    try:
        check_precision(trainer.get("precision"), trainer.get("plugins"))
        if isinstance(strategy, Strategy):
            check_precision_of(strategy, long_form(trainer.get("precision")))
    except ValueError as error:
        return str(error)
    return ""


def _devices(given: Any, machine: Machine, on_gpu: bool) -> tuple[int, tuple[int, ...]]:
    """Number of processes, and the GPUs they use."""
    text = str(given).strip("[] ")
    if isinstance(given, Sequence) and not isinstance(given, str):
        chosen = [int(one) for one in given]
    elif "," in text:
        chosen = [int(one) for one in text.split(",") if one.strip()]
    else:
        everything = text in ("auto", "-1")
        count = (len(machine.visible) if on_gpu else 1) if everything else int(text)
        chosen = list(range(max(count, 1)))
    if not on_gpu:
        return len(chosen), ()
    return len(chosen), tuple(machine.visible[index] for index in chosen if index < len(machine.visible))


def _kind(strategy: Any, devices: int, nodes: int) -> tuple[str, str]:
    """Kind of the strategy, and why it cannot be used, if so."""
    if isinstance(strategy, ModelParallelStrategy):
        return "sharded", _sharding_fault(strategy, devices, nodes)
    if strategy == "auto":
        return ("single" if devices * nodes == 1 else "ddp"), ""
    if isinstance(strategy, str):
        strategy = Registry.get(strategy)
    fault = _refused(strategy)
    kind = "ddp" if isinstance(strategy, DDPStrategy) else "single"
    kind = "zero" if isinstance(strategy, ZeroStrategy) else kind
    if isinstance(strategy, SingleDeviceStrategy) and devices * nodes > 1:
        fault = f"trainer.strategy: {type(strategy).__name__} cannot use {devices * nodes} devices; set ddp"
    return kind, fault


def _refused(strategy: Strategy) -> str:
    try:
        check_strategy(strategy)
    except ValueError as error:
        return str(error)
    return ""


def _sharding_fault(strategy: ModelParallelStrategy, devices: int, nodes: int) -> str:
    """What ``check_strategy`` will report once the device mesh exists."""
    data = nodes if strategy._data_parallel_size == "auto" else int(strategy._data_parallel_size)
    tensor = devices if strategy._tensor_parallel_size == "auto" else int(strategy._tensor_parallel_size)
    right = f"data_parallel_size: {devices * nodes}, tensor_parallel_size: 1, save_distributed_checkpoint: false"
    if tensor != 1:
        return (
            f"trainer.strategy: ModelParallelStrategy.tensor_parallel_size is {tensor} (auto means all ranks of a "
            f"node), but tensor parallelism is not supported; set {right}"
        )
    if data * tensor != devices * nodes:
        return (
            f"trainer.strategy: data_parallel_size {data} x tensor_parallel_size {tensor} = {data * tensor}, but "
            f"trainer.devices {devices} x trainer.num_nodes {nodes} = {devices * nodes}; set {right}"
        )
    if strategy._save_distributed_checkpoint:
        return (
            "trainer.strategy: ModelParallelStrategy.save_distributed_checkpoint is true, its default, but resuming, "
            "export and validate need a checkpoint in a single file; set it to false"
        )
    return ""
