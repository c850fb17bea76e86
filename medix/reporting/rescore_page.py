"""What rescoring a run gives, as tables, Markdown and one self-contained HTML page, from the same plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from medix.reporting.bubbles import bar_chart, bubble_plot, slopes
from medix.reporting.curves import Series, line_chart
from medix.reporting.render import USE
from medix.reporting.table import MISSING, Table, interval, number

_FOLDER = Path(__file__).parent

KINDS = {
    "gained": ("Gained most", "Completions whose total rises most: what the other rewards pay for."),
    "lost": ("Lost most", "Completions whose total falls most: what the other rewards no longer pay for."),
    "pushed": (
        "Advantage changed most",
        "Completions that would be pushed most differently. A changed sign turns a lesson into its opposite.",
    ),
}

READING = (
    "Both advantages are computed here, by one rule, from the totals on record and from the new ones. Rank correlation "
    "is Kendall's tau-b within a group, which needs some totals to differ in both scorings. The best completion "
    "changes where nothing that was best still is. Unscored completions are left out and counted; they are never 0. "
    "Intervals are 95 %, clustered by case."
)


@dataclass(frozen=True)
class RescorePage:
    """One rescoring.

    Attributes:
        data: what ``medix.evaluation.rescored.Rescored.to_dict`` gives.
        name: what the other rewards are called.
        changes: what was changed of them on the command line; empty if nothing.
    """

    data: Mapping[str, Any]
    name: str
    changes: str = ""

    @property
    def title(self) -> str:
        """The first line."""
        return f"Rescored with {self.name}"

    @property
    def overall(self) -> Mapping[str, Any]:
        """The numbers over everything."""
        first: Mapping[str, Any] = self.data["slices"][0]
        return first

    def tables(self) -> list[Table]:
        """Totals, order, components, components by modality, and what goes with what."""
        tables = [self._totals(), self._order(), self._components()]
        if len(self.data["slices"]) > 1:
            tables.append(self._by_modality())
        return [*tables, self._together()]

    def _totals(self) -> Table:
        told = {"lost": "Lost its score", "gained": "Gained one", "not scored before": "Had no scoring"}
        states = {state: head for state, head in told.items() if self.overall["states"][state]}
        rows = [
            [
                part["name"],
                f"{part['completions']:,} / {part['cases']:,}",
                number(part["total"]["before"]),
                number(part["total"]["after"]),
                interval(part["total"]["difference"], signed=True),
                _arrow(part["total"]["unscored_before"], part["total"]["unscored_after"], percent=True),
                *(f"{part['states'][state]:,}" for state in states),
            ]
            for part in self.data["slices"]
        ]
        heads = ["", "Rows / cases", "Mean before", "Mean after", "Paired difference", "Unscored"]
        return Table("Totals", [*heads, *states.values()], rows)

    def _order(self) -> Table:
        rows = [
            [
                part["name"],
                f"{part['tau_groups']:,} of {part['groups']:,}",
                number(part["tau"]),
                number(part["best_changed"], percent=True),
                number(part["reversed_groups"], percent=True),
                _arrow(part["signal_before"], part["signal_after"], percent=True),
                number(part["sign_flips"], percent=True),
                number(part["advantage_change"]),
            ]
            for part in self.data["slices"]
        ]
        heads = ["", "Groups with an order", "Rank correlation", "Best changes", "Some pair reverses", "With signal"]
        return Table("Order within groups, and advantages", [*heads, "Sign flips", "Mean change"], rows)

    def _components(self) -> Table:
        rows = [
            [
                name,
                f"{self.data['weights'][name]:g}" if name in self.data["weights"] else MISSING,
                number(shift["before"]),
                number(shift["after"]),
                interval(shift["difference"], signed=True) if shift["difference"]["count"] else MISSING,
                _arrow(shift["unscored_before"], shift["unscored_after"], percent=True),
            ]
            for name, shift in self.overall["components"].items()
        ]
        heads = ["Component", "Weight", "Mean before", "Mean after", "Paired difference", "Unscored"]
        return Table("Components", heads, rows)

    def _by_modality(self) -> Table:
        names = list(self.overall["components"])
        rows = [
            [
                part["name"],
                *(_arrow(part["components"][name]["before"], part["components"][name]["after"]) for name in names),
            ]
            for part in self.data["slices"]
        ]
        return Table("Component means by modality, before → after", ["", *names], rows)

    def _together(self) -> Table:
        rows = [
            ["total", MISSING, _arrow(self.overall["length_before"], self.overall["length_after"])],
            *(
                [
                    name,
                    _arrow(entry["total_before"], entry["total_after"]),
                    _arrow(entry["length_before"], entry["length_after"]),
                ]
                for name, entry in self.data["correlations"].items()
            ),
        ]
        heads = ["Correlation within groups", "with the total", "with completion length"]
        return Table("What goes with what", heads, rows)

    def markdown(self) -> str:
        """Facts, notes, tables and the first few examples."""
        environment = jinja2.Environment(  # Markdown is not HTML; tables escape what they hold
            loader=jinja2.FileSystemLoader(_FOLDER),
            autoescape=False,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        return environment.get_template("rescore.md.jinja").render(
            page=self, use=USE, reading=READING, tables=[*self.tables(), *self._example_tables()]
        )

    def _example_tables(self) -> list[Table]:
        tables = []
        for kind, (title, _) in KINDS.items():
            rows = [
                [
                    f"{entry['id']} / {entry['index']}, step {entry['step']}",
                    _clip(entry["reference"]),
                    MISSING if entry["answer"] is None else _clip(entry["answer"]),
                    _arrow(entry["before"]["total"], entry["after"]["total"]),
                    _arrow(entry["before"]["advantage"], entry["after"]["advantage"]),
                ]
                for entry in self.data["examples"].get(kind, [])[:6]
            ]
            if rows:
                tables.append(Table(title, ["Completion", "Reference", "Answer", "Total", "Advantage"], rows))
        return tables

    def html(self) -> str:
        """One page: no network, no script, everything from outside escaped."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals |= {"interval": interval, "number": number, "arrow": _arrow, "slopes": _slopes}
        return environment.get_template("rescore.html.jinja").render(
            page=self,
            use=USE,
            reading=READING,
            kinds=KINDS,
            style=Markup((_FOLDER / "report.css.jinja").read_text(encoding="utf-8")),
            tables=self.tables(),
            charts=self._charts(),
        )

    def _charts(self) -> list[tuple[str, str, Markup]]:
        """Title, note, drawing. Names are escaped where they are drawn."""
        totals = bubble_plot(_points(self.data["totals"]), label="Totals before and after")
        advantages = bubble_plot(_points(self.data["advantages"]), label="Advantages before and after", quadrants=True)
        steps = self.data["steps"]
        series = [
            Series(label, [(step[0], step[column]) for step in steps], markers=len(steps) < 12)
            for column, label in ((2, "after"), (1, "before"))
        ]
        taus = bar_chart(
            [(float(value), int(count)) for value, count in self.data["taus"]],
            label="Rank correlation within groups",
            name="tau-b",
        )
        return [
            ("Totals", "each completion: before across, after upwards", Markup(totals)),
            ("Advantages", "shaded: the sign changes", Markup(advantages)),
            (
                "Mean total over training",
                "completions with both totals",
                Markup(line_chart(series, label="Mean total")),
            ),
            ("Rank correlation within groups", "1: the same order, −1: the opposite", Markup(taus)),  # noqa: RUF001
        ]


def _points(rows: Sequence[Sequence[float]]) -> list[tuple[float, float, int]]:
    """Plain data has lists."""
    return [(float(before), float(after), int(count)) for before, after, count in rows]


def _slopes(group: Mapping[str, Any]) -> Markup:
    pairs = [(entry["before"]["total"], entry["after"]["total"]) for entry in group["completions"]]
    return Markup(slopes(pairs, label="Totals of the group before and after"))


def _arrow(before: float | None, after: float | None, *, percent: bool = False) -> str:
    """``0.420 → 0.381``, one number where both are alike, or what there is of it."""
    texts: Sequence[str] = [number(value, percent=percent) for value in (before, after)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} → {texts[1]}"


def _clip(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:120]} …"
