"""``python -m medix ablate``: runs of one spec that differ in some keys, each with several seeds, and their table."""

import argparse
import math
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medix.commands.parser import CommandParser
from medix.commands.progress import progress
from medix.exit_status import ExitStatus
from medix.visible_text import tell

if TYPE_CHECKING:
    from medix.studies.grid_page import GridPage
    from medix.studies.grid_run import GridRun, RunState

_DESCRIPTION = """\
Runs every combination of a grid with every seed. Each is an ordinary run of
fit in a folder of its own, OUTPUT/COMBINATION/seed=N, with its log in fit.log.
The same command again goes on with what is not done. A run that fails is a row
of the table, and the others go on. Writes OUTPUT/grid.html, grid.md and
grid.json after every run."""

_EXAMPLES = """\
examples
  a shipped grid, on the data of the demo (make demo)
    python -m medix ablate rewards
  two runs at a time
    python -m medix ablate mine.yaml --jobs 2
  as a Slurm array: one run per task, numbered as --list shows them
    sbatch --array=0-14 --wrap \\
      'python -m medix ablate mine.yaml --run $SLURM_ARRAY_TASK_ID'
    python -m medix ablate mine.yaml --table
  several processes may also work on one output folder: each starts runs that
  no other is working on

a grid (keys of its file)
  spec: demo                       file, or a shipped spec
  seeds: [1, 2, 3]
  settings: {model.max_steps: 40}  of all runs
  cells:                           named changes
    gspo: {model.loss: {class_path: medix.losses.GSPOLoss}}
  grid:                            every combination of values
    model.optimizer.init_args.lr: [1.0e-4, 2.0e-4]
  baseline: gspo,lr=0.0001         what the others are compared with
  measures: [accuracy, modality_accuracy, reward]"""

_NEEDED = ("JudgeValidation", "RecordCompletions", "WriteReport")
"""Callbacks that write the validations and curves."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``ablate``.

    Returns:
        Exit status: 1 if a run has failed, with ``--run`` that one.
    """
    arguments = _parser().parse_args(argv)
    from medix.spec.spec_early import check_early
    from medix.studies.grid import Grid
    from medix.studies.grid_run import GridRun

    if arguments.jobs < 1:
        raise ValueError(f"--jobs {arguments.jobs}: give 1 or more")
    grid = Grid.read(_file(arguments.grid))
    output = arguments.output or Path("runs/ablations") / grid.file.stem
    runs = [GridRun(grid, cell, seed, output) for cell, seed in grid.runs]
    if arguments.list:
        for index, run in enumerate(runs):
            run.state()  # refuses a folder of other settings
            run.write_spec()
            tell(f"{index}  {run.name}  python -m medix {shlex.join(run.words)}")
        return ExitStatus.DONE
    chosen = runs
    if arguments.run is not None:
        if not 0 <= arguments.run < len(runs):
            raise ValueError(f"--run {arguments.run}: the grid has the runs 0 to {len(runs) - 1}; --list shows them")
        chosen = [runs[arguments.run]]
    states = {run.name: run.state() for run in runs}
    if not arguments.table:
        for run in chosen:
            if states[run.name].can_go_on:
                try:
                    run.write_spec()
                except OSError:
                    continue  # the row of this run will tell
                try:
                    check_early(run.words[1:])
                    _check_callbacks(run.words[1:])
                except ValueError as error:
                    raise ValueError(f"GRID {grid.file}: {run.cell.name}: {error}") from error
        return _run(chosen, runs, arguments.jobs)
    return _show(chosen, runs)


def _run(chosen: "Sequence[GridRun]", runs: "Sequence[GridRun]", jobs: int) -> int:
    from medix.studies.grid_run import GridRunner

    number = 0
    with progress("runs", len(chosen)) as advance:

        def ended(run: "GridRun", state: "RunState") -> None:
            nonlocal number
            number += 1
            told = f": {state.reason}" if state.reason else ""
            took = "time not known" if math.isnan(state.seconds) else f"{state.seconds:.0f} s"
            tell(f"{number} of {len(chosen)}  {run.name}: {state.status}, {took}{told}")
            advance(1)
            if state.status in {"done", "failed"}:
                _write(runs)

        states = GridRunner(chosen, jobs).run(ended)
    shown = _show(chosen, runs)
    # a folder in which nothing can be written does not say that its run has failed
    return ExitStatus.FAILED if any(state.status == "failed" for state in states.values()) else shown


def _show(chosen: "Sequence[GridRun]", runs: "Sequence[GridRun]") -> int:
    from medix.plain_console import PlainConsole

    page = _write(runs)
    console = PlainConsole()
    for table in page.tables():
        table.print(console)
    cells = page.result.cells
    found = {f"{cell.name}/seed={seed}": state.status for cell in cells for seed, state in cell.states.items()}
    counts = Counter(found.values())
    tell(f"{len(runs)} runs: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    tell(f"Page: {runs[0].output / 'grid.html'}")
    is_bad = any(found[run.name] in {"failed", "stopped"} for run in chosen)
    return ExitStatus.FAILED if is_bad else ExitStatus.DONE


def _write(runs: "Sequence[GridRun]") -> "GridPage":
    """Write the page, again if another process has ended a run since it was read: its page may have been replaced."""
    from medix.studies.grid_page import GridPage
    from medix.studies.grid_result import GridResult

    now = [run.state() for run in runs]
    while True:
        before = now
        page = GridPage(GridResult.read(runs[0].grid, runs))
        page.write(runs[0].output)
        now = [run.state() for run in runs]
        if now == before:
            return page


def _check_callbacks(words: Sequence[str]) -> None:
    """Refuse a spec whose runs would have nothing to compare, before forty minutes and not after them."""
    from medix.spec.spec_reading import settings

    callbacks: set[str] = set()
    for setting in settings(words):
        if setting.place == ("trainer", "callbacks"):  # a later list replaces an earlier one
            callbacks = set()
        elif setting.place[:2] == ("trainer", "callbacks") and setting.place[-1] == "class_path":
            callbacks.add(str(setting.value).rpartition(".")[2])
    if missing := [name for name in _NEEDED if name not in callbacks]:
        raise ValueError(
            f"trainer.callbacks: has no {', '.join(missing)}, which write what runs are compared by; add "
            + ", ".join(f"medix.callbacks.{name}" for name in missing)
        )


def _file(name: str) -> Path:
    from medix.spec.spec_reading import SPECS

    shipped = SPECS / "ablations" / f"{name.removesuffix('.yaml')}.yaml"
    if Path(name).is_file():
        return Path(name)
    if shipped.is_file():
        return shipped
    known = ", ".join(sorted(path.stem for path in shipped.parent.glob("*.yaml")))
    raise ValueError(f"GRID {name}: there is no such file, and no shipped grid of that name; shipped: {known}")


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="python -m medix ablate", description=_DESCRIPTION, epilog=_EXAMPLES)
    parser.add_argument("grid", metavar="GRID", help="grid file, or the name of a shipped grid")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of all runs (default: runs/ablations/GRID)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="number of runs at a time (default: 1)")
    parser.add_argument(
        "--run", type=int, metavar="I", help="only this run, as numbered by --list (a task of an array)"
    )
    parser.add_argument(
        "--list",
        action="store_true",
        help="only print numbers, folders and commands of the runs, and write the specs that these read",
    )
    parser.add_argument("--table", action="store_true", help="only write the table of what is done")
    return parser
