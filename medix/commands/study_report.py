"""``python -m medix study report``: what a study has found."""

import argparse
import json
from pathlib import Path

from medix.commands.parser import CommandParser


def add_report(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument("study", type=Path, metavar="DB", help="the --output of study serve, which may be running")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to this file")
    parser.add_argument(
        "--ratings", type=Path, metavar="FILE", help="also write every rating and comment, as JSON lines"
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the tables to this file")


def report(arguments: argparse.Namespace) -> int:
    """Print the tables; status 1 if nothing has been rated."""
    from contextlib import closing

    from medix.files.atomic_file import write_atomically
    from medix.plain_console import PlainConsole
    from medix.studies.preference.database import StudyDatabase
    from medix.studies.preference.report import StudyReport

    for path in (arguments.json, arguments.ratings, arguments.markdown):
        if path is not None and path.resolve() == arguments.study.resolve():
            raise ValueError(f"{path}: is the study, which would be overwritten; name another file")
    with closing(StudyDatabase(arguments.study)) as database:
        planned = [len(database.decided(rater)) for rater in range(database.raters)]
        found = StudyReport(database.facts["models"], planned, database.ratings(), database.facts)
    console = PlainConsole()
    tables = found.tables()
    if arguments.json is not None:
        write_atomically(arguments.json, json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n")
    if arguments.ratings is not None:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found.rows())
        write_atomically(arguments.ratings, lines)
    if arguments.markdown is not None:
        parts = [f"## {table.title}\n\n{table.markdown()}" for table in tables] + [f"{note}\n" for note in found.notes]
        write_atomically(arguments.markdown, "\n".join(parts))
    for table in tables:
        table.print(console)
    for note in found.notes:
        console.print(f"Note: {note}", style="yellow")
    return 0 if found.ratings else 1
