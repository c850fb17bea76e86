"""The results of a grid as tables, Markdown and one self-contained HTML page with curves side by side."""

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medix.atomic_file import write_atomically
from medix.reporting.charts import Series, line_chart
from medix.reporting.render import USE
from medix.reporting.table import MISSING, Table, interval, number, p_value
from medix.reporting.templates import style, template
from medix.studies.grid_result import CellResult, GridResult, RunResult
from medix.studies.measures import MEASURES

READING = (
    "Means over the seeds and the validation samples, 95 % intervals for other seeds and other samples "
    "(medix.evaluation.crossed); of one run alone, for other samples only. Differences are paired by seed and sample. "
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
        """The results, then the runs that failed."""
        grid, found = self.result.grid, []
        for measure in grid.measures:
            name, percent, _ = MEASURES[measure]
            rows = [self._row(cell, measure, percent) for cell in self.result.cells]
            heads = ["", "Runs", name, f"Difference from {grid.baseline}", "p (Holm)", "Seconds per run"]
            found.append(Table(f"{grid.title}: {name.lower()}", heads, rows))
        if any(result.abstained > 0 for cell in self.result.cells for result in cell.results):
            found.append(self._abstention_table())
        if grid.published:
            rows = [[str(row["cell"]), str(row["value"]), str(row["source"])] for row in grid.published]
            found.append(Table("Published, on other data and models", ["", "Value", "Source"], rows))
        if self.result.failed:
            rows = [[name, str(seed), reason] for name, seed, reason in self.result.failed]
            found.append(Table("Failed runs", ["", "Seed", "Reason"], rows))
        return found

    def _row(self, cell: CellResult, measure: str, percent: bool) -> list[str]:
        states = [state.status for state in cell.states.values()]
        runs = f"{len(cell.results)} of {len(states)}"
        if states.count("failed"):
            runs += f", {states.count('failed')} failed"
        difference, p = MISSING, MISSING
        if cell.name == self.result.grid.baseline:
            difference = "(baseline)"
        elif measure in cell.incomparable:
            difference = cell.incomparable[measure]
        elif measure in cell.differences and cell.differences[measure].error == 0 == cell.differences[measure].estimate:
            difference = "the same in every sample"  # runs that are alike say nothing of an interval
        elif measure in cell.differences:
            difference = interval(asdict(cell.differences[measure]), percent=percent, signed=True)
            p = p_value(self.result.adjusted[measure].get(cell.name))
        seconds = MISSING if math.isnan(cell.seconds) else f"{cell.seconds:.0f}"
        return [cell.name, runs, interval(asdict(cell.values[measure]), percent=percent), difference, p, seconds]

    def _abstention_table(self) -> Table:
        rows = []
        for cell in self.result.cells:
            shares = [result.abstained for result in cell.results]
            abstained = sum(shares) / len(shares) if shares else math.nan
            calibration = cell.calibration
            rows.append(
                [
                    cell.name,
                    number(abstained, percent=True),
                    number(calibration.area),
                    number(calibration.random_area),
                    number(calibration.error),
                ]
            )
        heads = ["", "Answers that abstain", "Area under risk-coverage", "Without confidence", "Calibration error"]
        return Table("Abstention, and agreement of completions as confidence", heads, rows)

    def json(self) -> str:
        """The results as JSON."""
        return json.dumps(self.result.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def markdown(self) -> str:
        """The tables as Markdown."""
        parts = [f"# {self.result.grid.title}\n", f"{USE}\n"]
        if self.result.grid.note:
            parts.append(f"{self.result.grid.note.strip()}\n")
        parts += [f"## {table.title}\n\n{table.markdown()}" for table in self.tables()]
        return "\n".join([*parts, READING]) + "\n"

    def html(self) -> str:
        """One page that loads nothing, has no script, and escapes all data."""
        return template("grid.html.jinja", Path(__file__).parent).render(
            page=self,
            use=USE,
            reading=READING,
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
        drawn = [
            ("Accuracy", "validation, mean over seeds", self._validated("accuracy"), True, "step"),
            ("Modality accuracy", "validation, mean over seeds", self._validated("modality_accuracy"), True, "step"),
            ("Reward in training", "of each row's own rewards", self._trained("reward/total"), False, "step"),
            ("Judge's credit in training", "of each row's own judge", self._trained("reward/judge"), False, "step"),
            (MEASURES[fooled][0], "validation, share of answers", self._validated(fooled), True, "step"),
            ("Attacks that the judge accepts", "canaries, whatever the policy writes", self._checked(), True, "step"),
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

    def _trained(self, key: str) -> list[Series]:
        return self._series(lambda run: run.steps, key, markers=False)

    def _checked(self) -> list[Series]:
        return self._series(lambda run: run.canaries, "accepted", markers=True)

    def _series(
        self, entries: Callable[[RunResult], Sequence[Mapping[str, Any]]], key: str, *, markers: bool
    ) -> list[Series]:
        """One line per cell: at each step the mean over the seeds that have it."""
        found = []
        for cell in self.result.cells:
            by_step: dict[float, list[float]] = defaultdict(list)
            for run in cell.results:
                for entry in entries(run):
                    if entry.get(key) is not None:
                        by_step[float(entry["step"])].append(float(entry[key]))
            points = [(step, sum(values) / len(values)) for step, values in sorted(by_step.items())]
            found.append(Series(cell.name, points, markers=markers))
        return found

    def _risks(self) -> list[Series]:
        return [Series(cell.name, cell.calibration.curve, markers=True) for cell in self.result.cells]
