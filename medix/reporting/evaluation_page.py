"""The scores of an evaluation as Markdown, CSV, LaTeX and one self-contained HTML page."""

import csv
import functools
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medix.reporting.render import USE
from medix.reporting.table import Table, number
from medix.reporting.templates import style, template
from medix.yaml_text import read_yaml_file

_FOLDER = Path(__file__).parent
_COLUMNS = (
    "task", "measure", "value", "low", "high", "items", "completions", "scored", "coverage", "clusters", "cluster",
    "corrected", "corrected_low", "corrected_high", "format_valid", "modality_accuracy",
)  # fmt: skip


@functools.cache
def published() -> tuple[Mapping[str, Any], ...]:
    """Results that were published elsewhere; ``tasks`` names the task, or ``paper`` for the mean over 17."""
    content, _ = read_yaml_file(_FOLDER / "published.yaml")
    return tuple(content)


@dataclass(frozen=True)
class EvaluationItem:
    """One completion to look at.

    Attributes:
        task, item, k: its place.
        modality, question_type, source: of the item; empty if unknown.
        question, references: as they were put.
        answer: what was graded; None without an answer.
        completion: the whole output, or why there is none.
        verdict: ``right``, ``wrong``, ``partly`` or ``unscored``.
        credit: as it is shown: YES, NO, a grade, or why it is unscored.
        judge: who gave the verdict.
        explanation: the judge's.
        thumbnails: ``data:`` URLs of the images; empty texts where they cannot be decoded.
        images: number of images of the item.
    """

    task: str
    item: str
    k: int
    modality: str
    question_type: str
    source: str
    question: str
    references: tuple[str, ...]
    answer: str | None
    completion: str
    verdict: str
    credit: str
    judge: str
    explanation: str
    thumbnails: tuple[str, ...]
    images: int

    @property
    def text(self) -> str:
        """What the search of the page looks in."""
        return " ".join((self.item, self.question, *self.references, self.completion, self.explanation)).lower()


@dataclass(frozen=True)
class EvaluationPage:
    """All outputs of one evaluation.

    Attributes:
        data: the content of ``table.json``.
        tables: the tables of the scores, all tasks first.
        items: completions to browse; a choice, if there are many.
    """

    data: Mapping[str, Any]
    tables: Sequence[Table]
    items: Sequence[EvaluationItem] = ()

    @property
    def title(self) -> str:
        """The title of the page."""
        return f"Evaluation of {self.data['model'].get('name', 'a model')}"

    @property
    def published(self) -> list[Table]:
        """Published results for the tasks that were evaluated, marked as such."""
        own = set(self.data["tasks"])
        groups = sum(len(average["tasks"]) for average in self.data["groups"].values())
        tables = []
        for entry in published():
            if entry["tasks"] in own or (entry["tasks"] == "paper" and groups):
                rows = [[model, number(value / 100, percent=True)] for model, value in entry["rows"].items()]
                title = f"{entry['title']} ({entry['source']}). {entry['note']}"
                tables.append(Table(title, ["Model", "Published"], rows))
        return tables

    def markdown(self) -> str:
        """The tables with their notes."""
        lines = [f"# {self.title}", "", f"Judge: {self.data['judge']}", ""]
        for table in [*self.tables, *self.published]:
            lines += [f"## {table.title}", "", table.markdown()]
        return "\n".join([*lines, *(f"- {note}" for note in self.data["notes"])]) + "\n"

    def csv(self) -> str:
        """One line per task and average, with plain numbers; empty where there is none."""
        stream = io.StringIO()
        writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        for name, task in self.data["tasks"].items():
            measure = "score" if "score" in task else "accuracy"
            corrected = task.get("corrected") or {}
            row = {column: task.get(column) for column in _COLUMNS} | {
                "task": name,
                "measure": measure,
                "value": task[measure],
                "low": task["interval"][0],
                "high": task["interval"][1],
                "corrected": corrected.get("estimate"),
                "corrected_low": corrected.get("low"),
                "corrected_high": corrected.get("high"),
            }
            writer.writerow(row)
        for name in ("macro", "micro"):
            average = self.data[name]
            writer.writerow(
                {"task": name, "measure": "accuracy", "value": average["estimate"], "low": average["low"],
                 "high": average["high"], "completions": average["count"], "scored": average["count"],
                 "clusters": average["clusters"]}
            )  # fmt: skip
        return stream.getvalue()

    def latex(self) -> str:
        """The first table for a paper, with the rules of booktabs, and the notes as comments."""
        lines = [*(f"% {_latex(note)}" for note in self.data["notes"]), self.tables[0].latex()]
        return "\n".join(lines)

    def html(self) -> str:
        """One self-contained page that loads nothing and escapes all data."""
        script = Markup((_FOLDER / "report.js.jinja").read_text(encoding="utf-8"))
        return template("evaluation.html.jinja").render(page=self, use=USE, style=style(), script=script, number=number)

    def choices(self, name: str) -> list[str]:
        """The values of a property of the items, for a filter."""
        return sorted({str(getattr(item, name)) for item in self.items} - {""})


def _latex(text: str) -> str:
    return " ".join(text.split())
