"""``python -m medix eval judges``: several judges on the completions of an evaluation."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medix.commands.evaluate_generate import add_output, say, say_reasons
from medix.commands.evaluate_judge import opened_judge, tasks_of, warn_of_access
from medix.commands.judge_arguments import warn_if_down
from medix.commands.parser import CommandParser, check_positive

if TYPE_CHECKING:
    from medix.evaluation.folder import EvaluationFolder
    from medix.evaluation.scored_completion import ScoredCompletion


def add_judges(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "judges",
        nargs="+",
        metavar="JUDGE",
        help="files of judges, shipped parts or specs of runs; the first is the one that the folder keeps",
    )
    add_output(parser)
    parser.add_argument("--votes", type=int, default=1, metavar="N", help="votes for each verdict (default: 1)")


def judges(arguments: argparse.Namespace) -> int:
    """Judge with each, and write judges.json; status 1 if a judge left some unscored."""
    from medix.evaluation.folder import EvaluationFolder
    from medix.evaluation.judge_comparison import compare_judges
    from medix.evaluation.scored_completion import joined
    from medix.evaluation.verdicts import Judging
    from medix.files.atomic_file import write_atomically
    from medix.plain_console import PlainConsole

    check_positive(arguments, "votes")
    if len(arguments.judges) < 2:
        raise ValueError(f"{arguments.judges[0]}: is the only judge; name two or more")
    folder = EvaluationFolder(arguments.output)
    tasks = tasks_of(folder, arguments.tasks)
    found: dict[str, dict[str, list[ScoredCompletion]]] = {}
    with folder.locked():
        identities = [_identity(folder, tasks, name, arguments.votes) for name in arguments.judges]
        if len(set(identities)) < len(identities):
            raise ValueError(f"{', '.join(arguments.judges)}: two of them are one judge; name different ones")
        for number, (name, identity) in enumerate(zip(arguments.judges, identities, strict=True)):
            with opened_judge(name) as judge:
                warn_if_down(judge, "eval judges")
                warn_of_access(folder, tasks, judge, "judges")
                phase = Judging(folder, judge, arguments.votes, is_guest=number > 0)
                for task in tasks:
                    say_reasons("judges", f"judge {number + 1}, {task}", phase.run(task).unscored)
                    rows = list(joined(folder.task(task), folder.generations(task), phase.reached(task)))
                    found.setdefault(identity, {})[task] = rows
    result = compare_judges(found, {task: folder.task(task)["scoring"] == "rubric" for task in tasks})
    write_atomically(arguments.output / "judges.json", json.dumps(result.to_dict(), indent=2, allow_nan=False) + "\n")
    console = PlainConsole()
    for table in result.tables():
        table.print(console)
    for note in result.notes:
        console.print(note, highlight=False)
    return max([_told(number, name, _flat(rows)) for number, (name, rows) in enumerate(found.items(), 1)])


def _told(number: int, identity: str, rows: "Sequence[ScoredCompletion]") -> int:
    """Say what a judge left unscored, and how to go on; returns the exit status."""
    asked = [one for one in rows if one.completion is not None]
    scored = sum(one.credit is not None for one in asked)
    if scored == len(asked):
        return 0
    say(
        "judges",
        f"judge {number} ({identity}): {scored:,} of {len(asked):,} completions scored; the same command asks for the "
        "others again, and shifts are estimated from those that both judges gave a verdict on",
    )
    return 1


def _identity(folder: "EvaluationFolder", tasks: Sequence[str], name: str, votes: int) -> str:
    """What a judge is on record as, with the prompts and votes that these tasks ask for.

    Raises:
        ValueError: it cannot be asked about one of them.
    """
    from medix.evaluation.verdicts import Judging
    from medix.judge.own_arguments import named

    with opened_judge(name) as judge:
        phase = Judging(folder, judge, votes)
        asked = [phase.judge_of(scoring) for scoring in sorted({folder.task(task)["scoring"] for task in tasks})]
        return ", ".join(dict.fromkeys(named(one) for one in asked if one is not None))


def _flat(rows: "dict[str, list[ScoredCompletion]]") -> "list[ScoredCompletion]":
    return [one for part in rows.values() for one in part]
