"""``python -m medix rescore``: other rewards over the completions of a run, without a GPU."""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medix.commands.rescore_suite import ReadSuite
    from medix.evaluation.recorded_run import RecordedRun, RunParts
    from medix.evaluation.rescored import Rescored
    from medix.judge.base import Judge
    from medix.reporting.rescore_page import RescorePage

DESCRIPTION = """\
Scores the completions of a run again, by another suite, judge, threshold or set of weights, and writes how totals,
ranks within groups and advantages would have changed: no GPU, no policy, no image. Verdicts on record are not asked
for again. The run is only read.
"""

EXAMPLES = """\
examples
  other weights         medix rescore runs/mine --set components.judge.weight=0.7 --rescale
  another threshold     medix rescore runs/mine --set components.embedding.reward.threshold=0.9
  the published reward  medix rescore runs/mine --rewards rewards_published --steps 10:40
  another judge         medix rescore runs/mine --judge judge_served
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; 0 if it did what was asked, 2 if it was asked the impossible."""
    arguments = _parser().parse_args(argv)
    try:
        return _rescore(arguments)
    except (OSError, ValueError) as error:
        print(f"medix rescore: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m medix rescore",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run, or one JSONL file of completions")
    parser.add_argument(
        "--rewards", help="a suite: a file, a shipped part (rewards_medical) or the spec of a run (default: the run's)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key of the suite, such as components.judge.weight=0.6",
    )
    parser.add_argument("--rescale", action="store_true", help="divide the weights by their sum, so that they sum to 1")
    parser.add_argument(
        "--judge", help="ask this judge what it did not say in the run: a file, a shipped part or the spec of a run"
    )
    parser.add_argument(
        "--split", choices=("train", "val", "validate", "test"), help="what to read of a run (default: train)"
    )
    parser.add_argument("--steps", help="read only these steps, both ends included: 10:40, 10: or 7")
    parser.add_argument("--examples", type=int, default=12, help="examples of each kind to show (default: 12)")
    parser.add_argument("--output", type=Path, help="folder to write to (default: rescore-NAME in the run's folder)")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--html", type=Path, help="also write the page here")
    parser.add_argument("--force", action="store_true", help="overwrite what an earlier rescoring wrote")
    return parser


def _rescore(arguments: argparse.Namespace) -> int:
    from medix.commands.rescore_suite import read_suite
    from medix.evaluation.recorded_run import RecordedRun, steps_of
    from medix.reporting.rescore_page import RescorePage

    if arguments.examples < 0:
        raise ValueError(f"--examples {arguments.examples}: is no count; give 0 or more")
    steps = None if arguments.steps is None else steps_of(arguments.steps)
    run = RecordedRun.find(arguments.run, arguments.split or "train")
    parts = run.parts()
    read = read_suite(arguments.rewards, arguments.set, arguments.rescale, parts.path)
    targets = _targets(arguments, run, read.name)
    _check_targets(targets.values(), run, arguments.force)
    found = _scored(arguments, run, parts, read, steps)
    page = RescorePage(found.to_dict(), read.called, read.changes)
    _write(page, targets)
    _print(page, targets)
    return 0


def _scored(
    arguments: argparse.Namespace, run: "RecordedRun", parts: "RunParts", read: "ReadSuite", steps: range | None
) -> "Rescored":
    """Rescore under a progress bar, which stays off where nobody watches."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from medix.evaluation.rescore import Rescoring

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as progress:
        # only some lines may be wanted: then there is no telling how many
        task = progress.add_task("Scoring", total=run.lines() if steps is None else None)
        judge = _judge(arguments.judge)
        rescoring = Rescoring(
            run=run,
            suite=read.suite,
            parts=parts,
            judge=judge,
            steps=steps,
            split=arguments.split if arguments.run.is_file() else None,
            examples=arguments.examples,
            label=read.label,
            on_progress=lambda count: progress.advance(task, count),
        )
        try:
            return rescoring()
        finally:
            if judge is not None:
                judge.close()


def _judge(name: str | None) -> "Judge | None":
    if name is None:
        return None
    from medix.judge.base import Judge
    from medix.spec_file import from_file

    try:
        judge: Judge = from_file(Judge, "judge", name)  # type: ignore[type-abstract]  # the spec names a class of it
    except (OSError, ValueError) as error:
        raise ValueError(f"--judge {name}: {error}") from error
    return judge


def _targets(arguments: argparse.Namespace, run: "RecordedRun", name: str) -> dict[str, Path]:
    """What is written where."""
    folder = arguments.output
    if folder is None:
        folder = run.folder / f"rescore-{_slug(arguments, name)}"
    targets = {kind: folder / f"rescore.{kind}" for kind in ("md", "json", "html")}
    for kind in ("json", "html"):
        if getattr(arguments, kind) is not None:
            targets[f"also {kind}"] = getattr(arguments, kind)
    return targets


def _slug(arguments: argparse.Namespace, name: str) -> str:
    """A folder's name that tells one question put to a run from another."""
    words = [] if arguments.run.is_dir() else [arguments.run.stem]
    words += [arguments.split] if arguments.split not in (None, "train") else []
    words += [name, *(_last(setting) for setting in arguments.set)]
    words += ["rescaled"] if arguments.rescale else []
    words += [Path(arguments.judge).stem] if arguments.judge else []
    words += [f"steps-{arguments.steps}"] if arguments.steps else []
    return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words)).strip("-.")[:100]


def _last(setting: str) -> str:
    key, _, value = setting.partition("=")
    return f"{'.'.join(key.split('.')[-2:])}={value}"


def _check_targets(targets: Iterable[Path], run: "RecordedRun", force: bool) -> None:
    """Refuse before anything is scored.

    Raises:
        ValueError: a file that is there already, or one of the run's own.
    """
    read = {path.resolve() for path in run.files}
    own = {path.resolve() for path in run.folder.glob("spec*.yaml")} | {
        (run.folder / f"report.{kind}").resolve() for kind in ("md", "json", "html")
    }
    for path in targets:
        if path.resolve() in read | own:
            raise ValueError(f"{path}: belongs to the run, which is only read; name another file")
        if path.is_dir():
            raise ValueError(f"{path}: is a folder; name a file")
        if path.exists() and not force:
            raise ValueError(f"{path}: is there already; give --force to overwrite it, or another --output")


def _write(page: "RescorePage", targets: Mapping[str, Path]) -> None:
    from medix.reporting.record import write_atomically
    from medix.reporting.render import USE

    texts = {
        "md": page.markdown(),
        "json": json.dumps({"use": USE, **page.data}, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        "html": page.html(),
    }
    for kind, path in targets.items():
        write_atomically(path, texts[kind.removeprefix("also ")])


def _print(page: "RescorePage", targets: Mapping[str, Path]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for table in page.tables():
        console.print(table.rich())
    for note in page.data["notes"]:
        console.print(Text(f"Note: {note}", style="yellow"))
    console.print(f"Page: {targets['html']}", soft_wrap=True, highlight=False, markup=False)


if __name__ == "__main__":
    raise SystemExit(main())
