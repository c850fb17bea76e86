"""``python -m medix judge agreement``: a judge, or a reward component, beside people."""

import argparse
import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from medix.commands.judge_arguments import named_judge, warn_if_down
from medix.commands.parser import CommandParser, check_positive
from medix.commands.progress import progress
from medix.visible_text import tell

if TYPE_CHECKING:
    from medix.rewards.base import RewardComponent


def add_agreement(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        help="JSONL, perhaps .gz: question, references or reference, prediction or answer, human_label or label",
    )
    parser.add_argument(
        "--component",
        metavar="PART:NAME",
        help="not a judge but a component of a suite, such as rewards_medical:embedding, at several thresholds",
    )
    parser.add_argument("--by", metavar="COLUMN", help="rates by this column of the labels too")
    parser.add_argument(
        "--where", metavar="COLUMN=VALUE", action="append", default=[], help="only these labels; may be repeated"
    )
    parser.add_argument(
        "--votes", type=int, default=1, metavar="N", help="votes for each verdict, as for eval judge (default: 1)"
    )
    parser.add_argument("--json", type=Path, help="write the rates, for eval score --judge-errors")


def agreement(arguments: argparse.Namespace) -> int:
    """Print and write the rates; status 1 if no answer has a verdict."""
    from medix.evaluation.label_verdicts import judge_labels
    from medix.evaluation.labels import read_labels
    from medix.files.atomic_file import write_atomically
    from medix.judge.prompt_vote import voting
    from medix.plain_console import PlainConsole

    check_positive(arguments, "votes")
    where = dict(_column_and_value(text) for text in arguments.where)
    if arguments.component and (arguments.judge or arguments.base_url or arguments.model):
        raise ValueError("--component and a judge: give one of them")
    if arguments.component and arguments.votes > 1:
        raise ValueError(f"--votes {arguments.votes}: a component casts one vote; leave --votes out, or give --judge")
    labels = read_labels(arguments.labels, arguments.by, where)
    with progress("asking about labelled answers", len(labels)) as advance:
        if arguments.component:
            from medix.evaluation.component_sweep import sweep_component  # imports take many seconds

            name, component = _component(arguments.component)
            sweep = sweep_component(name, component, labels, advance)
            found, tables, data = sweep.thresholds[sweep.best], [sweep.table()], sweep.to_dict()
        else:
            with contextlib.closing(named_judge(arguments)) as judge:
                warn_if_down(judge, "judge agreement")
                found, tables = judge_labels(voting(judge, arguments.votes), labels, advance), []
            data = found.to_dict()
    if arguments.json is not None:
        data["labels"] = {"file": arguments.labels.name, "where": where}
        write_atomically(arguments.json, json.dumps(data, indent=2, allow_nan=False) + "\n")
    console = PlainConsole()
    for table in [*tables, *found.tables()]:
        table.print(console)
    for note in found.notes:
        console.print(note)
    for reason, count in found.reasons.items():
        tell(f"{count} without a verdict: {reason}", sys.stderr)
    return 0 if found.agreement.count else 1


def _column_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"--where {text}: write COLUMN=VALUE, such as system=fid")
    return name, value


def _component(text: str) -> "tuple[str, RewardComponent]":
    from medix.rewards.suite import RewardSuite

    part, _, name = text.rpartition(":")
    if not part:
        raise ValueError(f"--component {text}: write PART:NAME, such as rewards_medical:embedding")
    components = RewardSuite.from_spec(part).components
    if name not in components:
        raise ValueError(f"--component {text}: {part} has no component {name}, only {', '.join(components)}")
    return name, components[name]
