"""Whether there are the GPUs that policy, rollout engine and judge want, each its own."""

import socket
from collections.abc import Iterator

from medix.commands.doctor_check import Check, Finding
from medix.commands.doctor_machine import gib
from medix.commands.doctor_servers import Server, servers_of
from medix.commands.doctor_subject import Subject

BUSY = 0.1
"""Share of a GPU's memory above which somebody else is taken to work on it."""
_REACH = 3.0


class GpusCheck(Check):
    """GPUs that training claims, servers that want GPUs of the same machine, and what is left.

    A server on this machine that does not answer yet will want at least one GPU; one that answers has its memory
    already, which shows on the GPUs.
    """

    name = "gpus"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """Enough, shared with nobody, seen by torch."""
        plan, machine = subject.plan, subject.machine
        local = [server for server in servers_of(subject) if machine.is_local(server.host)]
        if plan.nodes > 1:
            for server in local:
                text = f"{server.key}: {server.address}, and trainer.num_nodes is {plan.nodes}: each would ask itself"
                yield self.problem(text, "give the address by which all machines reach it")
        if not plan.on_gpu:
            yield self.ok(f"trainer.accelerator: training takes the CPU; GPUs here: {len(machine.gpus)}")
            return
        absent = [server for server in local if machine.is_planned or not answers(server.place)]
        if len(plan.gpus) < plan.devices:
            yield self._too_few(subject)
        else:
            yield from self._divided(subject, absent)
            yield from self._held(subject, [server for server in local if server not in absent])
        if machine.gpus and not machine.is_planned:
            yield from self._seen(subject)

    def _too_few(self, subject: Subject) -> Finding:
        plan, machine = subject.plan, subject.machine
        hidden = len(machine.gpus) - len(machine.visible)
        text = f"trainer.devices: {plan.devices} GPUs, and there are {len(machine.visible)} here"
        if hidden > 0:
            text += f" ({hidden} more are hidden by CUDA_VISIBLE_DEVICES)"
        remedy = "set trainer.devices to what there is (with data_parallel_size, where weights are sharded)"
        return self.problem(text, f"{remedy}, or train on another machine")

    def _divided(self, subject: Subject, absent: list[Server]) -> Iterator[Finding]:
        """Whether servers that are still to be started find a GPU."""
        plan, machine = subject.plan, subject.machine
        total, claimed = len(machine.gpus), len(plan.gpus)
        left = total - claimed
        arithmetic = f"{total} GPUs here - {claimed} of training (trainer.devices) = {left} left"
        if not absent:
            yield self.ok(f"{arithmetic}; nothing else is to be started here")
            return
        wanting = ", ".join(f"{server.model or 'the rollout'} at {server.address} ({server.key})" for server in absent)
        verb = "wants" if len(absent) == 1 else "want"
        text = f"{arithmetic}; {wanting}, still to be started here, {verb} at least {len(absent)}"
        if left < len(absent):
            fewer = _devices_that_fit(subject, claimed - (len(absent) - left))
            sharded = " (data_parallel_size too)" if plan.kind == "sharded" else ""
            remedy = f"set trainer.devices to {fewer}{sharded}, " if fewer else ""
            yield self.problem(text, f"{remedy}or serve from another machine and give its address")
        else:
            free = [gpu.index for gpu in machine.gpus if gpu.index not in plan.gpus]
            yield self.ok(f"{text}: start with CUDA_VISIBLE_DEVICES={','.join(map(str, free))}")

    def _held(self, subject: Subject, present: list[Server]) -> Iterator[Finding]:
        """GPUs of training on which somebody works already."""
        busy = [gpu for gpu in map(subject.machine.gpu, subject.plan.gpus) if gpu.used > BUSY * gpu.total]
        if not busy:
            return
        text = ", ".join(f"GPU {gpu.index}: {gib(gpu.used)} of {gib(gpu.total)}" for gpu in busy)
        text = f"training claims GPUs that others hold: {text}"
        remedy = "see who with nvidia-smi; take other GPUs (trainer.devices: a list), or start that program elsewhere"
        if present:
            names = ", ".join(f"{server.address} ({server.key})" for server in present)
            yield self.problem(f"{text}; on this machine answer {names}", remedy)
        else:
            yield self.warning(text, remedy)

    def _seen(self, subject: Subject) -> Iterator[Finding]:
        import torch

        if torch.cuda.device_count() < len(subject.plan.gpus):
            text = (
                f"torch {torch.__version__}, built for CUDA {torch.version.cuda}, sees {torch.cuda.device_count()} of "
                f"the {len(subject.machine.visible)} GPUs that the driver lists"
            )
            yield self.problem(text, "update the driver, or install a torch that is built for it")


def _devices_that_fit(subject: Subject, most: int) -> int:
    """The largest number of GPUs up to a limit that can share the sizes of the spec evenly; 0 if none can."""
    for devices in range(most, 0, -1):
        try:
            subject.module.batching(ranks=devices * subject.plan.nodes)
        except ValueError:
            continue
        return devices
    return 0


def answers(place: tuple[str, int], seconds: float = _REACH) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(place, timeout=seconds).close()
    except OSError:
        return False
    return True
