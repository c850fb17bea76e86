"""``python -m medix eval tasks``: which benchmarks can be run here."""

import argparse
import json
from pathlib import Path

from medix.commands.parser import CommandParser


def add_tasks(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--tasks", nargs="+", metavar="TASK", help="some of the tasks, or task files of your own (default: all shipped)"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder with the files of the tasks (default: dataset hubs)"
    )
    parser.add_argument("--json", type=Path, help="write the list to this file")


def tasks(arguments: argparse.Namespace) -> int:
    """List the tasks."""
    from rich.table import Table

    from medix.evaluation.tasks.loader import availability
    from medix.evaluation.tasks.spec import read_tasks, shipped
    from medix.files.atomic_file import write_atomically
    from medix.plain_console import PlainConsole

    table = Table(box=None, pad_edge=False)
    for column in ("Task", "Rows", "Scored", "Read from"):
        table.add_column(column, justify="right" if column == "Rows" else "left", overflow="fold")
    listed, missing, unread, here = {}, list[str](), list[str](), 0
    for name, task in read_tasks(arguments.tasks or list(shipped())).items():
        found = availability(name, task, arguments.data)
        rows = _rows(found.rows, task.expected_rows)
        where = found.where if found.can_be_read else f"{found.where} (cannot be read)"
        table.add_row(name, rows, task.scoring, where or "not here")
        here += found.is_here
        told = " ".join(found.fault.split())
        if not found.can_be_read:
            unread.append(f"{name}: {told}")
        elif told:
            missing.append(f"{name} ({task.licence}): {told}")
        listed[name] = {
            **task.to_dict(),
            "where": found.where, "rows": found.rows, "images": found.images, "fault": found.fault,
            "can_be_read": found.can_be_read,
        }  # fmt: skip
    if arguments.json is not None:
        write_atomically(arguments.json, json.dumps(listed, indent=2, ensure_ascii=False) + "\n")
    console = PlainConsole(highlight=False)
    console.print(table)
    for title, notes in (("Missing, and how to get it", missing), ("Cannot be read", unread)):
        if notes:
            console.print(f"\n{title}:")
        for note in notes:
            console.print(f"- {note}")
    place = "on dataset hubs" if arguments.data is None else "here"
    console.print(f"\n{here} of {len(listed)} tasks are {place}.")
    return 0


def _rows(found: int | None, expected: int | None) -> str:
    if found is None or found == expected:
        return "?" if expected is None else f"{expected:,}"
    return f"{found:,}" if expected is None else f"{found:,} of {expected:,}"
