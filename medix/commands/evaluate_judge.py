"""``python -m medix eval judge``: verdicts on the completions of an evaluation."""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medix.commands.evaluate_generate import add_output, say, say_reasons
from medix.commands.judge_arguments import warn_if_down
from medix.commands.parser import CommandParser, check_positive
from medix.visible_text import tell

if TYPE_CHECKING:
    from medix.evaluation.folder import EvaluationFolder
    from medix.evaluation.verdicts import Judging
    from medix.judge.base import Judge


def add_judge(parser: CommandParser) -> None:
    """Add the arguments."""
    add_output(parser)
    add_judging(parser)


def add_judging(parser: CommandParser) -> None:
    """Add the arguments that say who judges."""
    judging = parser.add_argument_group("judge")
    judging.add_argument(
        "--judge",
        help="the file of a judge, a shipped part (judge_served), or a run's spec.yaml (default: rules alone)",
    )
    judging.add_argument(
        "--votes",
        type=int,
        default=1,
        metavar="N",
        help="independent votes for each verdict, in different order and with different seeds (default: 1)",
    )


def judge(arguments: argparse.Namespace) -> int:
    """Reach the verdicts that are not there yet; status 1 if the judge left some unscored."""
    from medix.evaluation.folder import EvaluationFolder
    from medix.evaluation.model_family import judge_warnings
    from medix.evaluation.verdicts import NO_JUDGE, Judging

    _check_votes(arguments)
    folder = EvaluationFolder(arguments.output)
    run = folder.run() or {}
    tasks = tasks_of(folder, arguments.tasks)
    with folder.locked(), opened_judge(arguments.judge) as found:
        phase = Judging(folder, found, arguments.votes)
        _check_judge(phase, [folder.task(task)["scoring"] for task in tasks])
        for warning in [] if found is None else judge_warnings(run.get("model") or {}, found.identity):
            say("judge", f"warning: {warning}")
        warn_if_down(found, "eval judge")
        warn_of_access(folder, tasks, found, "judge")
        failed = 0
        for task in tasks:
            counts = phase.run(task)
            unscored = sum(counts.unscored.values())
            failed += unscored - counts.unscored.get(NO_JUDGE, 0)
            tell(
                f"{task}: {counts.by_rule} verdicts by rule, {counts.judged} by the judge, {counts.known} known, "
                f"{unscored} unscored of {counts.completions}"
            )
            say_reasons("judge", task, counts.unscored)
    return 1 if failed else 0


def check_judging(arguments: argparse.Namespace, scorings: Iterable[str]) -> set[str]:
    """See to it that the judge is there and can be asked, before any work.

    Args:
        arguments: of the command line.
        scorings: of the tasks.

    Returns:
        What the judge is on record as for right and wrong answers; empty without a judge, or for grades alone.

    Raises:
        ValueError: the judge is not known, or cannot be asked as a task needs it.
    """
    from medix.evaluation.folder import EvaluationFolder
    from medix.evaluation.verdicts import Judging
    from medix.judge.own_arguments import named

    _check_votes(arguments)
    scorings = set(scorings)
    with opened_judge(arguments.judge) as found:
        phase = Judging(EvaluationFolder(arguments.output), found, arguments.votes)
        _check_judge(phase, scorings)
        asked = [phase.judge_of(scoring) for scoring in scorings - {"rubric"}]
        return {named(judge) for judge in asked if judge is not None}


def _check_votes(arguments: argparse.Namespace) -> None:
    check_positive(arguments, "votes")
    if arguments.votes > 1 and not arguments.judge:
        raise ValueError(f"--votes {arguments.votes}: rules always vote the same; give --judge")


def _check_judge(phase: "Judging", scorings: Iterable[str]) -> None:
    for scoring in sorted(set(scorings)):
        phase.judge_of(scoring)


def tasks_of(folder: "EvaluationFolder", given: list[str] | None) -> list[str]:
    """Names of the tasks to judge.

    Raises:
        ValueError: one has no completions, or none has.
    """
    from medix.evaluation.tasks.spec import read_tasks

    there = folder.tasks
    names = (
        there if not given else [task for name in given for task in ([name] if name in there else read_tasks([name]))]
    )
    missing = [name for name in names if name not in there]
    if missing or not names:
        raise ValueError(
            f"--output {folder.path}: has no completions of {', '.join(missing) or 'any task'}; run eval generate first"
        )
    return list(dict.fromkeys(names))


def warn_of_access(folder: "EvaluationFolder", tasks: Sequence[str], judge: "Judge | None", word: str) -> None:
    """Say which data of limited access a judge on a server is shown: questions, references and answers.

    Args:
        folder: of the evaluation.
        tasks: that are judged.
        judge: that is asked; None for none.
        word: the action, such as ``judge``.
    """
    from medix.judge.served_judges import served_judges

    served = () if judge is None else served_judges(judge)
    places = dict.fromkeys(one.endpoint for one in served)
    for task in tasks if places else ():
        if access := str(folder.task(task).get("access") or ""):
            say(word, f"{task} is sent to {', '.join(places)}. {' '.join(access.split())}")


@contextmanager
def opened_judge(name: str | None) -> "Iterator[Judge | None]":
    """The judge of a name, closed at the end; None for no name."""
    if name is None:
        yield None
        return
    from medix.judge.base import Judge
    from medix.spec.spec_file import from_file

    found: Judge = from_file(Judge, "judge", name)  # type: ignore[type-abstract]  # the spec names a class of it
    try:
        yield found
    finally:
        found.close()
