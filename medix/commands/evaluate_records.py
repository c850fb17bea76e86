"""``python -m medix eval show|compare``: tables of judged completions of a run, or of evaluations."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medix.commands.evaluate_score import tell_unjudged
from medix.commands.parser import CommandParser

if TYPE_CHECKING:
    from medix.evaluation.comparison import Comparison
    from medix.evaluation.score_comparison import ScoreComparison
    from medix.reporting.record import CompletionRecord


def add_show(parser: CommandParser) -> None:
    """Add the arguments of ``show``."""
    parser.add_argument("file", type=Path, help="completions of a run, or the folder of an evaluation")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")


def add_compare(parser: CommandParser) -> None:
    """Add the arguments of ``compare``."""
    parser.add_argument("first", type=Path, help="completions of one system, or the folder of its evaluation")
    parser.add_argument("second", type=Path, help="the other's, on the same samples")
    parser.add_argument(
        "--names", nargs=2, metavar=("FIRST", "SECOND"), help="names of the two in the tables (default: the file names)"
    )
    parser.add_argument("--min-images", type=int, default=30, help="pool modalities with fewer images (default: 30)")
    parser.add_argument(
        "--common", action="store_true", help="compare only samples that both files have, and count the others"
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")


def _check_outputs(arguments: argparse.Namespace) -> None:
    """Refuse to overwrite an input.

    Raises:
        ValueError: an output is one of the files to read.
    """
    values = vars(arguments)
    inputs = {values[name].resolve() for name in ("file", "first", "second") if values.get(name) is not None}
    for name in ("json", "markdown"):
        if values.get(name) is not None and values[name].resolve() in inputs:
            raise ValueError(f"--{name} {values[name]}: is the input, which would be overwritten; name another file")


def show(arguments: argparse.Namespace) -> int:
    """Accuracy and reward of one file, or the scores of an evaluation."""
    _check_outputs(arguments)
    from medix.plain_console import PlainConsole

    if arguments.file.is_dir():
        return _show_folder(arguments.file, arguments.json)

    from medix.evaluation.validation import Validation
    from medix.files.atomic_file import write_atomically
    from medix.reporting.record import read_records
    from medix.reporting.record_identity import distinct, with_datasets
    from medix.reporting.render import plain
    from medix.reporting.table import summary_table

    lines = list(read_records(arguments.file))
    records = distinct(with_datasets(lines, [one for one in lines if one.dataset]), str(arguments.file))
    if not records:
        raise ValueError(f"{arguments.file} holds no completion")
    _check_judged(records, arguments.file)
    judges = sorted({record.verdict.whose for record in records if record.verdict is not None})
    found = Validation.of(records, step=records[0].step, split=records[0].split, judge=", ".join(judges) or "none")
    data = found.to_dict() | _steps(records)
    if arguments.json is not None:
        write_atomically(arguments.json, json.dumps(plain(data), indent=2, allow_nan=False) + "\n")
    console = PlainConsole()
    summary_table(data).print(console)
    rewards = {(record.rewards, record.own_judges) for record in records if record.rewards}
    if len(rewards) > 1:
        console.print(
            f"The rewards are totals of {len(rewards)} different reward suites, because the run was continued with "
            "others: their means are of no one kind.",
            highlight=False,
        )
    return 0


def _steps(records: "Sequence[CompletionRecord]") -> dict[str, Any]:
    """The step of all completions, or the first and the last, as in a file of training."""
    steps = [record.step for record in records]
    first, last = min(steps), max(steps)
    return {"step": first} if first == last else {"step": f"{first} to {last}"}


def compare(arguments: argparse.Namespace) -> int:
    """Two files on the same samples, or two evaluations on the same tasks."""
    _check_outputs(arguments)
    from medix.files.atomic_file import write_atomically
    from medix.plain_console import PlainConsole

    for path in (arguments.first, arguments.second):
        if not path.exists():
            raise ValueError(f"{path}: is not there; give a file of completions, or the folder of an evaluation")
    folders = [path.is_dir() for path in (arguments.first, arguments.second)]
    if any(folders) and not all(folders):
        raise ValueError(
            f"{arguments.first} and {arguments.second}: one is a folder and one is not; give two files of completions, "
            "or two folders of medix eval generate"
        )
    names = tuple(arguments.names) if arguments.names else _names(arguments.first, arguments.second)
    found = _compared_folders(arguments, names) if all(folders) else _compared_files(arguments, names)
    if arguments.markdown is not None:
        write_atomically(arguments.markdown, found.markdown())
    if arguments.json is not None:
        write_atomically(arguments.json, json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n")
    console = PlainConsole()
    for table in found.tables():
        table.print(console)
    for note in found.notes:
        console.print(note, highlight=False)
    return 0


def _show_folder(folder: Path, json_file: Path | None) -> int:
    from medix.evaluation.folder import EvaluationFolder
    from medix.evaluation.folder_score import FolderScore
    from medix.files.atomic_file import write_atomically
    from medix.plain_console import PlainConsole

    scored = FolderScore.of(EvaluationFolder(folder))
    tell_unjudged("show", scored, folder)
    found = scored.score
    if json_file is not None:
        write_atomically(json_file, json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n")
    console = PlainConsole()
    for table in found.tables():
        table.print(console)
    for note in found.notes:
        console.print(note, highlight=False)
    return 0


def _compared_files(arguments: argparse.Namespace, names: tuple[str, str]) -> "Comparison":
    from medix.evaluation.comparison import compare
    from medix.reporting.record import read_records

    first, second = list(read_records(arguments.first)), list(read_records(arguments.second))
    _check_judged(first, arguments.first)
    _check_judged(second, arguments.second)
    return compare(first, second, names, arguments.min_images, arguments.common)


def _compared_folders(arguments: argparse.Namespace, names: tuple[str, str]) -> "ScoreComparison":
    from medix.evaluation.folder import EvaluationFolder, how_asked
    from medix.evaluation.folder_score import FolderScore
    from medix.evaluation.score_comparison import compare_scores

    folders = [EvaluationFolder(path) for path in (arguments.first, arguments.second)]
    first, second = map(FolderScore.of, folders)
    for scored, folder in zip((first, second), folders, strict=True):
        tell_unjudged("compare", scored, folder.path)
    found = compare_scores(first.tasks, second.tasks, names)
    one, other = (how_asked(folder.run() or {}) for folder in folders)
    asked = {name: (one.get(name), other.get(name)) for name in one | other if one.get(name) != other.get(name)}
    return replace(found, asked=asked)


def _check_judged(records: "Sequence[CompletionRecord]", path: Path) -> None:
    """Refuse completions that nobody judged, such as those of ``predict``: their table would be empty.

    Raises:
        ValueError: none of them has a verdict or a reward.
    """
    if not any(record.credit is not None or record.total is not None for record in records):
        raise ValueError(
            f"{path}: nobody judged these completions: none of {len(records)} has a verdict or a reward. Give a file "
            "of validate or test (completions/ in the folder of a run) instead of one of predict"
        )


def _names(first: Path, second: Path) -> tuple[str, str]:
    """The parts of the two paths that differ: two runs often write files of one name."""
    # the end of a folder's name is no suffix: qwen2.5
    first, second = (path if path.is_dir() else path.with_suffix("") for path in (first, second))
    if first.name != second.name:
        return first.name, second.name
    one, other = list(first.parts), list(second.parts)
    while one and other and one[-1] == other[-1]:
        one.pop(), other.pop()
    while one and other and one[0] == other[0]:
        del one[0], other[0]
    if not one or not other:  # one file, or a folder inside the other
        names = str(first), str(second)
        return names if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")
    return str(Path(*one)), str(Path(*other))
