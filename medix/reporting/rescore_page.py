"""The results of rescoring a run as tables, Markdown and one self-contained HTML page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from medix.reporting.charts import Series, bar_chart, line_chart, scatter_chart
from medix.reporting.render import USE
from medix.reporting.rescore_tables import arrow, rescore_tables
from medix.reporting.table import MISSING, Table
from medix.reporting.templates import style, template

KINDS = {"gained": "Gained most", "lost": "Lost most", "pushed": "Advantage changed most"}

READING = (
    "Both advantages are computed here, by the same rule, from the recorded totals and from the new ones. Rank "
    "correlation is Kendall's tau-b within a group, which is defined if totals differ in both scorings. The best "
    "completion changes if none of the best completions before is among the best after. Unscored completions are left "
    "out and counted; they are never 0. Intervals are 95 %, clustered by case."
)


@dataclass(frozen=True)
class RescorePage:
    """The page of one rescoring.

    Attributes:
        data: the result of ``medix.evaluation.rescored.Rescored.to_dict``.
        name: name of the new rewards.
        changes: changes to them on the command line; empty if there are none.
    """

    data: Mapping[str, Any]
    name: str
    changes: str = ""

    @property
    def title(self) -> str:
        """The title of the page."""
        return f"Rescored with {self.name}"

    @property
    def overall(self) -> Mapping[str, Any]:
        """The overall numbers."""
        first: Mapping[str, Any] = self.data["slices"][0]
        return first

    def tables(self) -> list[Table]:
        """The tables, without examples."""
        return rescore_tables(self.data)

    def markdown(self) -> str:
        """The page as Markdown: facts, notes, tables and the first few examples."""
        return template("rescore.md.jinja").render(
            page=self, use=USE, reading=READING, tables=[*self.tables(), *self._example_tables()]
        )

    def _example_tables(self) -> list[Table]:
        tables = []
        for kind, title in KINDS.items():
            rows = [
                [
                    f"{_sample(entry)} / {entry['index']}, step {entry['step']}",
                    _clip(entry["reference"]),
                    MISSING if entry["answer"] is None else _clip(entry["answer"]),
                    arrow(entry["before"]["total"], entry["after"]["total"]),
                    arrow(entry["before"]["advantage"], entry["after"]["advantage"]),
                ]
                for entry in self.data["examples"].get(kind, [])[:6]
            ]
            if rows:
                tables.append(Table(title, ["Completion", "Reference", "Answer", "Total", "Advantage"], rows))
        return tables

    def html(self) -> str:
        """One self-contained page with charts and tables that loads nothing, has no script, and escapes all data."""
        return template("rescore.html.jinja").render(
            page=self,
            use=USE,
            reading=READING,
            style=style(),
            tables=[*self.tables(), *self._example_tables()],
            charts=self._charts(),
        )

    def _charts(self) -> list[tuple[str, str, Markup]]:
        """Charts as title, note and drawing."""
        steps = self.data["steps"]
        series = [
            Series(label, [(step[0], step[column]) for step in steps], markers=len(steps) < 12)
            for column, label in ((2, "after"), (1, "before"))
        ]
        drawn = [
            ("Totals", "each completion", scatter_chart(_points(self.data["totals"]), label="Totals")),
            (
                "Advantages",
                "shaded: the sign changes",
                scatter_chart(_points(self.data["advantages"]), label="Advantages", quadrants=True),
            ),
            ("Mean total over training", "completions with both totals", line_chart(series, label="Mean total")),
            (
                "Rank correlation within groups",
                "1: the same order, −1: the opposite",  # noqa: RUF001
                bar_chart(_points(self.data["taus"]), label="Rank correlation within groups", name="tau-b"),
            ),
        ]
        return [(title, note, Markup(drawing)) for title, note, drawing in drawn]


def _points(rows: Sequence[Sequence[float]]) -> list[Any]:
    """Rows of values and a count, as tuples; plain data has lists."""
    return [(*(float(value) for value in values), int(count)) for *values, count in rows]


def _sample(entry: Mapping[str, Any]) -> str:
    return f"{entry['dataset']}: {entry['id']}" if entry["dataset"] else str(entry["id"])


def _clip(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]} …"
