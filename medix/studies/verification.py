"""Verification of a run: some of its steps are made again and compared with what it recorded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from medix.evaluation.recorded_run import RecordedRun
from medix.modules import checkpoint as state
from medix.reporting.record import read_records
from medix.reporting.render import USE
from medix.studies.replay import Window, replay
from medix.studies.reproduction import Difference, Reproduction, compare
from medix.studies.run_folder import RunFolder

_NOT_WRITTEN_BY = "use"
_SHOWN = 5


@dataclass(frozen=True)
class Verification:
    """What a verification found.

    Attributes:
        window: the steps.
        found: the comparison.
        notes: what was not compared, or left out, and why.
    """

    window: Window
    found: Reproduction
    notes: tuple[str, ...]

    @property
    def is_reproduced(self) -> bool:
        """Whether the steps gave what is on record."""
        return self.found.outcome != "not reproduced"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "use": USE,
            "outcome": self.found.outcome,
            "checkpoint": self.window.start,
            "steps": list(self.window.steps),
            "compared": dict(self.found.compared),
            "same_kind_of_processor": self.found.is_same_kind,
            "run": [dict(one) for one in self.found.processors],
            "here": dict(self.found.here),
            "other_tokens": self.found.other_tokens,
            "uncompared": list(self.found.uncompared),
            "differences": [asdict(one) for one in self.found.differences],
            "notes": list(self.notes),
        }


def verify(run: RunFolder, count: int = 3) -> Verification:
    """Replay steps of a run from one of its checkpoints and compare them with what it recorded.

    Args:
        run: its folder, which is only read.
        count: recorded steps to replay.

    Raises:
        CannotReplayError: it cannot be tried.
    """
    window, report = Window.of(run, count), run.report
    made = replay(run, window)
    files = RecordedRun.find(run.path).files
    recorded = [record for path in files for record in read_records(path) if record.step in window.steps]
    metrics = {int(row["step"]): row for row in report.get("steps", ())}
    last = window.steps[-1]
    # the first after the steps, too: it says where the steps before it were made, and a run may move at any checkpoint
    end = next((step for step in run.checkpoints if step >= last), last)
    saved = {step: run.checkpoint(step) for step in run.checkpoints if window.start <= step <= end}
    weights = {step: one["state_dict"] for step, one in saved.items() if window.start < step <= last}
    writers = [_written_by(one) for one in saved.values()]
    found = compare(recorded, metrics, weights, made, writers, _facts(state.header()))
    found = replace(found, differences=[*_altered(run), *found.differences])
    notes = [*_notes(found, made.left_out, weights, report), *_repeated(run), *_unrecorded(window, metrics)]
    return Verification(window, found, tuple(notes))


def _altered(run: RunFolder) -> list[Difference]:
    """What the specs in the folder say otherwise than its checkpoints, whose specs are those that ran."""
    return [
        Difference(step, f"{path.name}, {one.key}", one.now, one.before, False) for path, step, one in run.altered_specs
    ]


def _repeated(run: RunFolder) -> list[str]:
    """Lines of the whole record that stand twice, which the tables of it count twice."""
    found = run.repeated_lines
    if not found:
        return []
    steps = ", ".join(map(str, list(found)[:_SHOWN])) + (", …" if len(found) > _SHOWN else "")
    return [f"{sum(found.values())} lines of completions/ repeat another, of steps {steps}: the record was changed"]


def _unrecorded(window: Window, metrics: Mapping[int, Any]) -> list[str]:
    """Steps among those that were replayed whose completions are not on record."""
    missing = [step for step in metrics if window.start < step < window.steps[-1] and step not in window.steps]
    if not missing:
        return []
    steps = ", ".join(map(str, missing[:_SHOWN])) + (", …" if len(missing) > _SHOWN else "")
    return [f"of the steps between, completions of {steps} are not on record (completions/), and were not compared"]


def _written_by(saved: Mapping[str, Any]) -> dict[str, Any]:
    return _facts(saved[state.KEY].get("written_by") or {})


def _facts(header: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in header.items() if name != _NOT_WRITTEN_BY}


def _notes(
    found: Reproduction, left_out: tuple[str, ...], weights: Mapping[int, Any], report: Mapping[str, Any]
) -> list[str]:
    notes = []
    if not found.compared["metrics"]:
        holds = (
            f"report.json, of step {report['step']}, holds no metrics of these steps"
            if report
            else ("there is no report.json (medix.callbacks.WriteReport)")
        )
        notes.append(f"{holds}: losses and gradients are not compared")
    if not weights:
        notes.append("no checkpoint lies among these steps, so that weights are compared by what they sample alone")
    if any("processor" not in one for one in found.processors):
        notes.append("the checkpoints do not say which processor wrote them")
    elif not found.is_same_kind:
        notes.append("the run is of another processor or of other versions, which round differently")
    if left_out:
        notes.append(f"callbacks of the run that are not of medix were left out: {', '.join(left_out)}")
    if found.other_tokens:
        notes.append(
            f"in {found.other_tokens} of {found.compared['completions']} completions another token was drawn, as "
            "happens on another processor where a random number lies within rounding of the boundary of two tokens"
        )
    if found.uncompared:
        later = ", ".join(map(str, found.uncompared))
        notes.append(f"steps after that, which trained on another completion, are not compared: {later}")
    return notes
