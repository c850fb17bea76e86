"""The results of a grid as tables, Markdown and one self-contained HTML page with curves side by side."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medix.evaluation.few_clusters import few_note, marked
from medix.evaluation.statistics import Interval
from medix.files.atomic_file import write_atomically
from medix.reporting.charts import Series, line_chart
from medix.reporting.render import USE
from medix.reporting.table import MISSING, Table, interval, number, p_value
from medix.reporting.templates import style, template
from medix.studies.grid_result import CellResult, GridResult
from medix.studies.measures import MEASURES
from medix.studies.run_result import RunResult

READING = (
    "Means over the seeds of the means over the validation completions that have a value, as the report of each run "
    "has them; 95 % intervals for other seeds and other samples (medix.evaluation.crossed), of one run alone for other "
    "samples only. Differences are paired by seed and completion, over those with a value in both, as in eval compare. "
    "Where values or differences are over fewer seeds than a row has runs, their number stands behind. "
    "Where some have no value, a column says what share, and how many pairs of completions a difference leaves out. "
    "p is adjusted by Holm over the rows. "
    "Validation is by the judge of each row; rows with another one have no difference."
)


@dataclass(frozen=True)
class GridPage:
    """The page of a grid.

    Attributes:
        result: what is shown.
    """

    result: GridResult

    def tables(self) -> list[Table]:
        """The results, then the runs that failed, and those of which a file is lost or damaged."""
        grid, found = self.result.grid, []
        for measure in grid.measures:
            name, percent, _ = MEASURES[measure]
            columns = {
                "Runs": [_runs(cell) for cell in self.result.cells],
                name: [
                    interval(asdict(cell.values[measure]), percent=percent) + _seeds(cell.seeds(measure), cell)
                    for cell in self.result.cells
                ],
                **self._differences(measure, percent),
                **self._without(measure),
                "Cases": [
                    marked(f"{found.clusters:,}", found) if cell.results else MISSING
                    for cell in self.result.cells
                    for found in [_shown(cell, measure)]
                ],
                "Seconds per run": [
                    MISSING if math.isnan(cell.seconds) else f"{cell.seconds:.0f}" for cell in self.result.cells
                ],
            }
            found.append(self._table(f"{grid.title}: {name.lower()}", columns))
        if any(result.abstained > 0 for cell in self.result.cells for result in cell.results):
            found.append(self._abstention_table())
        if grid.published:
            rows = [[str(row["cell"]), str(row["value"]), str(row["source"])] for row in grid.published]
            found.append(Table("Published, on other data and models", ["", "Value", "Source"], rows))
        for title, runs in (
            ("Failed runs", self.result.failed),
            ("Files of runs that are lost or damaged", self.result.incomplete),
        ):
            if runs:
                rows = [[name, str(seed), reason] for name, seed, reason in runs]
                found.append(Table(title, ["", "Seed", "Reason"], rows))
        return found

    @property
    def reading(self) -> str:
        """How to read the tables, and what their mark means where it stands."""
        shown = [_shown(cell, measure) for cell in self.result.cells for measure in self.result.grid.measures]
        return f"{READING} {few_note('cases')}" if any(found.has_few_clusters for found in shown) else READING

    def _table(self, title: str, columns: Mapping[str, Sequence[str]]) -> Table:
        """A table with a row per cell, from its columns."""
        names = [cell.name for cell in self.result.cells]
        return Table(title, ["", *columns], [list(row) for row in zip(names, *columns.values(), strict=True)])

    def _differences(self, measure: str, percent: bool) -> dict[str, list[str]]:
        shown = [self._difference(cell, measure, percent) for cell in self.result.cells]
        heads = f"Difference from {self.result.grid.baseline}", "p (Holm)"
        return {head: [row[index] for row in shown] for index, head in enumerate(heads)}

    def _difference(self, cell: CellResult, measure: str, percent: bool) -> tuple[str, str]:
        if cell.name == self.result.grid.baseline:
            return "(baseline)", MISSING
        if measure in cell.incomparable:
            return cell.incomparable[measure], MISSING
        if (found := cell.differences.get(measure)) is None:
            return MISSING, MISSING
        seeds = _seeds(cell.compared[measure].seeds, cell)
        if not cell.compared[measure].differing and math.isnan(found.low):
            return f"the same in every completion{seeds}", MISSING
        adjusted = self.result.adjusted[measure].get(cell.name)
        return interval(asdict(found), percent=percent, signed=True) + seeds, p_value(adjusted)

    def _without(self, measure: str) -> dict[str, list[str]]:
        """What means and differences are not about, where there is any."""
        found = {}
        shares = [cell.without(measure) for cell in self.result.cells]
        if any(share > 0 for share in shares):
            found["Without a value"] = [number(share, percent=True) for share in shares]
        compared = [cell.compared.get(measure) for cell in self.result.cells]
        if any(one and one.left_out for one in compared):
            found["Left out of the difference"] = [
                f"{one.left_out:,} of {one.pairs:,}" if one else MISSING for one in compared
            ]
        return found

    def _abstention_table(self) -> Table:
        cells = self.result.cells
        columns = {
            "Answers that abstain": [number(cell.abstained, percent=True) for cell in cells],
            "Area under risk-coverage": [number(cell.calibration.area) for cell in cells],
            "Without confidence": [number(cell.calibration.random_area) for cell in cells],
            "Calibration error": [number(cell.calibration.error) for cell in cells],
        }
        if any(cell.unanswered > 0 for cell in cells):
            columns["Samples left out"] = [number(cell.unanswered, percent=True) for cell in cells]
        return self._table("Abstention, and agreement of completions as confidence", columns)

    def json(self) -> str:
        """The results as JSON."""
        return json.dumps(self.result.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def markdown(self) -> str:
        """The tables as Markdown."""
        parts = [f"# {self.result.grid.title}\n", f"{USE}\n"]
        if self.result.grid.note:
            parts.append(f"{self.result.grid.note.strip()}\n")
        parts += [f"## {table.title}\n\n{table.markdown()}" for table in self.tables()]
        return "\n".join([*parts, self.reading]) + "\n"

    def html(self) -> str:
        """One page that loads nothing, has no script, and escapes all data."""
        return template("grid.html.jinja", Path(__file__).parent).render(
            page=self,
            use=USE,
            reading=self.reading,
            style=style(),
            tables=self.tables(),
            charts=self._charts(),
        )

    def write(self, folder: Path) -> None:
        """Write ``grid.json``, ``grid.md`` and ``grid.html``, each atomically."""
        for suffix, text in (("json", self.json()), ("md", self.markdown()), ("html", self.html())):
            write_atomically(folder / f"grid.{suffix}", text)

    def _charts(self) -> list[tuple[str, str, Markup]]:
        """Charts as title, note and drawing."""
        risk, fooled = "by agreement of the completions of a sample", "accepted_wrong"
        scored = "validation, of what has a value, mean over seeds"
        drawn = [
            ("Accuracy", scored, self._validated("accuracy"), True, "step"),
            ("Modality accuracy", scored, self._validated("modality_accuracy"), True, "step"),
            ("Reward in training", "of each row's own rewards", self._trained("reward/total"), False, "step"),
            ("Judge's credit in training", "of each row's own judge", self._trained("reward/judge"), False, "step"),
            (
                MEASURES[fooled][0],
                "validation, of those that both judge, mean over seeds",
                self._validated(fooled),
                True,
                "step",
            ),
            ("Attacks that the judge accepts", "canaries, whatever the policy writes", self._checked(), True, "step"),
            ("Unscored completions", "validation, share without a verdict", self._unscored(), True, "step"),
            ("Tokens per completion", "validation", self._validated("tokens"), False, "step"),
            ("Risk against coverage", risk, self._risks(), True, "share answered"),
        ]
        return [
            (title, note, Markup(line_chart(series, percent=percent, label=title, axis=axis)))
            for title, note, series, percent, axis in drawn
            if any(entry.points for entry in series)
        ]

    def _validated(self, key: str) -> list[Series]:
        return self._series(lambda run: run.validations, key, markers=True)

    def _unscored(self) -> list[Series]:
        """Nothing where every completion is scored at every step."""
        found = self._validated("unscored")
        return found if any(value > 0 for series in found for _, value in series.points) else []

    def _trained(self, key: str) -> list[Series]:
        return self._series(lambda run: run.steps, key, markers=False)

    def _checked(self) -> list[Series]:
        return self._series(lambda run: run.canaries.checks, "accepted", markers=True)

    def _series(
        self, entries: Callable[[RunResult], Sequence[Mapping[str, Any]]], key: str, *, markers: bool
    ) -> list[Series]:
        """One line per cell: at each step the mean over the seeds that have it, of which the name says how many."""
        found = []
        for cell in self.result.cells:
            by_step: dict[float, list[float]] = defaultdict(list)
            for run in cell.results:
                for entry in entries(run):
                    if entry.get(key) is not None:
                        by_step[float(entry["step"])].append(float(entry[key]))
            points = [(step, sum(values) / len(values)) for step, values in sorted(by_step.items())]
            fewest = min(map(len, by_step.values()), default=0)
            found.append(Series(cell.name + _seeds(fewest, cell, "at the fewest "), points, markers=markers))
        return found

    def _risks(self) -> list[Series]:
        return [Series(cell.name, cell.calibration.curve, markers=True) for cell in self.result.cells]


def _runs(cell: CellResult) -> str:
    failed = sum(state.status == "failed" for state in cell.states.values())
    return f"{len(cell.results)} of {len(cell.states)}" + (f", {failed} failed" if failed else "")


def _seeds(count: int, cell: CellResult, least: str = "") -> str:
    """Of how many of its runs a number is, where not of all: an interval over one is for other samples only."""
    return f", {least}{count} of {len(cell.results)} seeds" if 0 < count < len(cell.results) else ""


def _shown(cell: CellResult, measure: str) -> Interval:
    """The interval of a row that rests on the fewest cases: of the difference, where there is one."""
    return cell.differences.get(measure, cell.values[measure])
