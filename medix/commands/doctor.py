"""``python -m medix doctor``: a spec against this machine, before anything expensive starts."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medix.commands.doctor_check import Check, Finding
    from medix.commands.doctor_machine import Machine

_OUTLINE = """\
Looks at versions, batch sizes, GPUs, memory, models, data, prompts, judge and disk. No weight is read and nothing is
downloaded; the judge is asked a few questions. Further words are keys of the spec, as for fit: --trainer.devices 4.
Exit status: 0, 1 if there is a problem, 2 if the spec cannot be read. Research use, not for clinical decisions."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``doctor``.

    Returns:
        Exit status.
    """
    arguments, keys = _parser().parse_known_args(argv)
    words = [word for spec in arguments.config for word in ("--config", spec)] + keys
    begun = time.perf_counter()
    try:
        machine, findings = _machine(arguments.gpus)
    except ValueError as error:
        print(f"medix doctor: {error}", file=sys.stderr)
        return 2
    findings += _examine(words, machine, arguments.time_limit)
    _show(findings, arguments.arithmetic)
    counts = {state: sum(finding.state == state for finding in findings) for state in ("problem", "warning", "ok")}
    told = f"{counts['problem']} problems, {counts['warning']} warnings, {counts['ok']} ok"
    print(f"medix doctor: {' '.join(arguments.config)}: {told}, in {time.perf_counter() - begun:.0f} s")
    if arguments.json is not None:
        from medix.reporting.record import write_atomically

        content = {"config": arguments.config, "keys": keys, "counts": counts}
        content["findings"] = [finding.to_dict() for finding in findings]
        write_atomically(arguments.json, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return 1 if counts["problem"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m medix doctor",
        description=f"{(__doc__ or '').partition(': ')[2]}\n\n{_OUTLINE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config", "-c", action="append", required=True, help="a spec, or the name of a shipped one; again for further"
    )
    parser.add_argument("--json", type=Path, help="write the findings here")
    parser.add_argument("--gpus", help="another machine's GPUs in place of those here: 8x80, eight of 80 GiB")
    parser.add_argument("--time-limit", type=float, default=60.0, help="seconds for each check (default: 60)")
    parser.add_argument("--arithmetic", action="store_true", help="print how every number of bytes came about")
    return parser


def checks(seconds: float) -> "list[Check]":
    """What is looked at, in order; quick ones first.

    Args:
        seconds: limit of one check.
    """
    from medix.commands.doctor_batches import BatchesCheck
    from medix.commands.doctor_disk import DiskCheck
    from medix.commands.doctor_downloads import DownloadsCheck
    from medix.commands.doctor_engine import EngineCheck
    from medix.commands.doctor_gpus import GpusCheck
    from medix.commands.doctor_judge import JudgeReached
    from medix.commands.doctor_memory import MemoryCheck
    from medix.commands.doctor_prompts import PromptsCheck
    from medix.commands.doctor_shards import ShardsCheck
    from medix.commands.doctor_versions import VersionsCheck

    return [
        VersionsCheck(),
        BatchesCheck(),
        GpusCheck(),
        DownloadsCheck(),
        MemoryCheck(),
        EngineCheck(),
        DiskCheck(),
        ShardsCheck(),
        PromptsCheck(seconds / 4),
        JudgeReached(min(10.0, seconds / 4)),
    ]


def _machine(planned: str | None) -> "tuple[Machine, list[Finding]]":
    """The machine, and what is wrong with looking at it."""
    from medix.callbacks.main_memory import available
    from medix.commands.doctor_check import Finding, State
    from medix.commands.doctor_machine import Machine

    if planned is not None:
        return Machine.planned(planned), []
    try:
        return Machine.here(), []
    except OSError as error:
        finding = Finding("gpus", State.PROBLEM, str(error), "see that nvidia-smi works")
        return Machine(memory=available()), [finding]


def _examine(words: Sequence[str], machine: "Machine", seconds: float) -> "list[Finding]":
    """Findings of all checks; of a spec that cannot be built, why."""
    from medix.commands.doctor_check import Finding, State, run_checks
    from medix.commands.doctor_subject import Subject, nothing_downloaded

    with nothing_downloaded():
        try:
            subject = Subject.read(words, machine)
        except ValueError as error:
            return [Finding("spec", State.PROBLEM, str(error), "correct the spec; the other checks need it")]
        return list(run_checks(checks(seconds), subject, seconds))


def _show(findings: "Sequence[Finding]", arithmetic: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="medix doctor", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("Check", "", "Found", "What to do"):
        table.add_column(column, overflow="fold", ratio={"Found": 3, "What to do": 2}.get(column))
    colours = {"ok": "green", "warning": "yellow", "problem": "bold red"}
    for finding in findings:
        state = Text(finding.state.value, style=colours[finding.state.value])
        table.add_row(finding.check, state, Text(finding.found), Text(finding.remedy))
    console = Console()
    console.print(table)
    for finding in findings:
        for line in finding.arithmetic if arithmetic else ():
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    raise SystemExit(main())
