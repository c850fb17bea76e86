"""``python -m medix eval judges``: several judges on the completions of an evaluation."""

import argparse
import json
from typing import TYPE_CHECKING

from medix.commands.evaluate_generate import add_output
from medix.commands.evaluate_judge import opened_judge, tasks_of
from medix.commands.judge_arguments import warn_if_down
from medix.commands.parser import CommandParser, check_positive

if TYPE_CHECKING:
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
    from medix.atomic_file import write_atomically
    from medix.evaluation.folder import EvaluationFolder
    from medix.evaluation.judge_comparison import compare_judges
    from medix.evaluation.scored_completion import joined
    from medix.evaluation.verdicts import Judging
    from medix.plain_console import PlainConsole

    check_positive(arguments, "votes")
    if len(arguments.judges) < 2:
        raise ValueError(f"{arguments.judges[0]}: is the only judge; name two or more")
    folder = EvaluationFolder(arguments.output)
    tasks = tasks_of(folder, arguments.tasks)
    found: dict[str, dict[str, list[ScoredCompletion]]] = {}
    with folder.locked():
        # the first once more at the end, whose verdicts are known by then and become those of the folder
        for name in [*arguments.judges, arguments.judges[0]]:
            with opened_judge(name) as judge:
                assert judge is not None
                if judge.identity not in found:  # the first comes twice
                    warn_if_down(judge, "eval judges")
                for task in tasks:
                    Judging(folder, judge, arguments.votes).run(task)
                    rows = list(joined(folder.task(task), folder.generations(task), folder.verdicts(task)))
                    found.setdefault(judge.identity, {})[task] = rows
    if len(found) < len(arguments.judges):
        raise ValueError(f"{', '.join(arguments.judges)}: two of them are one judge; name different ones")
    result = compare_judges(found, {task: folder.task(task)["scoring"] == "rubric" for task in tasks})
    console = PlainConsole()
    for table in result.tables():
        table.print(console)
    for note in result.notes:
        console.print(note, highlight=False)
    write_atomically(arguments.output / "judges.json", json.dumps(result.to_dict(), indent=2, allow_nan=False) + "\n")
    failed = any(one.credit is None and one.completion is not None for rows in found.values() for one in _flat(rows))
    return 1 if failed else 0


def _flat(rows: "dict[str, list[ScoredCompletion]]") -> "list[ScoredCompletion]":
    return [one for part in rows.values() for one in part]
