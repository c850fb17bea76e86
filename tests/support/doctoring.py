"""Subjects for the tests of ``medix doctor``: a small spec and a machine that is made up."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding, State
from medix.doctor.machine import GIB, GPU, Machine
from medix.doctor.released_sizes import released_config
from medix.doctor.subject import Subject
from tests.support.inside import working_in
from tests.support.runs import small_spec, write_spec

ROOMY = Machine(memory=64 * GIB)
"""A machine without GPUs."""


def with_gpus(count: int, gigabytes: float = 80, used: Sequence[float] = (), planned: bool = False) -> Machine:
    """A machine with GPUs; ``used`` are the GiB in use, by GPU index."""
    in_use = [*used, *[0.0] * count]
    gpus = tuple(GPU(i, "some", int(gigabytes * GIB), int(in_use[i] * GIB)) for i in range(count))
    return Machine(gpus, tuple(range(count)), 1024 * GIB, planned)


def subject(
    folder: Path, policy: Path, machine: Machine = ROOMY, trainer: dict[str, Any] | None = None, **changes: Any
) -> Subject:
    """The small spec with changes.

    Args:
        folder: for the spec and its rewards.
        policy: a policy's folder.
        machine: the machine that it is compared with.
        trainer: trainer arguments that replace those of the spec without being parsed.
        changes: merged into the spec.
    """
    path = write_spec(folder, small_spec(folder, policy, **changes))
    with working_in(folder):
        read = Subject.read(["--config", str(path)], machine)
    return replace(read, trainer={**read.trainer, **(trainer or {})})


def look(check: Check, at: Subject) -> list[Finding]:
    """All findings of a check."""
    return list(check.look(at))


def states(findings: Sequence[Finding]) -> list[State]:
    return [finding.state for finding in findings]


def problems(findings: Sequence[Finding]) -> list[Finding]:
    """The problems among findings, each of which must have a remedy."""
    found = [finding for finding in findings if finding.state is State.PROBLEM]
    assert all(finding.remedy for finding in found)
    return found


def large_policy(folder: Path) -> Path:
    """The configuration of Qwen3-VL-8B, with nothing else: 8,767,123,696 parameters."""
    return _configured("Qwen/Qwen3-VL-8B-Instruct", folder)


def large_experts(folder: Path) -> Path:
    """The configuration of Qwen3-VL-30B-A3B: 31,070,754,032 parameters, as in the published checkpoint."""
    return _configured("Qwen/Qwen3-VL-30B-A3B-Instruct", folder)


def _configured(name: str, folder: Path) -> Path:
    config = released_config(name)
    assert config is not None
    config.save_pretrained(folder)
    return folder
