"""``python -m medix doctor``: checks a spec against this machine before anything expensive starts."""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medix.commands.parser import CommandParser
from medix.visible_text import tell

if TYPE_CHECKING:  # imported when needed, so that --help does not import Lightning
    from medix.doctor.checks.schedule import ScheduleCheck
    from medix.doctor.findings import Finding

_OUTLINE = """\
Versions, batch sizes, GPUs, memory, models, engine, disk, data, prompts, text and
judge are checked. No weights are loaded and nothing is downloaded; the judge is asked a
few questions. Further arguments are keys of the spec, as for fit, for example
--trainer.devices 4.

Exit status: 0 without problems, 1 with problems, 2 if the spec cannot be read or
the findings cannot be written. Research use, not for clinical decisions."""


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
    from medix.spec.spec_early import check_early

    check_early(words, batches=False)
    from medix.doctor.examination import examine

    findings = examine(words, arguments.gpus, arguments.time_limit, _schedule(arguments), arguments.nodes)
    counts = {state: sum(finding.state == state for finding in findings) for state in ("problem", "warning", "ok")}
    if arguments.json is not None:
        from medix.files.atomic_file import write_atomically

        content = {"config": arguments.config, "keys": keys, "counts": counts}
        content["findings"] = [finding.to_dict() for finding in findings]
        write_atomically(arguments.json, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    show(findings, arguments.arithmetic or arguments.plan)
    summary = f"{counts['problem']} problems, {counts['warning']} warnings, {counts['ok']} ok"
    tell(f"medix doctor: {' '.join(arguments.config)}: {summary}, in {time.perf_counter() - begun:.0f} s")
    return 1 if counts["problem"] else 0


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="python -m medix doctor",
        description=f"{(__doc__ or '').partition(': ')[2].capitalize()}\n\n{_OUTLINE}",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--config",
        "-c",
        action="append",
        required=True,
        metavar="SPEC",
        help="a spec file or the name of a shipped spec; repeatable",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings to this file")
    parser.add_argument(
        "--gpus", metavar="COUNTxGIB", help="GPUs of another machine instead of this one's: 8x80 is eight of 80 GiB"
    )
    parser.add_argument(
        "--time-limit", type=float, default=60.0, metavar="SECONDS", help="limit of each check (default: 60)"
    )
    parser.add_argument(
        "--plan",
        action="store_true",
        help="time of a step and of the run, tokens/s and load of the judge, with formulas",
    )
    parser.add_argument("--nodes", type=int, metavar="N", help="machines, instead of trainer.num_nodes")
    parser.add_argument(
        "--rates",
        type=Path,
        metavar="RUN",
        help="folder of a run whose measured rates --plan takes; else all are assumed",
    )
    parser.add_argument(
        "--assume",
        action="extend",
        nargs="+",
        default=[],
        metavar="NAME=NUMBER",
        help="what --plan assumes, for example tflops=989 utilisation=0.3 completion_tokens=600 (all: in its output)",
    )
    parser.add_argument("--arithmetic", action="store_true", help="print how each memory estimate was computed")
    return parser


def _schedule(arguments: argparse.Namespace) -> "ScheduleCheck | None":
    """What computes time and load, if asked for."""
    if arguments.nodes is not None and arguments.nodes < 1:
        raise ValueError(f"--nodes {arguments.nodes}: a run needs at least 1 machine")
    if not arguments.plan:
        if arguments.rates is not None or arguments.assume:
            raise ValueError("--rates and --assume change what --plan computes; give --plan as well")
        return None
    from medix.doctor.checks.schedule import ScheduleCheck
    from medix.doctor.measured_run import MeasuredRun
    from medix.doctor.step_time import Assumptions

    measured = None if arguments.rates is None else MeasuredRun.read(arguments.rates)
    return ScheduleCheck(Assumptions.of(arguments.assume), measured)


def show(findings: "Sequence[Finding]", arithmetic: bool) -> None:
    """Print the table of findings, and the arithmetic if asked for."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from medix.plain_console import PlainConsole

    table = Table(title="medix doctor", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for column in ("Check", "", "Found, and -> what to do"):
        table.add_column(column, overflow="fold")
    colours = {"ok": "green", "warning": "yellow", "problem": "bold red"}
    for finding in findings:
        state = Text(finding.state.value, style=colours[finding.state.value])
        remedy = f"\n-> {finding.remedy}" if finding.remedy else ""
        table.add_row(finding.check, state, Text(f"{finding.found}{remedy}"))
    console = PlainConsole()
    console.print(table)
    if not arithmetic:
        return
    computed = [finding for finding in findings if finding.arithmetic]
    if not computed:
        console.print("No arithmetic: memory was not estimated, for the reason given above.\n")
    for finding in computed:
        console.print(f"Arithmetic of {finding.check}: {finding.found}", markup=False, highlight=False, soft_wrap=True)
        for line in finding.arithmetic:
            console.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
        console.print()
