"""Whether GPU memory and main memory are large enough, with the arithmetic."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding
from medix.doctor.machine import gib
from medix.doctor.memory import MemoryEstimate
from medix.doctor.rank import Rank
from medix.doctor.rank_memory import CHECKED, device_memory, host_memory
from medix.doctor.subject import Subject

TIGHT = 0.9
"""Share of the free memory above which the estimate is too close to it to be relied on."""

RELEASED = "sizes: those of {} as released; its configuration is not on this machine"


class MemoryCheck(Check):
    """Compares the peak memory of one rank with the GPU that has least free memory, or with the main memory."""

    name = "memory"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """GPU memory, then main memory."""
        plan, machine = subject.plan, subject.machine
        rank = Rank.of(subject)
        estimate = device_memory(rank)
        known = [CHECKED] if subject.released is None else [CHECKED, RELEASED.format(subject.policy.name)]
        if not plan.on_gpu:
            yield _with(known, self._compared(estimate, machine.memory, plan.devices, "of main memory free"))
            return
        if not plan.gpus:
            text = f"{_peak(estimate)} per rank; this machine has no GPU to compare with"
            remedy = "run doctor on the machine that will train, or describe its GPUs: --gpus 8x80"
            yield _with(known, replace(self.warning(text, remedy), arithmetic=estimate.lines()))
        else:
            least = min((machine.gpu(index) for index in plan.gpus), key=lambda gpu: gpu.free)
            yield _with(known, self._compared(estimate, least.free, 1, f"free on GPU {least.index}"))
        if not machine.is_planned:
            yield self._compared(host_memory(rank), machine.memory, 1, "of main memory free")

    def _compared(self, estimate: MemoryEstimate, free: float, processes: int, where: str) -> Finding:
        needed = processes * estimate.total(estimate.peak)
        ranks = f"{gib(needed)} for {processes} ranks, each: " if processes > 1 else ""
        text = f"{ranks}{_peak(estimate)}; {gib(free)} {where}"
        if needed <= TIGHT * free:
            finding = self.ok(text)
        elif needed <= free:
            finding = self.warning(
                f"{text}: close to the limit for an estimate", f"change {estimate.remedy(estimate.peak)}"
            )
        else:
            finding = self.problem(
                f"{text}: {gib(needed - free)} too little", f"change {estimate.remedy(estimate.peak)}"
            )
        return replace(finding, arithmetic=estimate.lines())


def _with(lines: Sequence[str], finding: Finding) -> Finding:
    return replace(finding, arithmetic=(*finding.arithmetic, *lines))


def _peak(estimate: MemoryEstimate) -> str:
    peak = estimate.peak
    return f"peak {gib(estimate.total(peak))} during {peak} ({estimate.breakdown(peak)})"
