"""Whether the memory of GPUs and machine is enough, with the arithmetic."""

from collections.abc import Iterator
from dataclasses import replace

from medix.commands.doctor_check import Check, Finding
from medix.commands.doctor_ledger import Ledger
from medix.commands.doctor_machine import gib
from medix.commands.doctor_needs import Needs
from medix.commands.doctor_subject import Subject

TIGHT = 0.9
"""Share of the free memory above which an estimate is no promise."""


class MemoryCheck(Check):
    """The most that one rank needs at a time, against the GPU with the least free memory, or the main memory."""

    name = "memory"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """GPUs, and then the main memory."""
        plan, machine = subject.plan, subject.machine
        needs = Needs.of(subject)
        ledger = needs.ledger()
        if not plan.on_gpu:
            yield self._compared(ledger, machine.memory, plan.devices, "of free main memory")
            return
        if not plan.gpus:
            text = f"a rank needs {_most(ledger)}; there is no GPU here to compare with"
            remedy = "ask on the machine that will train, or describe it: --gpus 8x80"
            yield replace(self.warning(text, remedy), arithmetic=ledger.lines())
        else:
            least = min((machine.gpu(index) for index in plan.gpus), key=lambda gpu: gpu.free)
            yield self._compared(ledger, least.free, 1, f"free on GPU {least.index}")
        if not machine.is_planned:
            yield self._compared(needs.main_memory(), machine.memory, 1, "of free main memory")

    def _compared(self, ledger: Ledger, free: float, processes: int, where: str) -> Finding:
        needed = processes * ledger.total(ledger.peak)
        ranks = f"{gib(needed)} for {processes} ranks: " if processes > 1 else ""
        text = f"{ranks}{_most(ledger)}; {gib(free)} {where}"
        if needed <= TIGHT * free:
            finding = self.ok(text)
        elif needed <= free:
            finding = self.warning(f"{text}: tight for an estimate", f"lower {ledger.remedy(ledger.peak)}")
        else:
            finding = self.problem(f"{text}: {gib(needed - free)} too little", f"change {ledger.remedy(ledger.peak)}")
        return replace(finding, arithmetic=ledger.lines())


def _most(ledger: Ledger) -> str:
    return f"{gib(ledger.total(ledger.peak))} at {ledger.peak} ({ledger.sum(ledger.peak)})"
