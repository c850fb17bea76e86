"""``python -m medix eval all``: the phases of an evaluation, one after the other."""

import argparse
import importlib

from medix.commands import evaluate
from medix.commands.evaluate_generate import TASKS, add_model, add_output
from medix.commands.evaluate_judge import add_judging, check_judging
from medix.commands.evaluate_score import add_page, check_page
from medix.commands.parser import CommandParser

_PHASES = ("generate", "judge", "report")


def add_all(parser: CommandParser) -> None:
    """Add the arguments."""
    add_output(parser, TASKS)
    add_model(parser)
    add_judging(parser)
    add_page(parser)


def all(arguments: argparse.Namespace) -> int:  # noqa: A001 - the name of the action
    """Run every phase, ``report`` with the tables of ``score``; what could not be made or judged stops none.

    An argument of a later phase that is wrong is an error before the first.
    """
    from medix.evaluation.tasks.spec import read_tasks

    if not arguments.tasks:
        raise ValueError(
            "--tasks: name the tasks, such as mmlu_anatomy slake_vqa, or all; see python -m medix eval tasks"
        )
    tasks = read_tasks(arguments.tasks)
    check_page(arguments, check_judging(arguments, [task.scoring for task in tasks.values()]))
    status = 0
    for word in _PHASES:
        module = importlib.import_module(f"medix.commands.{evaluate.WORDS[word][0]}")
        given = argparse.Namespace(**{**_defaults(module, word), **vars(arguments)})
        if word != "generate":
            given.tasks = list(tasks)
        status = max(status, getattr(module, word)(given))
    return status


def _defaults(module: object, word: str) -> dict[str, object]:
    """What the arguments of a phase are if they are not given."""
    parser = CommandParser(prog=word, add_help=False)
    getattr(module, f"add_{word}")(parser)
    return {action.dest: action.default for action in parser._actions}
