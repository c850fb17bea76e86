"""Whether there are enough GPUs for training, rollout servers and judge servers, each with its own."""

import socket
from collections.abc import Iterator

from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding
from medix.doctor.machine import gib
from medix.doctor.servers import Server, servers_of
from medix.doctor.subject import Subject

BUSY = 0.1
"""Share of a GPU's memory in use above which another program is assumed to run on it."""
_CONNECT_SECONDS = 3.0


class GpusCheck(Check):
    """Compares the GPUs of the machine with those that training uses and those that local servers need.

    A local server that does not answer yet still needs at least one GPU. One that answers has allocated its memory
    already, which shows as memory in use.
    """

    name = "gpus"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """Whether the GPUs exist, are free, and are visible to torch."""
        plan, machine = subject.plan, subject.machine
        local = [server for server in servers_of(subject) if machine.is_local(server.host)]
        if plan.nodes > 1:
            for server in local:
                text = (
                    f"{server.key}: {server.address}, but trainer.num_nodes is {plan.nodes}: each node would ask itself"
                )
                yield self.problem(text, "set an address that all nodes can reach")
        if not plan.on_gpu:
            yield self.ok(f"trainer.accelerator: training runs on the CPU; this machine has {len(machine.gpus)} GPUs")
            return
        absent = [server for server in local if machine.is_planned or not answers(server.host_and_port)]
        if len(plan.gpus) < plan.devices:
            yield self._too_few(subject)
        else:
            yield from self._shared_out(subject, absent)
            yield from self._in_use(subject, [server for server in local if server not in absent])
        if machine.gpus and not machine.is_planned:
            yield from self._visible_to_torch(subject)

    def _too_few(self, subject: Subject) -> Finding:
        plan, machine = subject.plan, subject.machine
        hidden = len(machine.gpus) - len(machine.visible)
        text = f"trainer.devices: {plan.devices} GPUs, but this machine has {len(machine.visible)}"
        if hidden > 0:
            text += f" ({hidden} more are hidden by CUDA_VISIBLE_DEVICES)"
        remedy = "lower trainer.devices (and data_parallel_size, if weights are sharded)"
        return self.problem(text, f"{remedy}, or use another machine")

    def _shared_out(self, subject: Subject, absent: list[Server]) -> Iterator[Finding]:
        """Whether there are GPUs left for the servers that have to be started."""
        plan, machine = subject.plan, subject.machine
        total, training = len(machine.gpus), len(plan.gpus)
        left = total - training
        arithmetic = f"{total} GPUs - {training} for training (trainer.devices) = {left} left"
        if not absent:
            yield self.ok(f"{arithmetic}; no servers to start on this machine")
            return
        text = f"{arithmetic}; servers still to be started here need at least {len(absent)}: {_listed(absent)}"
        if left < len(absent):
            fewer = _devices_that_fit(subject, training - (len(absent) - left))
            sharded = " (data_parallel_size too)" if plan.kind == "sharded" else ""
            remedy = f"set trainer.devices to {fewer}{sharded}, " if fewer else ""
            yield self.problem(text, f"{remedy}or run servers on another machine and set their addresses")
        else:
            free = [gpu.index for gpu in machine.gpus if gpu.index not in plan.gpus]
            yield self.ok(f"{text}; start them with CUDA_VISIBLE_DEVICES={','.join(map(str, free))}")

    def _in_use(self, subject: Subject, present: list[Server]) -> Iterator[Finding]:
        """GPUs for training on which another program already runs."""
        busy = [gpu for gpu in map(subject.machine.gpu, subject.plan.gpus) if gpu.used > BUSY * gpu.total]
        if not busy:
            return
        text = ", ".join(f"GPU {gpu.index}: {gib(gpu.used)} of {gib(gpu.total)}" for gpu in busy)
        text = f"GPUs for training are in use by other programs: {text}"
        remedy = "find the program with nvidia-smi; use other GPUs (trainer.devices: a list), or move the program"
        if present:
            yield self.problem(f"{text}; servers that run on this machine: {_listed(present)}", remedy)
        else:
            yield self.warning(text, remedy)

    def _visible_to_torch(self, subject: Subject) -> Iterator[Finding]:
        import torch

        if torch.cuda.device_count() < len(subject.plan.gpus):
            text = (
                f"torch {torch.__version__}, built for CUDA {torch.version.cuda}, sees {torch.cuda.device_count()} of "
                f"the {len(subject.machine.visible)} GPUs that the driver reports"
            )
            yield self.problem(text, "update the driver, or install a torch build for this driver")


def _listed(servers: list[Server]) -> str:
    """Servers by key, each with the model it serves."""
    found: dict[str, list[str]] = {}
    for server in servers:
        key = f"{server.key} ({server.model})" if server.model else server.key
        found.setdefault(key, []).append(server.address)
    return "; ".join(f"{key} {', '.join(addresses)}" for key, addresses in found.items())


def _devices_that_fit(subject: Subject, most: int) -> int:
    """The largest number of GPUs, up to a limit, that divides the batch sizes of the spec; 0 if there is none."""
    for devices in range(most, 0, -1):
        try:
            subject.module.batching(ranks=devices * subject.plan.nodes)
        except ValueError:
            continue
        return devices
    return 0


def answers(host_and_port: tuple[str, int], seconds: float = _CONNECT_SECONDS) -> bool:
    """Whether a server accepts connections there."""
    try:
        socket.create_connection(host_and_port, timeout=seconds).close()
    except OSError:
        return False
    return True
