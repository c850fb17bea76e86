"""The judges of a run: what each gave, and for which steps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from medix.evaluation.comparison import reward_judges
from medix.evaluation.recorded_run import RecordedRun
from medix.reporting.record import read_records
from medix.studies.run_folder import RunFolder

Given = tuple[tuple[str, ...], str]
"""Judges, and what they gave it for."""


@dataclass(frozen=True)
class RunJudges:
    """The judges of the rewards and of the accuracy, of all stretches of a run.

    Attributes:
        run: the folder.
        evaluations: results of ``validate`` and ``test`` after the run.
    """

    run: RunFolder
    evaluations: Sequence[Mapping[str, Any]]

    @cached_property
    def uses(self) -> dict[str, dict[str, str]]:
        """Of each judge, by identity, what it gave, in words that name the steps where it did not give all of it."""
        found: dict[str, dict[str, str]] = {}
        for use, parts in (("accuracy", self._accuracy), ("rewards", self._rewards)):
            for judge in dict.fromkeys(judge for judges, _ in parts for judge in judges):
                where = list(dict.fromkeys(text for judges, text in parts if judge in judges))
                gave_all = all(judge in judges for judges, _ in parts)
                found.setdefault(judge, {})[use] = use if gave_all else f"{use} of {', '.join(where)}"
        return found

    @property
    def unknown(self) -> str:
        """Steps whose rewards nothing on record says the judges of; empty if there are none."""
        return "" if self._earlier or not self._first else _steps(1, self._first)

    @cached_property
    def _accuracy(self) -> list[Given]:
        report = self.run.report
        during = [(one, "validation") for one in report.get("validations", [])]
        rows = [*during, *((one, one.get("split")) for one in self.evaluations)]
        found = []
        for (judge, name), ones in groupby(rows, key=lambda row: (row[0].get("judge"), row[1])):
            steps = [one.get("step") for one, _ in ones]
            at = f"step {steps[0]}" if steps[0] == steps[-1] else f"steps {steps[0]} to {steps[-1]}"
            found.append((_known([judge]), f"the {name} at {at}"))
        return found

    @cached_property
    def _listed(self) -> list[Mapping[str, Any]]:
        """As the report lists them: judges, and the last step before them.

        An earlier report lists those alone that the run ended with, and before that names them in one text, which is
        taken as one judge: it cannot be split, since identities hold commas.
        """
        report = self.run.report
        if found := report.get("rewarded_by"):
            return list(found)
        together = (report.get("facts") or {}).get("Judge of the rewards")
        return [{"after": max(report.get("resumes") or [0]), "judges": report.get("reward_judges", [together])}]

    @property
    def _first(self) -> int:
        """The last step whose judges the report does not list."""
        return int(self._listed[0]["after"])

    @cached_property
    def _rewards(self) -> list[Given]:
        ends = [*(one["after"] for one in self._listed[1:]), self.run.report.get("step") or self._listed[-1]["after"]]
        listed = [
            (_known(one["judges"]), _steps(one["after"] + 1, end)) for one, end in zip(self._listed, ends, strict=True)
        ]
        if self._first and not self._earlier:
            return [((), self.unknown), *listed]
        return [*self._earlier, *listed]

    @cached_property
    def _earlier(self) -> list[Given]:
        """Of the steps that the report does not list, as their completions have it; none without records."""
        if not self._first:
            return []
        by_step: dict[int, set[str]] = {}
        for record in self._records():
            if record.step <= self._first:
                asked = by_step.setdefault(record.step, set())
                asked.update(*reward_judges([record]).values())
        rows = [(tuple(sorted(by_step[step])), step) for step in sorted(by_step)]
        found = []
        for judges, ones in groupby(rows, key=lambda row: row[0]):
            steps = [step for _, step in ones]
            found.append((judges, _steps(steps[0], steps[-1])))
        return found

    def _records(self) -> Iterator[Any]:
        try:
            files = RecordedRun.find(self.run.path).files
        except FileNotFoundError:
            return
        for path in files:
            yield from read_records(path)


def _known(judges: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(judge for judge in judges if judge and judge != "none")


def _steps(first: int, last: int) -> str:
    return f"step {first}" if first >= last else f"steps {first} to {last}"
