"""``python -m medix eval score`` and ``eval report``: tables of an evaluation, and the page to send."""

import argparse
import json
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from medix.commands.evaluate_generate import add_output, say
from medix.commands.parser import CommandParser, check_positive
from medix.visible_text import tell

if TYPE_CHECKING:
    from medix.evaluation.evaluation_score import EvaluationScore
    from medix.evaluation.folder_score import FolderScore
    from medix.evaluation.training_references import TrainingReferences
    from medix.plain_console import PlainConsole
    from medix.reporting.evaluation_page import EvaluationPage


def add_score(parser: CommandParser) -> None:
    """Add the arguments."""
    add_output(parser)
    add_scoring(parser)


def add_scoring(parser: CommandParser) -> None:
    """Add the arguments that say how verdicts become scores."""
    parser.add_argument(
        "--judge-errors",
        type=Path,
        metavar="FILE",
        help="correct accuracies for the errors of the judge that medix judge agreement --json wrote",
    )
    parser.add_argument(
        "--training",
        nargs="+",
        metavar="MANIFEST",
        help="manifests of the training data: scores also by how often the text of the reference occurs there as one; "
        "whether items themselves are in the training data, medix shards audit --tasks says",
    )


def add_report(parser: CommandParser) -> None:
    """Add the arguments."""
    add_output(parser)
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder with the files of the tasks, for pictures (default: hubs)"
    )
    add_page(parser)


def add_page(parser: CommandParser) -> None:
    """Add the arguments that say what is on the page."""
    add_scoring(parser)
    parser.add_argument(
        "--items", type=int, default=200, metavar="N", help="completions to browse on the page (default: 200)"
    )
    parser.add_argument("--no-images", action="store_true", help="leave pictures out")


def score(arguments: argparse.Namespace) -> int:
    """Print the tables, and write table.json, table.md, table.csv and table.tex; status 1 if nothing is scored."""
    from medix.plain_console import PlainConsole
    from medix.reporting.evaluation_page import EvaluationPage

    found = _scored(arguments)
    tables = found.score.tables()
    _write_tables(EvaluationPage(found.score.to_dict(), tables), arguments.output)
    _tell_earlier_report(arguments.output)
    console = PlainConsole()
    for table in tables:
        table.print(console)
    _tell_judges(found.score, console)
    for note in found.score.notes:
        console.print(note, highlight=False)
    return 0 if any(task.whole.scored for task in found.score.tasks) else 1


def report(arguments: argparse.Namespace) -> int:
    """Write the tables, report.html, and the submission to the public leaderboard; status 1 if nothing is scored."""
    from medix.evaluation.evaluation_items import chosen_items
    from medix.evaluation.leaderboard import write_submission
    from medix.files.atomic_file import write_atomically
    from medix.plain_console import PlainConsole
    from medix.reporting.evaluation_page import EvaluationPage

    check_positive(arguments, "items")
    found = _scored(arguments)
    images, missing = ({}, []) if arguments.no_images else _images(found, arguments.data)
    for reason in missing:
        say("report", f"no pictures of {reason}")
    items = chosen_items(found.completions, arguments.items, images)
    page = EvaluationPage(found.score.to_dict(), found.score.tables(), items)
    _write_tables(page, arguments.output)
    write_atomically(arguments.output / "report.html", page.html())
    console = PlainConsole()
    page.tables[0].print(console)
    _tell_judges(found.score, console)
    for note in found.score.notes:
        console.print(note, highlight=False)
    tell(f"Page: {arguments.output / 'report.html'}")
    tell(f"Leaderboard: {write_submission(found, arguments.output)}")
    return 0 if any(task.whole.scored for task in found.score.tasks) else 1


def check_page(arguments: argparse.Namespace, judges: Collection[str]) -> None:
    """See to it that the files can be used that say how verdicts become scores, before any work.

    Args:
        arguments: of the command line.
        judges: identities of the judges whose verdicts on right and wrong answers there will be.

    Raises:
        ValueError, ManifestError, ShardError: one is missing, not valid, or of another judge.
    """
    from medix.evaluation.judge_errors import JudgeErrors

    check_positive(arguments, "items")
    if arguments.judge_errors is not None:
        errors = JudgeErrors.read(arguments.judge_errors)
        errors.check()
        if errors.judge not in judges:
            raise ValueError(
                f"--judge-errors {arguments.judge_errors}: are those of {errors.judge}, and right and wrong answers "
                f"are judged by {', '.join(sorted(judges)) or 'rules alone'}; give the file of that judge, or leave it "
                "out"
            )
    _references(tuple(arguments.training or ()))


def _scored(arguments: argparse.Namespace) -> "FolderScore":
    from medix.evaluation.folder import EvaluationFolder
    from medix.evaluation.folder_score import FolderScore
    from medix.evaluation.judge_errors import JudgeErrors

    errors = None if arguments.judge_errors is None else JudgeErrors.read(arguments.judge_errors)
    training = _references(tuple(arguments.training or ()))
    found = FolderScore.of(EvaluationFolder(arguments.output), arguments.tasks, errors, training)
    tell_unjudged("score", found, arguments.output)
    return found


def tell_unjudged(word: str, found: "FolderScore", folder: Path) -> None:
    """How many completions have no verdict on their present text, and what to run."""
    from medix.evaluation.scored_completion import TO_BE_JUDGED

    counts = {name: sum(one.reason in TO_BE_JUDGED for one in rows) for name, rows in found.completions.items()}
    if total := sum(counts.values()):
        named = ", ".join(f"{number:,} of {name}" for name, number in counts.items() if number)
        say(
            word,
            f"completions without a verdict on their present text, which are unscored: {total:,} ({named}); run eval "
            f"judge --output {folder} with the same judge again",
        )


@lru_cache(maxsize=1)
def _references(manifests: tuple[str, ...]) -> "TrainingReferences | None":
    """Those of training, read once for the check before all phases and for the tables; None without manifests."""
    if not manifests:
        return None
    from medix.evaluation.training_references import TrainingReferences

    return TrainingReferences.read(manifests)


def _tell_judges(score: "EvaluationScore", console: "PlainConsole") -> None:
    """A line for each judge or rule that decided."""
    for judge in score.judges or ["none"]:
        console.print(f"Judge: {judge}", highlight=False)


def _tell_earlier_report(folder: Path) -> None:
    """That tables are newer than what the last report wrote, if there was one."""
    written = [
        path.name for path in (folder / "report.html", *sorted(folder.glob("*_submission.zip"))) if path.exists()
    ]
    if written:
        say(
            "score",
            f"not written anew: {' and '.join(written)}, which hold the results of the last report; run eval report "
            f"--output {folder} with the same options to write them from these",
        )


def _write_tables(page: "EvaluationPage", folder: Path) -> None:
    from medix.files.atomic_file import write_atomically

    write_atomically(folder / "table.json", json.dumps(page.data, indent=2, allow_nan=False) + "\n")
    write_atomically(folder / "table.md", page.markdown())
    write_atomically(folder / "table.csv", page.csv())
    write_atomically(folder / "table.tex", page.latex())


def _images(found: "FolderScore", data: Path | None) -> tuple[dict[str, bytes], list[str]]:
    """Encoded images by their hash, and why those of a task are not at hand."""
    from medix.evaluation.tasks.loader import load
    from medix.evaluation.tasks.spec import task_of

    images: dict[str, bytes] = {}
    missing = []
    for name, rows in found.completions.items():
        if not any(row.images for row in rows):
            continue
        try:
            loaded = load(name, task_of(found.specs[name]), data)
        except (ValueError, OSError) as error:
            missing.append(f"{name}: {error}")
            continue
        images |= {image.sha256: image.data for item in loaded.items for image in item.images}
    return images, missing
