"""``python -m medix eval generate``: completions of a model for the items of tasks."""

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from medix.commands.named_model import add_named_model, check_named_model, named_model
from medix.commands.parser import CommandParser, check_positive
from medix.visible_text import tell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medix.evaluation.tasks.loader import LoadedTask
    from medix.evaluation.tasks.spec import Task

_MOST_REASONS = 5


def add_generate(parser: CommandParser) -> None:
    """Add the arguments."""
    add_output(parser, TASKS)
    add_model(parser)


TASKS = "tasks, task files of your own, or those of the paper: all, llm, vlm"
"""Help of ``--tasks`` where tasks are read."""


def add_output(parser: CommandParser, tasks: str = "some of the tasks in the folder (default: all)") -> None:
    """Add the arguments that name tasks and the folder of the evaluation.

    Args:
        parser: of an action.
        tasks: help of ``--tasks``.
    """
    parser.add_argument("--tasks", nargs="+", metavar="TASK", help=tasks)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of this evaluation")


def add_model(parser: CommandParser) -> None:
    """Add the arguments that name data and model, and say how it is asked."""
    data = parser.add_argument_group("data")
    data.add_argument(
        "--data", type=Path, metavar="DIR", help="folder with the files of the tasks (default: dataset hubs)"
    )
    data.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="first N items of each task; at least as many as --output holds",
    )
    model = add_named_model(parser)
    model.add_argument("--samples", type=int, default=1, metavar="K", help="completions of each item (default: 1)")
    model.add_argument(
        "--concurrency", type=int, default=64, metavar="N", help="most requests at the same time (default: 64)"
    )


def generate(arguments: argparse.Namespace) -> int:
    """Make the completions that are not there yet; status 1 if some could not be made."""
    from medix.evaluation.folder import EvaluationFolder, run_facts
    from medix.evaluation.generation import Generation
    from medix.evaluation.tasks.spec import read_tasks

    check_positive(arguments, "limit", "samples", "max_tokens", "concurrency")
    check_named_model(arguments)
    if not arguments.tasks:
        raise ValueError(
            "--tasks: name the tasks, such as mmlu_anatomy slake_vqa, or all; see python -m medix eval tasks"
        )
    chosen = read_tasks(arguments.tasks)
    loaded = _loaded(chosen, arguments.data)
    for task in loaded:
        if task.difference:
            say("generate", f"{task.name}: {task.difference} of the benchmark are here")
        if task.identical:
            say(
                "generate",
                f"{task.name}: {task.identical:,} of {len(task.items):,} rows are identical to an earlier one",
            )
        for note in task.notes:
            say("generate", f"{task.name}: {note}")
        if task.task.access and arguments.base_url:
            say(
                "generate",
                f"{task.name} is sent to {', '.join(arguments.base_url)}. {' '.join(task.task.access.split())}",
            )
    folder = EvaluationFolder(arguments.output)
    with folder.locked():
        found = named_model(arguments)
        if found.warning:
            say("generate", found.warning)
        with closing(found.model):
            phase = Generation(found.model, found.prompt, found.decoding, folder)
            found.model.check_decoding(found.decoding)
            for task in loaded:
                phase.check_limit(task, arguments.limit)
            folder.begin(run_facts(found.model, found.prompt, found.decoding, found.about))  # what binds comes last
            failed = 0
            for task in loaded:
                counts = phase.run(task, arguments.limit)
                failed += counts.failed
                made = counts.wanted - counts.known - counts.failed
                stale = f", {counts.stale} of changed items set aside" if counts.stale else ""
                tell(f"{task.name}: {made} completions made, {counts.known} known, {counts.failed} failed{stale}")
                say_reasons("generate", task.name, counts.failures)
    if failed:
        say("generate", f"{failed} completions could not be made; the same command tries them again")
    return 1 if failed else 0


def _loaded(chosen: "Mapping[str, Task]", folder: Path | None) -> "list[LoadedTask]":
    """The tasks with their items; several that have no files are named at once, as where ``all`` is asked for."""
    from medix.data.sources.table import found_files
    from medix.evaluation.tasks.loader import load

    here = [name for name, task in chosen.items() if folder is None or found_files(task.data, name, folder)]
    missing = [name for name in chosen if name not in here]
    if len(missing) > 1:
        raise ValueError(
            f"--tasks: {folder} holds no files of {', '.join(missing)}; get them as python -m medix eval tasks --data "
            f"{folder} says, or " + (f"name the others: {' '.join(here)}" if here else "give their folder")
        )
    return [load(name, task, folder) for name, task in chosen.items()]


def say(word: str, text: str) -> None:
    """A line on standard error."""
    tell(f"medix eval {word}: {text}", sys.stderr)


def say_reasons(word: str, what: str, reasons: "Mapping[str, int]") -> None:
    """Why completions could not be made or scored, the most common reasons first.

    Args:
        word: the action, such as ``judge``.
        what: whose they are: the task.
        reasons: each with the number of completions.
    """
    for reason, number in list(reasons.items())[:_MOST_REASONS]:
        say(word, f"{what}: {number} x {reason}")
    if left := sum(list(reasons.values())[_MOST_REASONS:]):
        say(word, f"{what}: {left} for other reasons")
