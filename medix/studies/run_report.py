"""The ``report.json`` of a run, as ``ablate``, ``run-card`` and ``verify`` read it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medix.reporting.record_check import (
    COUNT,
    COUNTS,
    FLAG,
    LIST,
    MAPPING,
    MAPPING_OF_TEXTS,
    MAPPING_OR_NULL,
    NUMBER,
    NUMBER_OR_NULL,
    TEXT,
    TEXT_OR_NULL,
    TEXTS,
    Rule,
    check_fields,
)
from medix.reporting.table import HEADLINES
from medix.studies.checksums import read_object
from medix.studies.recorded_steps import last_step

NAME = "report.json"


_REPORT: Mapping[str, Rule] = {
    "title": TEXT, "step": COUNT, "max_steps": COUNT, "finished": FLAG, "ended": TEXT, "facts": MAPPING_OF_TEXTS,
    "versions": MAPPING_OF_TEXTS, "before": MAPPING_OR_NULL, "after": MAPPING_OR_NULL, "gain": MAPPING,
    "validations": LIST, "steps": LIST, "spec": TEXT, "split": TEXT, "notes": TEXTS, "run": MAPPING_OF_TEXTS,
    "resumes": COUNTS, "balance": LIST, "reward_judges": TEXTS, "rewarded_by": LIST,
}  # fmt: skip
_NEEDED = ("step", "max_steps", "finished", "validations", "steps")

_SHARES = ("reward", "accuracy", "modality_accuracy", "unscored", "well_formed", "truncated", "tokens")
_COUNTED = ("samples", "completions", "cases")
_VALIDATION: Mapping[str, Rule] = {
    **dict.fromkeys((*_SHARES, "accepted_wrong", "majority"), NUMBER_OR_NULL),
    **dict.fromkeys((*_COUNTED, "step"), COUNT),
    **dict.fromkeys(("split", "judged", "majority_answer"), TEXT),
    "judge": TEXT_OR_NULL,
    "exchanged": FLAG,
    **dict.fromkeys(("suite", "modalities", "sources", "subgroups"), MAPPING_OR_NULL),
    "intervals": MAPPING,
}
_SUMMARY = (*_SHARES, *_COUNTED, "intervals")
_ENDS = ("estimate", "low", "high")
_INTERVAL: Mapping[str, Rule] = dict.fromkeys(_ENDS, NUMBER_OR_NULL)
_STEP = re.compile(r"step-([0-9]+)\.[a-z]+$")
_REWARDED_BY: Mapping[str, Rule] = {"after": COUNT, "judges": TEXTS}


def read_run_report(folder: Path, remedy: str) -> Mapping[str, Any]:
    """The report of a run, with the values that are read of it checked.

    Args:
        folder: of the run.
        remedy: for messages.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not as ``WriteReport`` writes it; names the file, and the key of a wrong value.
    """
    file = folder / NAME
    report = read_object(file, "medix fit", _NEEDED, remedy)
    try:
        _check(report)
    except ValueError as error:
        raise ValueError(f"{file}: {error}; {remedy}") from error
    return report


def newer_than(report: Mapping[str, Any], folder: Path) -> str:
    """What a run has of later steps than its report; empty for a report of the end of the run.

    Args:
        report: of the run.
        folder: of the run.
    """
    last = report["validations"][-1]["step"] if report["validations"] else -1
    for name, step in _steps(folder, "completions/val-step-*.jsonl"):
        if step > last:
            holds = f"its last validation is of step {last}" if last >= 0 else "it has no validation"
            return f"{holds}, and {name} is there"
    for pattern in ("checkpoints/step-*.ckpt", "canaries-step-*.json"):
        for name, step in _steps(folder, pattern):
            if step > report["step"]:
                return f"it is of step {report['step']}, and {name} is there"
    for path in sorted(path for path in folder.glob("completions/train.rank*.jsonl") if path.is_file()):
        if (recorded := last_step(path)) > report["step"]:
            return f"it is of step {report['step']}, and {path.name} has completions of step {recorded}"
    return ""


def _check(report: Mapping[str, Any]) -> None:
    check_fields(report, _REPORT)
    for number, entry in enumerate(report["validations"]):
        check_fields(entry, _VALIDATION, f"validations.{number}.", ("step",))
    for number, entry in enumerate(report["steps"]):
        numbers = dict.fromkeys(entry, NUMBER_OR_NULL) if isinstance(entry, dict) else {}
        check_fields(entry, numbers | {"step": NUMBER}, f"steps.{number}.", ("step",))
    for number, entry in enumerate(report.get("rewarded_by", ())):
        check_fields(entry, _REWARDED_BY, f"rewarded_by.{number}.", _REWARDED_BY)
    for name, entry in report.get("gain", {}).items():
        check_fields(entry, _INTERVAL, f"gain.{name}.", _ENDS)
    for side in ("before", "after"):
        if report.get(side) is not None:
            _check_whole(report[side], f"{side}.")


def _check_whole(entry: Mapping[str, Any], prefix: str) -> None:
    """Check a validation with its slices, of which tables are made."""
    _check_summary(entry, prefix)
    check_fields(entry, {}, prefix, ("step",))
    for kind in ("modalities", "sources"):
        _check_slices(entry.get(kind) or {}, f"{prefix}{kind}.")
    for field, slices in (entry.get("subgroups") or {}).items():
        _check_slices(slices, f"{prefix}subgroups.{field}.")


def _check_slices(slices: Any, prefix: str) -> None:
    check_fields(slices, {}, prefix)
    for name, entry in slices.items():
        _check_summary(entry, f"{prefix}{name}.")


def _check_summary(entry: Any, prefix: str) -> None:
    has_majority = isinstance(entry, Mapping) and entry.get("majority") is not None
    check_fields(entry, _VALIDATION, prefix, (*_SUMMARY, *(("majority_answer",) if has_majority else ())))
    for name, *_ in HEADLINES:
        check_fields(entry["intervals"], {name: MAPPING}, f"{prefix}intervals.", (name,))
        check_fields(entry["intervals"][name], _INTERVAL, f"{prefix}intervals.{name}.", _ENDS)


def _steps(folder: Path, pattern: str) -> Iterator[tuple[str, int]]:
    """Names of files and the steps in them, the latest first."""
    for path in sorted(folder.glob(pattern), reverse=True):
        if match := _STEP.search(path.name):
            yield path.name, int(match[1])
