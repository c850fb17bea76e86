"""Learn the same task by ``medix fit`` and by ``trl.GRPOTrainer``, and see how soon each has learnt it.

Both start from the same weights, with the same prompts per step, group size, learning rate, loss, rewards and sampling,
in processes of their own that take turns, seed by seed. Learnt means: the mean reward of held-out completions is at
0.80 or above, in this validation and in every later one of the run. The clock starts with the first step and stands
during validations, which are the same for both: the same rows, sampled at temperature 1 with the same random numbers by
the same engine, scored by the same suite. Starting up (imports, reading the model) is not counted. Ratios are of TRL
over medix with the same seed; a variant's are of medix over the variant. Where other programs run, look at
``cpu_seconds``, and give both one thread (OMP_NUM_THREADS=1).
"""

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tools.bench_learning import ours
from tools.bench_learning.curve import Point, Spread, learnt, ratio, read
from tools.bench_learning.picture import picture
from tools.bench_learning.task import TASKS, THRESHOLD, Task, prepare
from tools.bench_learning.warm import warm

MEASURES = ("seconds", "cpu_seconds", "completions")

Curves = dict[str, list[list[Point]]]
"""For each side, the curve of each seed."""


def run(
    task: Task, folder: Path, seeds: Sequence[int], sides: Sequence[str], tell: Callable[[str, Curves], None]
) -> Curves:
    """Train with every seed on every side, in turns; the side that begins changes from seed to seed.

    Args:
        task: to learn.
        folder: of the task, as ``prepare`` made it.
        seeds: of data and sampling.
        sides: ``trl``, or names of ``VARIANTS``.
        tell: called after each run with a line about it and the curves so far.
    """
    curves: Curves = {side: [] for side in sides}
    for number, seed in enumerate(seeds):
        turn = number % len(sides)
        for side in (*sides[turn:], *sides[:turn]):
            with tempfile.TemporaryDirectory() as scratch:
                started = time.perf_counter()
                _train(task, folder, Path(scratch), seed, side)
                curves[side].append(read(Path(scratch) / "curve.jsonl"))
            said = f"{task.name} {side} seed {seed}: {_reached(curves[side][-1])}"
            tell(f"{said} ({time.perf_counter() - started:.0f} s)", curves)
    return curves


def _train(task: Task, folder: Path, scratch: Path, seed: int, side: str) -> None:
    try:
        if side == "trl":
            from tools.bench_learning import peer

            peer.train(task, folder, scratch, seed)
        else:
            ours.train(task, folder, scratch, seed, side)
    except Exception:
        shutil.copy(scratch / "log.txt", folder / f"failed-{side}-{seed}.txt")
        raise


def result(task: Task, curves: Curves) -> dict[str, Any]:
    """Keys and numbers of one task, as written to the file."""
    found: dict[str, Any] = {
        f"{task.name}_curves": {side: [[*map(asdict, one)] for one in curves[side]] for side in curves}
    }
    points = {side: [learnt(curve, THRESHOLD) for curve in curves[side]] for side in curves}
    found[f"{task.name}_learnt"] = {
        side: [None if point is None else asdict(point) for point in points[side]] for side in points
    }
    found[f"{task.name}_never"] = {side: sum(point is None for point in points[side]) for side in points}
    for side in points:
        if side == "medix":
            continue
        for measure in MEASURES:
            key = f"{task.name}_{measure}_ratio_{side}"
            spread = Spread.of(ratios(points, side, measure))
            found[key], found[f"{key}_spread"] = spread.median, asdict(spread)
    return found


def ratios(points: Mapping[str, Sequence[Point | None]], side: str, measure: str) -> list[float]:
    """For each seed that both have run, TRL over medix; or medix over a variant of medix."""
    over, under = (side, "medix") if side == "trl" else ("medix", side)
    return [ratio(_value(a, measure), _value(b, measure)) for a, b in zip(points[over], points[under], strict=False)]


def _value(point: Point | None, measure: str) -> float | None:
    return None if point is None else float(getattr(point, measure))


def _reached(curve: Sequence[Point]) -> str:
    point = learnt(curve, THRESHOLD)
    if point is None:
        return f"not learnt in {curve[-1].step} steps, {curve[-1].seconds:.1f} s (reward {curve[-1].reward:.3f})"
    return f"learnt by step {point.step}, {point.seconds:.1f} s, {point.completions} completions"


def show(found: Mapping[str, Any], tasks: Sequence[Task], console: Console) -> None:
    """Print a table of each task."""
    for task in tasks:
        table = Table(title=f"{task.name}: until held-out reward stays at {THRESHOLD:.2f}")
        for column in ("", *MEASURES, *(f"ratio of {measure}" for measure in MEASURES)):
            table.add_column(column, justify="left" if not column else "right")
        for side, points in found[f"{task.name}_learnt"].items():
            times = [", ".join("never" if p is None else f"{p[m]:.0f}" for p in points) for m in MEASURES]
            spreads = [found.get(f"{task.name}_{m}_ratio_{side}_spread") for m in MEASURES]
            table.add_row(side, *times, *map(_shown, spreads))
        console.print(table)


def _shown(spread: Mapping[str, Any] | None) -> str:
    if spread is None:
        return ""
    low, middle, high = (
        "no number" if spread[key] is None else f"{spread[key]:.2f}" for key in ("min", "median", "max")
    )
    return f"{middle} ({low} to {high})"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_learning", description=__doc__)
    parser.add_argument("--json", type=Path, required=True, metavar="FILE", help="write the results here")
    parser.add_argument("--task", choices=[*TASKS], action="append", help="all if not given")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="runs of each side, with seeds 1 to N")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw reward over time here")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/bench_learning"), metavar="FOLDER", help="data and policies"
    )
    parser.add_argument("--variants", nargs="*", choices=[*ours.VARIANTS], default=[], help="further sides of medix")
    parser.add_argument("--without-trl", action="store_true", help="medix and its variants alone")
    given = parser.parse_args()
    if given.seeds < 1:
        parser.error(f"--seeds {given.seeds}: give 1 or more")
    tasks = [TASKS[name] for name in given.task or TASKS]
    sides = [*dict.fromkeys(["medix", *([] if given.without_trl else ["trl"]), *given.variants])]
    console, drawn = Console(), {}
    found: dict[str, Any] = {
        "threshold": THRESHOLD,
        "seeds": given.seeds,
        "machine": f"{platform.processor() or platform.machine()}, {os.environ.get('OMP_NUM_THREADS', 'all')} threads",
        "versions": {
            name: version(name) for name in ("torch", "transformers", "trl") if name != "trl" or "trl" in sides
        },
        "variants": {name: dict(ours.VARIANTS[name]) for name in sides if name in ours.VARIANTS},
    }
    for task in tasks:

        def tell(line: str, curves: Curves, task: Task = task) -> None:
            console.print(line)
            found.update(result(task, curves))  # a run that is stopped leaves what it has measured
            given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")

        folder = prepare(task, given.work.resolve(), warm)
        drawn[task.name] = run(task, folder, range(1, given.seeds + 1), sides, tell)
    show(found, tasks, console)
    if given.picture:
        given.picture.write_text(picture(drawn, THRESHOLD), encoding="utf-8")


if __name__ == "__main__":
    main()
