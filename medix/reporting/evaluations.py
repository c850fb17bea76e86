"""Results of ``validate`` and ``test`` in the report of their run, such as the control with exchanged images."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medix.files.atomic_file import write_atomically
from medix.reporting.table import MISSING, Table, interval, majority, number

FILES = ("validation.json", "validation-exchanged.json", "test.json", "test-exchanged.json")
"""What ``WriteReport`` writes under ``validate`` and ``test``."""

BEGIN, END = "<!-- evaluations -->", "<!-- end of evaluations -->"
"""Stand around the block in a report, so that later results replace it. Data cannot forge them: ``<`` is escaped."""


EXCHANGED = (
    "With images exchanged, every question is asked with the images of another case: accuracy that remains does not "
    "depend on the images."
)


def read_evaluations(folder: Path, since: str) -> list[dict[str, Any]]:
    """The results in the folder of a run, in the order of ``FILES``.

    Args:
        folder: of the run.
        since: when the run began; older results, and those without a date, are of another run and are left out.
    """
    found = []
    for name in FILES:
        if not (folder / name).is_file():
            continue
        try:
            data = json.loads((folder / name).read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            continue  # not written by medix; a report does without
        if isinstance(data, dict) and str(data.get("written", "")) >= since and "intervals" in data:
            found.append(data)
    return found


def began(report: Mapping[str, Any]) -> str:
    """When the run of a report began; after every date if it does not say."""
    head = report.get("run")
    return str(head.get("Began", "unknown")) if isinstance(head, Mapping) else "unknown"


def read_report(folder: Path) -> Mapping[str, Any]:
    """The ``report.json`` of a run; empty if it has none that can be read."""
    try:
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}


def evaluations_table(evaluations: Sequence[Mapping[str, Any]]) -> Table | None:
    """One row per result; None without any.

    Args:
        evaluations: the results; ``differences``, if it is known, lists what each was measured with that the
            validations of the training were not.
    """
    if not evaluations:
        return None
    rows = [
        [
            f"{entry['split']}{', images exchanged' if entry.get('exchanged') else ''}",
            f"{entry['step']}",
            f"{entry['samples']}",
            interval(entry["intervals"]["accuracy"], percent=True),
            majority(entry),
            interval(entry["intervals"]["modality_accuracy"], percent=True),
            interval(entry["intervals"]["reward"]),
            number(entry["unscored"], percent=True),
            str(entry.get("judge") or MISSING),
            ", ".join(entry["differences"]) or "as in training" if "differences" in entry else MISSING,
        ]
        for entry in evaluations
    ]
    heads = ["Split", "Step", "Samples", "Accuracy", "Majority answer alone", "Modality accuracy", "Reward", "Unscored",
             "Judge", "Measured with"]  # fmt: skip
    return Table("Results of validate and test, and controls", heads, rows)


def replace_block(path: Path, block: str) -> None:
    """Replace the block of results in a page or a Markdown file that has one; other files are left alone."""
    if not path.is_file():
        return
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        write_atomically(path, f"{before}{BEGIN}{block}{END}{after}")
