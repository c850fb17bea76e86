"""``python -m medix rescore``: other rewards over the completions of a run, without a GPU."""

import argparse
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from medix.commands.parser import CommandParser
from medix.commands.progress import progress

if TYPE_CHECKING:
    from medix.judge.base import Judge
    from medix.reporting.rescore_page import RescorePage

_DESCRIPTION = """\
Scores the recorded completions of a run again with another suite, judge,
threshold or set of weights, and reports how totals, ranks within groups and
advantages would have changed. Needs no GPU, no policy and no images. Verdicts
on record are not requested again. Files of the run are only read."""

_EXAMPLES = """\
examples
  other weights
    python -m medix rescore runs/mine --set components.judge.weight=0.7 --rescale
  another threshold
    python -m medix rescore runs/mine \\
      --set components.embedding.reward.threshold=0.9
  the published reward
    python -m medix rescore runs/mine --rewards rewards_published --steps 10:40
  another judge
    python -m medix rescore runs/mine --judge judge_served"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``rescore``.

    Returns:
        Exit status.
    """
    arguments = _parser().parse_args(argv)
    from medix.evaluation.recorded_run import RecordedRun, steps_of
    from medix.evaluation.rescore import Rescoring
    from medix.evaluation.rescore_output import RescoreOutput, folder_name
    from medix.evaluation.rescore_suite import read_suite
    from medix.reporting.rescore_page import RescorePage

    if arguments.examples < 0:
        raise ValueError(f"--examples {arguments.examples}: must be 0 or more")
    steps = None if arguments.steps is None else steps_of(arguments.steps)
    run = RecordedRun.find(arguments.run, arguments.split or "train")
    parts = run.parts()
    read = read_suite(arguments.rewards, arguments.set, arguments.rescale, parts.path)
    name = folder_name(
        read.name,
        arguments.set,
        file=None if arguments.run.is_dir() else arguments.run,
        split=arguments.split,
        is_rescaled=arguments.rescale,
        judge=arguments.judge,
        steps=arguments.steps,
    )
    copies = {kind: path for kind, path in (("json", arguments.json), ("html", arguments.html)) if path is not None}
    output = RescoreOutput(arguments.output or run.folder / name, copies)
    output.check(run, arguments.force)
    judge = _judge(arguments.judge)
    # how many lines belong to some steps is known only after reading them
    total = run.lines() if steps is None else None
    with progress("Scoring", total) as advance, closing(judge) if judge is not None else nullcontext():
        found = Rescoring(
            run=run,
            suite=read.suite,
            parts=parts,
            judge=judge,
            steps=steps,
            split=arguments.split if arguments.run.is_file() else None,
            examples=arguments.examples,
            label=read.label,
            on_progress=advance,
        )()
    page = RescorePage(found.to_dict(), read.title, read.changes)
    output.write(page)
    _print(page, output.page)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="python -m medix rescore", description=_DESCRIPTION, epilog=_EXAMPLES)
    parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a run, or one JSONL file of completions")
    parser.add_argument(
        "--rewards", help="a suite: a file, a shipped part (rewards_medical) or the spec of a run (default: the run's)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="change a key of the suite, such as components.judge.weight=0.6; may be repeated",
    )
    parser.add_argument("--rescale", action="store_true", help="divide the weights by their sum, so that they sum to 1")
    parser.add_argument(
        "--judge",
        help="grade what has no verdict on record with this judge: a file, a shipped part or the spec of a run",
    )
    parser.add_argument(
        "--split", choices=("train", "val", "validate", "test"), help="which completions to read (default: train)"
    )
    parser.add_argument("--steps", help="read only these steps, both ends included: 10:40, 10: or 7")
    parser.add_argument("--examples", type=int, default=12, help="examples of each kind to show (default: 12)")
    parser.add_argument("--output", type=Path, help="folder to write to (default: rescore-NAME in the run's folder)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument("--html", type=Path, help="also write the page to this file")
    parser.add_argument("--force", action="store_true", help="overwrite the files of an earlier rescoring")
    return parser


def _judge(name: str | None) -> "Judge | None":
    if name is None:
        return None
    from medix.judge.base import Judge
    from medix.spec.spec_file import from_file

    try:
        judge: Judge = from_file(Judge, "judge", name)  # type: ignore[type-abstract]  # the spec names a class of it
    except (OSError, ValueError) as error:
        raise ValueError(f"--judge {name}: {error}") from error
    return judge


def _print(page: "RescorePage", file: Path) -> None:
    from rich.text import Text

    from medix.plain_console import PlainConsole

    console = PlainConsole()
    for table in page.tables():
        table.print(console)
    for note in page.data["notes"]:
        console.print(Text(f"Note: {note}", style="yellow"))
    console.print(f"Page: {file}", soft_wrap=True, highlight=False, markup=False)
