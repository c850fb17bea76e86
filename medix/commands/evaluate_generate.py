"""``python -m medix eval generate``: completions of a model for the items of tasks."""

import argparse
import sys
from contextlib import closing
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from medix.commands.parser import CommandParser

if TYPE_CHECKING:
    from medix.evaluation.model_arguments import Evaluated


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
    data.add_argument("--limit", type=int, metavar="N", help="only the first N items of each task")
    model = parser.add_argument_group("model")
    model.add_argument("--model", required=True, help="folder, name or checkpoint; or the name at the endpoint")
    model.add_argument("--engine", choices=["transformers", "vllm"], help="run the model here (default: transformers)")
    model.add_argument("--base-url", action="append", metavar="URL", help="OpenAI-compatible endpoint; may be repeated")
    model.add_argument("--revision", default="", help="what else tells the model apart, such as a commit")
    model.add_argument(
        "--prompt", choices=["medix", "plain"], help="prompt (default: that of the model's card, or plain without one)"
    )
    model.add_argument("--samples", type=int, default=1, metavar="K", help="completions of each item (default: 1)")
    model.add_argument("--temperature", type=float, help="default: 0 for one sample, 0.6 for several")
    model.add_argument("--top-p", type=float, help="default: 1 for one sample, 0.95 for several")
    model.add_argument("--max-tokens", type=int, metavar="N", help="longest completion (default: the card's, or 2048)")
    model.add_argument("--seed", type=int, default=1, help="of the random numbers (default: 1)")
    endpoint = parser.add_argument_group("endpoint")
    endpoint.add_argument(
        "--api-key-env", default="OPENAI_API_KEY", help="environment variable with its key (default: OPENAI_API_KEY)"
    )
    endpoint.add_argument(
        "--timeout", type=float, default=600.0, metavar="S", help="seconds for one completion (default: 600)"
    )
    endpoint.add_argument(
        "--concurrency", type=int, default=64, metavar="N", help="most requests at the same time (default: 64)"
    )


def generate(arguments: argparse.Namespace) -> int:
    """Make the completions that are not there yet; status 1 if some could not be made."""
    from medix.evaluation.folder import EvaluationFolder, run_facts
    from medix.evaluation.generation import Generation
    from medix.evaluation.tasks.loader import load
    from medix.evaluation.tasks.spec import read_tasks

    check_positive(arguments, "limit", "samples", "max_tokens", "concurrency")
    if arguments.base_url and arguments.engine:
        raise ValueError("--engine runs the model here, and --base-url elsewhere; give one of them")
    if not arguments.tasks:
        raise ValueError(
            "--tasks: name the tasks, such as mmlu_anatomy slake_vqa, or all; see python -m medix eval tasks"
        )
    chosen = read_tasks(arguments.tasks)
    loaded = [load(name, task, arguments.data) for name, task in chosen.items()]
    for task in loaded:
        if task.difference:
            say("generate", f"{task.name}: {task.difference} of the benchmark are here")
        if task.task.access and arguments.base_url:
            say(
                "generate",
                f"{task.name} is sent to {', '.join(arguments.base_url)}. {' '.join(task.task.access.split())}",
            )
    folder = EvaluationFolder(arguments.output)
    with folder.locked():
        found = _evaluated(arguments)
        if found.warning:
            say("generate", found.warning)
        with closing(found.model):
            folder.begin(run_facts(found.model, found.prompt, found.decoding, found.about))
            phase = Generation(found.model, found.prompt, found.decoding, folder)
            failed = 0
            for task in loaded:
                counts = phase.run(task, arguments.limit)
                failed += counts.failed
                made = counts.wanted - counts.known - counts.failed
                stale = f", {counts.stale} of changed items set aside" if counts.stale else ""
                print(f"{task.name}: {made} completions made, {counts.known} known, {counts.failed} failed{stale}")
                for reason, number in list(counts.failures.items())[:5]:
                    say("generate", f"{task.name}: {number} x {reason}")
    if failed:
        say("generate", f"{failed} completions could not be made; the same command tries them again")
    return 1 if failed else 0


def _evaluated(arguments: argparse.Namespace) -> "Evaluated":
    from medix.evaluation.model_arguments import ModelArguments

    names = [field.name for field in fields(ModelArguments)]
    given = {name: value for name, value in vars(arguments).items() if name in names and value is not None}
    model = ModelArguments(**given)
    if model.base_url:
        from medix.evaluation.endpoint_model import open_endpoint

        return open_endpoint(model)
    from medix.export.evaluated import load_evaluated  # imports take many seconds

    return load_evaluated(model)


def check_positive(arguments: argparse.Namespace, *names: str) -> None:
    """Refuse numbers below 1.

    Raises:
        ValueError: one is.
    """
    for name in names:
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} {value}: give 1 or more")


def say(word: str, text: str) -> None:
    """A line on standard error."""
    print(f"medix eval {word}: {text}", file=sys.stderr)
