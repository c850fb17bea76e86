"""One run of ``medix doctor``: the machine, the spec, and the findings of all checks."""

from collections.abc import Sequence

from medix.doctor.checks.base import Check, run_checks
from medix.doctor.checks.batches import BatchesCheck
from medix.doctor.checks.data import DataCheck
from medix.doctor.checks.disk import DiskCheck
from medix.doctor.checks.engine import EngineCheck
from medix.doctor.checks.gpus import GpusCheck
from medix.doctor.checks.judge import JudgeCheck
from medix.doctor.checks.memory import MemoryCheck
from medix.doctor.checks.models import ModelsCheck
from medix.doctor.checks.prompts import PromptsCheck
from medix.doctor.checks.schedule import ScheduleCheck
from medix.doctor.checks.splits import SplitsCheck
from medix.doctor.checks.text import TextCheck
from medix.doctor.checks.versions import VersionsCheck
from medix.doctor.findings import Finding, State
from medix.doctor.machine import Machine
from medix.doctor.subject import Subject, no_downloads
from medix.main_memory import available
from medix.spec.spec_names import resolve_specs


def all_checks(seconds: float, schedule: ScheduleCheck | None = None) -> list[Check]:
    """All checks in the order in which they run, quick ones first.

    Args:
        seconds: time limit of each check.
        schedule: computes time and load; None leaves it out.
    """
    return [
        VersionsCheck(),
        BatchesCheck(),
        GpusCheck(),
        ModelsCheck(),
        MemoryCheck(),
        *([] if schedule is None else [schedule]),
        EngineCheck(),
        DiskCheck(),
        DataCheck(),
        SplitsCheck(),
        PromptsCheck(seconds / 4),
        TextCheck(seconds / 4),
        JudgeCheck(min(10.0, seconds / 4)),
    ]


def examine(
    words: Sequence[str],
    gpus: str | None,
    seconds: float,
    schedule: ScheduleCheck | None = None,
    nodes: int | None = None,
) -> list[Finding]:
    """Check a spec against a machine.

    Args:
        words: ``--config SPEC`` and single keys, as for ``fit``.
        gpus: GPUs of another machine, such as ``8x80``; None for those of this one.
        seconds: time limit of each check.
        schedule: computes time and load; None leaves it out.
        nodes: machines, instead of ``trainer.num_nodes``.

    Returns:
        Findings of all checks, or the reason why the spec cannot be built.

    Raises:
        ValueError: ``gpus`` is not of that form, or there is no such spec.
        SystemExit: the spec cannot be parsed; the reason was printed to stderr.
    """
    machine, findings = _machine(gpus)
    words = resolve_specs(words)  # a spec that does not exist is an error of the command, not a finding
    with no_downloads():
        try:
            subject = Subject.read(words, machine)
            subject = subject if nodes is None else subject.on_nodes(nodes)
        except ValueError as error:
            remedy = "correct the spec; no other check can run before"
            return [*findings, Finding("spec", State.PROBLEM, str(error), remedy)]
        return [*findings, *run_checks(all_checks(seconds, schedule), subject, seconds)]


def _machine(gpus: str | None) -> tuple[Machine, list[Finding]]:
    """The machine, and a finding if its GPUs cannot be read."""
    if gpus is not None:
        return Machine.planned(gpus), []
    try:
        return Machine.here(), []
    except OSError as error:
        finding = Finding("gpus", State.PROBLEM, str(error), "make sure that nvidia-smi works")
        return Machine(memory=available()), [finding]
