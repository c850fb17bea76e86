"""A report as Markdown, JSON and one self-contained HTML page, from the same plain data."""

import base64
import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from medix.files.atomic_file import write_atomically
from medix.reporting.balance import balance_table
from medix.reporting.charts import Series, line_chart, stacked_chart
from medix.reporting.evaluations import BEGIN, END, EXCHANGED, evaluations_table, replace_block
from medix.reporting.record import CompletionRecord
from medix.reporting.table import Table, before_after_table, interval, majority, number, slices_of, slices_table
from medix.reporting.templates import style, template

_FOLDER = Path(__file__).parent
_WIDE, _NARROW = 5.6, 3.8
"""Widths in inches of charts in rows of two and of three."""

USE = "Research use, not for clinical decisions."


@dataclass(frozen=True)
class Example:
    """One sample to show, with its completions at the first and at the last validation.

    Attributes:
        after: completion of the last validation.
        before: completion of the first validation; None if there was only one.
        thumbnails: ``data:`` URLs of its images; empty for an image that cannot be decoded.
    """

    after: CompletionRecord
    before: CompletionRecord | None = None
    thumbnails: Sequence[str] = ()

    @property
    def verdict(self) -> str:
        """``right``, ``wrong``, ``partly`` or ``unscored`` at the last validation."""
        return verdict_word(self.after)

    @property
    def change(self) -> str:
        """``gained`` or ``lost`` if the credit of the verdict increased or decreased; else empty."""
        if self.before is None or self.before.credit is None or self.after.credit is None:
            return ""
        difference = self.after.credit - self.before.credit
        return "gained" if difference > 0 else "lost" if difference < 0 else ""

    @property
    def text(self) -> str:
        """Text that the search field matches."""
        parts = [self.after.id, self.after.source, self.after.question, self.after.reference, self.after.completion]
        return " ".join(parts + ([self.before.completion] if self.before else [])).lower()


def verdict_word(record: CompletionRecord | None) -> str:
    """A verdict as one word."""
    if record is None or record.credit is None:
        return "unscored"
    return {1.0: "right", 0.0: "wrong"}.get(record.credit, "partly")


@dataclass(frozen=True)
class Report:
    """The report of a run.

    Attributes:
        title: title of the report.
        facts: facts about the run, by label.
        versions: versions of the packages used.
        step: number of finished steps.
        max_steps: number of steps to train.
        finished: whether the run has finished.
        ended: how a run that has not finished has ended; empty while it is running.
        before: first validation that the last can be compared with, as plain data; None without one.
        after: last validation; None if there was none yet.
        gain: paired difference of the two with its interval, by metric.
        validations: all validations, without their slices.
        steps: metrics of each step.
        examples: samples to show.
        spec: the spec of the run as text, empty if it was not saved.
        split: name of the validation split: ``held out`` only if it shares nothing with the training data.
        notes: what the tables leave out, and why; components that taught nothing.
        run: what the head of the report says: name and date of the run, policy, data, and where it was resumed.
        evaluations: results of ``validate`` and ``test`` so far.
        resumes: steps from which the run was resumed; marked in the curves.
        balance: what was drawn of the training data, by slice (``Balance.rows``).
        reward_judges: identities of the judges that the rewards ask.
        rewarded_by: those that they asked in training, and the last step before these (``judges``, ``after``), from the
            first on and wherever a resume changed them; those of steps before the first are not known.
    """

    title: str
    facts: Mapping[str, str]
    versions: Mapping[str, str]
    step: int
    max_steps: int
    finished: bool
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    gain: Mapping[str, Any]
    validations: Sequence[Mapping[str, Any]]
    steps: Sequence[Mapping[str, float]]
    examples: Sequence[Example] = field(default_factory=list)
    spec: str = ""
    split: str = "validation"
    notes: Sequence[str] = ()
    run: Mapping[str, str] = field(default_factory=dict)
    evaluations: Sequence[Mapping[str, Any]] = ()
    resumes: Sequence[int] = ()
    ended: str = ""
    balance: Sequence[Mapping[str, Any]] = ()
    reward_judges: Sequence[str] = ()
    rewarded_by: Sequence[Mapping[str, Any]] = ()

    @property
    def state(self) -> str:
        """One word or a few on how the run is."""
        return "Finished" if self.finished else self.ended or "Running"

    def to_dict(self) -> dict[str, Any]:
        """Plain data without the examples, NaN as None."""
        names = ["title", "step", "max_steps", "finished", "ended", "facts", "versions", "before", "after", "gain"]
        names += ["validations", "steps", "spec", "split", "notes", "run", "resumes", "balance", "reward_judges"]
        names += ["rewarded_by"]
        data: dict[str, Any] = plain({"use": USE} | {name: getattr(self, name) for name in names})
        return data

    def tables(self) -> list[Table]:
        """Tables of before and after, overall, by modality and by source; none before the first validation."""
        if self.after is None:
            return []
        tables = [before_after_table(self.before, self.after, self.gain, self.split)]
        for kind, (before, after) in slices_of(self.before, self.after):
            tables.append(slices_table(f"By {kind.lower()}", kind, None if self.before is None else before, after))
        return tables

    def balance_table(self) -> Table | None:
        """What was drawn of the training data; None before the first step."""
        return balance_table(self.balance) if self.balance else None

    def json(self) -> str:
        """The report as JSON, without the examples."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def markdown(self) -> str:
        """The report as Markdown: facts and tables."""
        evaluations = evaluations_markdown(self.evaluations)
        return _template("report.md.jinja").render(report=self, use=USE, tables=self.tables(), evaluations=evaluations)

    def html(self) -> str:
        """One self-contained page that loads nothing, runs only its own script, and escapes all data."""
        script = (_FOLDER / "report.js.jinja").read_text(encoding="utf-8")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        return _template("report.html.jinja").render(
            report=self,
            use=USE,
            script=Markup(script),  # our own file; the page's content security policy allows no other script
            digest=digest,
            style=style(),
            tables=self.tables(),
            evaluations=evaluations_page(self.evaluations),
            charts=self._charts(),
            accuracies=_accuracies(self),
            modalities=sorted({example.after.modality or "TEXT_ONLY" for example in self.examples}),
            sources=sorted({example.after.source for example in self.examples if example.after.source}),
        )

    def write(self, folder: str | Path, *, page: bool = True) -> None:
        """Write ``report.html``, ``report.md`` and ``report.json``, each atomically.

        The numbers come last: where they say that the run has finished, page and Markdown do.

        Args:
            folder: where to.
            page: also write the page, whose charts take a second or more to draw.
        """
        folder = Path(folder)
        if page:
            write_atomically(folder / "report.html", self.html())
        write_atomically(folder / "report.md", self.markdown())
        write_atomically(folder / "report.json", self.json())

    def _column(self, name: str) -> list[tuple[float, float]]:
        return [(row["step"], row.get(name, math.nan)) for row in self.steps]

    def _series(self, names: Mapping[str, str]) -> list[Series]:
        found = ((label, self._column(name)) for name, label in names.items())
        return [Series(label, points) for label, points in found if any(not math.isnan(y) for _, y in points)]

    def _names(self, prefix: str, depth: int) -> dict[str, str]:
        """Recorded metrics with a prefix and a number of slashes, with their labels: the name without the prefix."""
        names = {name for row in self.steps for name in row if name.startswith(prefix) and name.count("/") == depth}
        return {name: name.removeprefix(prefix) for name in sorted(names) if not name.endswith("/unscored")}

    def _validated(self, names: Mapping[str, str]) -> list[Series]:
        points = {
            label: [(float(v["step"]), math.nan if v.get(name) is None else float(v[name])) for v in self.validations]
            for name, label in names.items()
        }
        known = {label: entry for label, entry in points.items() if any(not math.isnan(y) for _, y in entry)}
        return [Series(label, entry, markers=True) for label, entry in known.items()]

    def _charts(self) -> dict[str, list[tuple[str, str, Markup]]]:
        """Charts by section, as title, note and drawing."""
        chart = functools.partial(_chart, marks=self.resumes)
        components = {"reward/total": "total"} | {
            name: label for name, label in self._names("reward/", 1).items() if label != "total"
        }
        measures = {"reward": "reward", "accuracy": "accuracy", "modality_accuracy": "modality accuracy",
                    "well_formed": "well-formed",
                    "accepted_wrong": "wrong, and accepted by the rewards' judge"}  # fmt: skip
        by_modality = self._names("reward/total/", 2)
        unscored = {f"{name}/unscored": label for name, label in components.items()}
        learning = [
            chart(self.split[:1].upper() + self.split[1:], "each validation", self._validated(measures), unit=True),
            chart("Training reward by component", "mean over the completions of a step", self._series(components),
                   unit=True),
            chart("Training reward by modality", "mean total", self._series(by_modality), unit=True),
            chart("Unscored", "share of completions without a score", self._series(unscored), percent=True),
        ]  # fmt: skip
        shares = {"signal/without": "groups without spread", "signal/duplicates": "duplicates in a group",
                  "signal/truncated": "truncated",
                  "train/image_share": "an answer's likelihood that needs its images"}  # fmt: skip
        small = {
            "Spread within groups": ("standard deviation", "signal/spread"),
            "Completion length": ("tokens", "signal/tokens"),
            "Log-probability": ("per sampled token", "signal/logprob"),
            "Loss": ("mean over a step", "train/loss"),
            "Gradient norm": ("before clipping", "train/grad_norm"),
        }
        signal = [chart("Shares", "of groups, of completions", self._series(shares), percent=True, width=_NARROW)]
        signal += [
            chart(title, note, self._series({name: title.lower()}), width=_NARROW)
            for title, (note, name) in small.items()
        ]
        phases = self._names("seconds/", 1)
        phases.pop("seconds/step", None)
        order = sorted(phases, key=lambda name: -math.fsum(y for _, y in self._column(name) if math.isfinite(y)))
        layers = {phases[name]: [0.0 if math.isnan(y) else y for _, y in self._column(name)] for name in order}
        time = stacked_chart([row["step"] for row in self.steps], layers, label="Seconds per phase")
        speed = self._series({"train/tokens_per_second": "tokens/s"})
        times = [
            ("Seconds per phase", "slowest rank; shares of the whole run", Markup(time)),
            chart("Tokens trained per second", "over all ranks", speed),
        ]
        per_component = self._names("seconds/reward/", 2)
        if per_component:
            times.append(chart("Seconds per reward component", "slowest rank", self._series(per_component)))
        judged = {"judge/distinct": "distinct questions", "judge/cached": "of these, cached",
                  "judge/unscored": "without a verdict"}  # fmt: skip
        if self._series(judged):
            times.append(chart("Judge", "shares of the judged rows", self._series(judged), percent=True))
        return {"learning": learning, "signal": signal, "time": times}


@functools.cache
def _template(name: str) -> jinja2.Template:
    """A template of this folder, with the functions that format numbers."""
    found = template(name)
    found.globals.update(interval=interval, number=number, majority=majority, verdict_word=verdict_word)
    return found


def evaluations_page(evaluations: Sequence[Mapping[str, Any]]) -> Markup:
    """The results of ``validate`` and ``test`` as a block of the page, between its marks."""
    table = evaluations_table(evaluations)
    block = "" if table is None else _template("evaluations.html.jinja").render(table=table)
    return Markup(f"{BEGIN}{block}{END}")


def evaluations_markdown(evaluations: Sequence[Mapping[str, Any]]) -> str:
    """The same for Markdown."""
    table = evaluations_table(evaluations)
    return f"{BEGIN}\n" + ("" if table is None else f"\n## {table.title}\n\n{table.markdown()}\n{EXCHANGED}\n\n") + END


def add_evaluations(folder: Path, evaluations: Sequence[Mapping[str, Any]]) -> None:
    """Put results into the report of a run that is already written."""
    replace_block(folder / "report.html", evaluations_page(evaluations).removeprefix(BEGIN).removesuffix(END))
    replace_block(folder / "report.md", evaluations_markdown(evaluations).removeprefix(BEGIN).removesuffix(END))


def _accuracies(report: Report) -> list[dict[str, list[Mapping[str, float | None] | None]]]:
    """For each table of slices, the accuracy before and after with its interval, by row."""
    if report.after is None:
        return []
    return [
        {
            name: [plain(side[name]["intervals"]["accuracy"]) if name in side else None for side in sides]
            for name in sides[0].keys() | sides[1].keys()
        }
        for _, sides in slices_of(report.before, report.after)
    ]


def _chart(
    title: str,
    note: str,
    series: Sequence[Series],
    *,
    percent: bool = False,
    unit: bool = False,
    width: float = _WIDE,
    marks: Sequence[float] = (),
) -> tuple[str, str, Markup]:
    drawing = line_chart(series, percent=percent, unit=unit, width=width, label=title, marks=marks)
    return title, note, Markup(drawing)  # names are escaped there


def plain(value: Any) -> Any:
    """Data that can be stored as JSON: NaN and infinity become None, tuples become lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value
