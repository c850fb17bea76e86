"""Which processes a spec starts, and on what: read from the arguments of the trainer, which is not built."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, SingleDeviceStrategy, Strategy
from lightning.pytorch.strategies import StrategyRegistry as Registry

from medix.commands.doctor_machine import Machine
from medix.modules.strategy import check_strategy

_GPU = ("gpu", "cuda")
_BF16 = ("bf16-mixed", "16-mixed")


@dataclass(frozen=True)
class Plan:
    """The processes of a run.

    Attributes:
        on_gpu: whether they compute on GPUs.
        devices: processes on this machine.
        nodes: machines.
        gpus: indices of the GPUs that training takes here; fewer than ``devices`` if there are too few.
        kind: ``single``, ``ddp`` or ``sharded``.
        precision: as the trainer is told.
        fault: why the strategy cannot train; empty if it can.
    """

    on_gpu: bool
    devices: int
    nodes: int
    gpus: tuple[int, ...]
    kind: str
    precision: str
    fault: str = ""

    @property
    def ranks(self) -> int:
        """Processes in all."""
        return self.devices * self.nodes

    @property
    def shards(self) -> int:
        """Ranks that share one copy of the weights."""
        return self.ranks if self.kind == "sharded" else 1

    @property
    def mixes(self) -> bool:
        """Whether it computes in 16 bits on weights in 32."""
        return self.precision in _BF16

    @property
    def gathered_in_16_bits(self) -> bool:
        """Whether shares of weights are gathered in 16 bits."""
        return self.kind == "sharded" and self.precision == "bf16-mixed"

    @classmethod
    def of(cls, trainer: Mapping[str, Any], machine: Machine) -> "Plan":
        """Resolve the arguments of a trainer as Lightning does.

        Args:
            trainer: ``accelerator``, ``devices``, ``num_nodes``, ``strategy``, ``precision`` and others.
            machine: where it will run.
        """
        accelerator = str(trainer.get("accelerator") or "auto")
        on_gpu = accelerator in _GPU or (accelerator == "auto" and bool(machine.visible))
        devices, gpus = _devices(trainer.get("devices", "auto"), machine, on_gpu)
        nodes = int(trainer.get("num_nodes") or 1)
        strategy = trainer.get("strategy") or "auto"
        kind, fault = _kind(strategy, devices, nodes)
        return cls(on_gpu, devices, nodes, gpus, kind, _precision(trainer.get("precision")), fault)


def _precision(given: Any) -> str:
    aliases = {"None": "32-true", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed", "64": "64-true"}
    return aliases.get(str(given), str(given))


def _devices(given: Any, machine: Machine, on_gpu: bool) -> tuple[int, tuple[int, ...]]:
    """How many processes, and the GPUs they take."""
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
    return len(chosen), tuple(machine.visible[place] for place in chosen if place < len(machine.visible))


def _kind(strategy: Any, devices: int, nodes: int) -> tuple[str, str]:
    """What the strategy does with the weights, and why it cannot train, if so."""
    if isinstance(strategy, ModelParallelStrategy):
        return "sharded", _fault_of_shares(strategy, devices, nodes)
    if strategy == "auto":
        return ("single" if devices * nodes == 1 else "ddp"), ""
    if isinstance(strategy, str):
        if strategy not in Registry.available_strategies():
            return "single", f"trainer.strategy: {strategy!r} is no strategy of Lightning; give ddp or auto"
        strategy = Registry.get(strategy)
    fault = _refused(strategy)
    kind = "ddp" if isinstance(strategy, DDPStrategy) else "single"
    if isinstance(strategy, SingleDeviceStrategy) and devices * nodes > 1:
        fault = f"trainer.strategy: {type(strategy).__name__} has no use for {devices * nodes} devices; give ddp"
    return kind, fault


def _refused(strategy: Strategy) -> str:
    try:
        check_strategy(strategy)
    except ValueError as error:
        return str(error)
    return ""


def _fault_of_shares(strategy: ModelParallelStrategy, devices: int, nodes: int) -> str:
    """As ``check_strategy`` will say once there is a mesh of devices."""
    data = nodes if strategy._data_parallel_size == "auto" else int(strategy._data_parallel_size)
    tensor = devices if strategy._tensor_parallel_size == "auto" else int(strategy._tensor_parallel_size)
    right = f"data_parallel_size: {devices * nodes}, tensor_parallel_size: 1, save_distributed_checkpoint: false"
    if tensor != 1:
        return (
            f"trainer.strategy: ModelParallelStrategy.tensor_parallel_size is {tensor} (auto takes all ranks of a "
            f"node), but layers are sharded and not split; give {right}"
        )
    if data * tensor != devices * nodes:
        return (
            f"trainer.strategy: data_parallel_size {data} x tensor_parallel_size {tensor} = {data * tensor}, but "
            f"trainer.devices {devices} x trainer.num_nodes {nodes} = {devices * nodes}; give {right}"
        )
    if strategy._save_distributed_checkpoint:
        return (
            "trainer.strategy: ModelParallelStrategy.save_distributed_checkpoint is true, its default; a run goes on "
            "from, and export and validate read, a checkpoint in one file. Set it to false"
        )
    return ""
