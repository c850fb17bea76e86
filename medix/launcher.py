"""What has started the ranks of a run, read from the environment that it gives them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_INTERACTIVE = ("bash", "interactive")
"""Names of Slurm jobs that Lightning takes for a shell, in which it starts ranks itself."""


@dataclass(frozen=True)
class Launcher:
    """torchrun, or Slurm's srun: it has started one process for each rank.

    Attributes:
        name: of the launcher.
        devices: ranks on each node.
        nodes: machines.
        variables: what it set, for messages.
    """

    name: str
    devices: int
    nodes: int
    variables: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Launcher | None":
        """The launcher of this process; None where Lightning starts the ranks, or there is only one.

        torchrun comes first, as in Lightning: Slurm may have started it.

        Args:
            environment: of this process.

        Raises:
            ValueError: ranks were asked for that nothing starts, or unequal numbers of them on the nodes.
        """
        if "TORCHELASTIC_RUN_ID" in environment:
            return cls._of_torchrun(environment)
        if "SLURM_NTASKS" in environment:
            return cls._of_slurm(environment)
        _check_started(environment)
        return None

    @classmethod
    def _of_torchrun(cls, environment: Mapping[str, str]) -> "Launcher":
        ranks, local = int(environment["WORLD_SIZE"]), int(environment["LOCAL_WORLD_SIZE"])
        if ranks % local:
            raise ValueError(
                f"torchrun: LOCAL_WORLD_SIZE {local} of WORLD_SIZE {ranks}: the nodes have different numbers of ranks; "
                "give every node the same --nproc-per-node"
            )
        return cls("torchrun", local, ranks // local, f"LOCAL_WORLD_SIZE {local}, WORLD_SIZE {ranks}")

    @classmethod
    def _of_slurm(cls, environment: Mapping[str, str]) -> "Launcher | None":
        ranks, nodes = int(environment["SLURM_NTASKS"]), int(environment.get("SLURM_NNODES", "1"))
        name = environment.get("SLURM_JOB_NAME", "")
        is_step = "SLURM_STEP_ID" in environment
        if name in _INTERACTIVE:
            if is_step and int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:
                raise ValueError(
                    f"Slurm: SLURM_JOB_NAME {name}: Lightning takes a job of this name for a shell, and each of the "
                    f"{environment['SLURM_STEP_NUM_TASKS']} tasks would train alone; give srun --job-name=medix"
                )
            return None
        if ranks > 1 and not is_step:
            raise ValueError(
                f"Slurm: SLURM_NTASKS {ranks}, but this process was not started by srun and would wait for the others; "
                "start it with srun python -m medix ..."
            )
        if ranks > 1 and environment.get("SLURM_NTASKS_PER_NODE") != str(ranks / nodes).removesuffix(".0"):
            raise ValueError(
                f"Slurm: SLURM_NTASKS {ranks}, SLURM_NNODES {nodes}, SLURM_NTASKS_PER_NODE "
                f"{environment.get('SLURM_NTASKS_PER_NODE', 'not set')}: every node needs the same stated number of "
                "ranks; give --nodes and --ntasks-per-node, and no --ntasks"
            )
        return cls("Slurm", ranks // nodes, nodes, f"SLURM_NTASKS {ranks}, SLURM_NNODES {nodes}")

    def resolve(self, trainer: Mapping[str, Any], is_nodes_stated: bool) -> dict[str, int]:
        """``devices`` and ``num_nodes`` of this run, for a spec that does not state them or states the same.

        Args:
            trainer: its arguments in the spec; ``devices: auto`` or -1 states nothing.
            is_nodes_stated: whether ``num_nodes`` stands in the spec, also as 1.

        Raises:
            ValueError: the spec states other numbers than the launcher.
        """
        stated = {}
        if (devices := _number(trainer.get("devices"))) is not None:
            stated["devices"] = devices
        if is_nodes_stated and trainer.get("num_nodes") is not None:
            stated["num_nodes"] = int(trainer["num_nodes"])
        started = {"devices": self.devices, "num_nodes": self.nodes}
        for key, value in stated.items():
            if value != started[key]:
                raise ValueError(
                    f"trainer.{key}: {value} in the spec, but {self.name} has started {self} ({self.variables}); leave "
                    f"the key out, which reads it from there, or have {self.name} start what the spec states"
                )
        return started

    def check_shards(self, strategy: Any) -> None:
        """Refuse a strategy that shards weights over another number of ranks.

        Args:
            strategy: the trainer's.

        Raises:
            ValueError: names both numbers.
        """
        size = getattr(strategy, "_data_parallel_size", None)
        ranks = self.devices * self.nodes
        if isinstance(size, int) and size != ranks:
            raise ValueError(
                f"trainer.strategy: data_parallel_size {size} in the spec, but {self.name} has started {self} "
                f"({self.variables}); set data_parallel_size: {ranks}, or have {self.name} start {size}"
            )

    def __str__(self) -> str:
        ranks = self.devices * self.nodes
        text = "1 rank" if ranks == 1 else f"{ranks} ranks"
        return text if self.nodes == 1 else f"{text}, {self.devices} on each of {self.nodes} nodes"


def _number(devices: Any) -> int | None:
    """How many devices a spec states; None if it states none."""
    if isinstance(devices, list | tuple):
        return len(devices)
    text = str(devices).strip("[] ")
    if "," in text:
        return len([one for one in text.split(",") if one.strip()])
    return int(text) if text.isdigit() else None


def _check_started(environment: Mapping[str, str]) -> None:
    """Refuse a process of which there are to be several, as in a pod, where nothing has started the ranks."""
    if "LOCAL_RANK" in environment or "NODE_RANK" in environment:  # Lightning's own
        return
    for name in ("PET_NNODES", "PET_NPROC_PER_NODE", "WORLD_SIZE"):
        value = environment.get(name, "1")
        if value not in ("", "1"):
            raise ValueError(
                f"{name}: {value} in the environment asks for several ranks, but nothing has started them, and each "
                "machine would train alone; start with torchrun -m medix ..., which reads PET_*, or unset it"
            )
