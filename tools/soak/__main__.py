"""Kill runs at random moments, start them again with the same command, and compare what comes of them.

    python -m tools.soak --kills 100 --json FILE

Signals come in the middle of rollout, reward, old log-probabilities, update, publish, validation and checkpoint, in
turn; every second one is SIGKILL and every other SIGTERM; with several processes they go to one of them or to all. A
run that reached its last step is compared with one that nobody disturbed: weights, optimiser and counters bit for bit,
the prompts of every step, the files left. The file is written after every kill, so that a soak that is interrupted
keeps what it has. With ``vllm`` only the prompts and steps are: its completions depend on what
it batches. The exit status is 1 if anything differed, hung, or was left behind.

The servers are those of the tests, so that this needs a checkout of the project.
"""

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from medix.files.atomic_file import write_atomically
from tools.soak.moment import PHASES
from tools.soak.trial import Outcome, Setting, Trial

Keep = Callable[[dict[Setting, Outcome]], None]


def soak(
    settings: list[Setting], kills: int, steps: int, seed: int, folder: Path, keep: Keep
) -> dict[Setting, Outcome]:
    """So many kills in all, dealt to the settings in turn; ``keep`` gets what is known after each."""
    outcomes = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("kills", total=kills)
        for number, setting in enumerate(settings):
            share = kills // len(settings) + (number < kills % len(settings))
            trial = Trial(setting, folder / f"{setting.engine}-{setting.ranks}", steps, seed + number)
            outcomes[setting] = trial.outcome
            progress.update(task, description=str(setting))
            for _ in trial.run(share):
                progress.advance(task)
                keep(outcomes)
            keep(outcomes)
    return outcomes


def result_of(outcomes: dict[Setting, Outcome], steps: int, seed: int) -> dict[str, Any]:
    """As JSON."""
    rows = [
        {
            "engine": setting.engine,
            "processes": setting.ranks,
            "kills": outcome.kills.total(),
            "kills_by_moment": dict(sorted(outcome.kills.items())),
            "runs_compared": outcome.runs,
            "seconds_undisturbed": round(outcome.seconds_straight, 2),
            "seconds_lost_per_kill": round(outcome.seconds_lost / max(1, outcome.kills.total()), 2),
            "faults": outcome.faults,
        }
        for setting, outcome in outcomes.items()
    ]
    return {"steps": steps, "seed": seed, "settings": rows}


def show(result: dict[str, Any]) -> None:
    """Print tables and faults."""
    table = Table(title=f"Runs of {result['steps']} steps, killed and started again")
    for column in ("engine", "processes", "kills", "runs", "s undisturbed", "s lost per kill", "faults"):
        table.add_column(column, justify="left" if column == "engine" else "right")
    kills: Counter[str] = Counter()
    for row in result["settings"]:
        kills.update(row["kills_by_moment"])
        names = ("engine", "processes", "kills", "runs_compared", "seconds_undisturbed", "seconds_lost_per_kill")
        table.add_row(*(str(row[name]) for name in names), str(len(row["faults"])))
    moments = Table(title="Signals by phase")
    for column in ("phase", "SIGKILL", "SIGTERM"):
        moments.add_column(column, justify="left" if column == "phase" else "right")
    for phase in PHASES:
        moments.add_row(phase, *(str(kills[f"{phase} {name}"]) for name in ("SIGKILL", "SIGTERM")))
    console = Console()
    console.print(table)
    console.print(moments)
    for row in result["settings"]:
        for fault in row["faults"]:
            print(fault)


def main() -> int:
    """Run the command."""
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.soak",
        description=summary + details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=100, help="in all (default: 100)")
    parser.add_argument("--engines", nargs="+", choices=("local", "server", "vllm"), default=["local", "server"])
    parser.add_argument("--processes", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--steps", type=int, default=6, help="of every run (default: 6)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--folder", type=Path, help="keep the runs here (default: a temporary folder)")
    given = parser.parse_args()
    settings = [Setting(engine, ranks) for engine in given.engines for ranks in given.processes]

    def keep(known: dict[Setting, Outcome]) -> None:
        if given.json is not None:
            write_atomically(given.json, json.dumps(result_of(known, given.steps, given.seed), indent=2) + "\n")

    with tempfile.TemporaryDirectory(prefix="medix-soak-") as name:
        folder = (given.folder or Path(name)).resolve()
        outcomes = soak(settings, given.kills, given.steps, given.seed, folder, keep)
    show(result_of(outcomes, given.steps, given.seed))
    return int(any(outcome.faults for outcome in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
