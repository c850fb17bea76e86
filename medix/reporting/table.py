"""One table, shown in a terminal, in Markdown and in HTML from the same rows."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, JustifyMethod
from rich.table import Table as RichTable
from rich.text import Text

from medix.visible_text import visible


@dataclass(frozen=True)
class Table:
    """Rows of text under columns; the first column names the row.

    Attributes:
        title: title of the table.
        columns: headers of the columns.
        rows: one text per column in each row.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.title!r}: {len(row)} cells in a row, but {len(self.columns)} columns: {row}"
                )

    def markdown(self) -> str:
        """A Markdown table; the first column is left-aligned, the others right-aligned."""
        lines = [_line([_escape(text) for text in self.columns]), _line([":--", *["--:"] * (len(self.columns) - 1)])]
        return "\n".join([*lines, *(_line([_escape(text) for text in row]) for row in self.rows)]) + "\n"

    def latex(self) -> str:
        """A LaTeX table with the rules of the package booktabs, without a caption."""
        heads, *rows = (" & ".join(map(_latex, row)) + r" \\" for row in (self.columns, *self.rows))
        columns = "l" + "r" * (len(self.columns) - 1)
        lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", heads, r"\midrule", *rows, r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}"]) + "\n"

    def rich(self, width: int) -> RichTable:
        """A table for a terminal of a width: what is too wide for its column is wrapped, and nothing of it is lost.

        Args:
            width: of the terminal; at most one column beside the first is narrower for its sake (``fitting``).
        """
        table = RichTable(
            title=Text(visible(self.title)), title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False
        )
        for index, (column, room) in enumerate(zip(self.columns, self._widths(width), strict=True)):
            justify: JustifyMethod = "left" if index == 0 or self._is_text(index) else "right"
            table.add_column(Text(visible(column)), justify=justify, overflow="fold", width=room)
        for row in self.rows:
            table.add_row(*(Text(visible(text)) for text in row))  # Text: brackets in a name are not parsed as markup
        return table

    def _widths(self, width: int) -> list[int]:
        """Widths of the columns; what is left goes to the first, and then to sentences."""
        names, *values = (self._width(index) for index in range(len(self.columns)))
        room = max(2, width - _EDGES - _GAP * len(values))
        first = min(names, max(_WIDEST_NAME, room - sum(values)))
        if len(values) < 2 and first + sum(values) > room:  # no other table can take this column
            first = min(first, room // 2 if values else room)
            values = [room - first for _ in values]
        for index, value in enumerate(values):
            if self._is_text(index + 1):
                left = max(0, room - first - sum(values))
                values[index] = min(value + left, max(_length(row[index + 1]) for row in self.rows))
        return [first, *values]

    def print(self, console: Console) -> None:
        """Print on a terminal; a table that is too wide for it as several, each with the first column."""
        for part in self.fitting(console.width):
            console.print(part.rich(console.width))

    def fitting(self, width: int) -> "list[Table]":
        """The table as several that fit a width, with the first column in each."""
        first = min(self._width(0), _WIDEST_NAME)
        parts: list[list[int]] = [[]]
        room = width - first - _EDGES
        for index in range(1, len(self.columns)):
            needed = self._width(index) + _GAP
            if parts[-1] and needed > room:
                parts.append([])
                room = width - first - _EDGES
            parts[-1].append(index)
            room -= needed
        if len(parts) == 1:
            return [self]
        return [
            Table(
                self.title if not number else f"{self.title} (continued)",
                [self.columns[index] for index in (0, *part)],
                [[row[index] for index in (0, *part)] for row in self.rows],
            )
            for number, part in enumerate(parts)
        ]

    def _width(self, index: int) -> int:
        """Width of a column whose heading is wrapped between words."""
        words = [len(word) for word in self.columns[index].split()]
        cells = [_length(row[index]) for row in self.rows]
        widest = max([1, min(max(words, default=0), _WIDEST_WORD), *cells])
        return min(widest, _WIDEST_CELL) if self._is_text(index) else widest

    def _is_text(self, index: int) -> bool:
        """Whether a column holds sentences, which are wrapped, and not values."""
        return index > 0 and any(_length(row[index]) > _WIDEST_CELL and " " in row[index] for row in self.rows)


_GAP = 3
"""Spaces between two columns: the padding of both, and the empty divider of the box."""

_EDGES = 2
"""Spaces left and right of a table."""

_WIDEST_NAME = 24
"""The first column is wrapped where it is wider, if the table is."""

_WIDEST_CELL = 50
"""A column with a wider cell of several words is wrapped."""

_WIDEST_WORD = 28
"""A longer word of a heading (a path) is broken."""


def _length(text: str) -> int:
    """Columns of a terminal that a text takes, with marks for what would steer it."""
    return cell_len(visible(text))


def _line(texts: Sequence[str]) -> str:
    return "| " + " | ".join(texts) + " |"


_LATEX = str.maketrans(
    {**{mark: f"\\{mark}" for mark in "&%$#_{}"}, "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
     "\\": r"\textbackslash{}", "\N{EN DASH}": "--", "\N{MINUS SIGN}": "$-$"}
)  # fmt: skip


def _latex(text: str) -> str:
    return visible(" ".join(text.translate(_LATEX).split()))


def _escape(text: str) -> str:
    for mark in ("\\", "|", "<", "`", "*", "["):
        text = text.replace(mark, "\\" + mark)
    return visible(" ".join(text.split()))


MISSING = "\N{EN DASH}"
"""Shown in place of a missing number."""


def number(value: float | None, *, percent: bool = False, signed: bool = False) -> str:
    """A number for a table; a dash if there is none."""
    if value is None or math.isnan(value):
        return MISSING
    scale, digits, unit = (100, 1, " %") if percent else (1, 3, "")
    value = 0.0 if abs(value) < _ROUNDING else 1.0 if abs(value - 1) < _ROUNDING else value
    while digits < _MOST_DIGITS and _looks(value, scale, digits):
        digits += 1
    return f"{scale * value:{'+' if signed else ''}.{digits}f}{unit}".replace("-", "\N{MINUS SIGN}")


_ROUNDING = 1e-9
"""Differences below it are rounding errors of sums."""

_MOST_DIGITS = 9


def _looks(value: float, scale: int, digits: int) -> bool:
    """Whether rounding makes a number 0, or all, that is not."""
    shown = round(scale * value, digits)
    return (shown == 0 and value != 0) or (abs(shown) == scale and abs(value) != 1)


def p_value(value: float | None) -> str:
    """A p-value: ``< 0.001`` where rounding would say that it is 0, and ``> 0.999`` where it would say 1."""
    if value is None or math.isnan(value):
        return MISSING
    if value < 0.001:
        return "< 0.001"
    return "> 0.999" if 0.9995 <= value < 1 else f"{value:.3f}"


def counted(entry: Mapping[str, Any]) -> str:
    """Of what a table is: ``200 samples x 2 completions``."""
    samples, completions = entry["samples"], entry["completions"]
    if samples and completions % samples == 0 and completions > samples:
        return f"{samples:,} samples x {completions // samples:,} completions"
    if samples == completions:
        return f"{samples:,} samples, one completion each"
    return f"{completions:,} completions of {samples:,} samples"


def majority(entry: Mapping[str, Any]) -> str:
    """Accuracy of always giving the most common reference, and this reference: ``52.0 % (left)``."""
    if entry.get("majority") is None:  # of a run before it was computed
        return MISSING
    answer = " ".join(entry["majority_answer"].split())
    return f"{number(entry['majority'], percent=True)} ({answer if len(answer) <= 20 else answer[:19] + '…'})"


def interval(entry: Mapping[str, Any] | None, *, percent: bool = False, signed: bool = False) -> str:
    """An estimate with its interval: ``61.0 % (55.2 to 66.5)``."""
    if entry is None or entry["estimate"] is None or math.isnan(entry["estimate"]):
        return MISSING
    estimate = number(entry["estimate"], percent=percent, signed=signed)
    if any(entry[end] is None or math.isnan(entry[end]) for end in ("low", "high")):
        return estimate
    low, high = (number(entry[end], percent=percent, signed=signed).removesuffix(" %") for end in ("low", "high"))
    return f"{estimate} ({low} to {high})"


HEADLINES = (
    ("reward", "Reward", False),
    ("accuracy", "Accuracy", True),
    ("modality_accuracy", "Modality accuracy", True),
)
"""Key, name, and whether the measure is a share."""


def before_after_table(
    before: Mapping[str, Any] | None, after: Mapping[str, Any], gain: Mapping[str, Any], split: str = "validation"
) -> Table:
    """The last validation of a run beside the first that it can be compared with, with the paired gain.

    Args:
        before: the first validation; None if the last can be compared with no earlier one, and stands alone.
        after: the last validation.
        gain: paired differences, by measure.
        split: name of the split.
    """
    sides = [after] if before is None else [before, after]
    rows = [
        [name, *(interval(side["intervals"][key], percent=percent) for side in sides)]
        for key, name, percent in HEADLINES
    ]
    rows.insert(2, ["Majority answer alone", *map(majority, sides)])
    for key, name in (
        ("unscored", "Unscored completions"),
        ("well_formed", "Well-formed completions"),
        ("truncated", "Truncated completions"),
    ):
        rows.append([name, *(number(side[key], percent=True) for side in sides)])
    tokens = (MISSING if side["tokens"] is None else f"{side['tokens']:.1f}" for side in sides)
    rows.append(["Tokens per completion", *tokens])
    for key, name in (("samples", "Samples"), ("completions", "Completions judged")):
        rows.append([name, *(str(side[key]) for side in sides)])
    if before is None:
        return Table(f"Validation, {split}, 95 % intervals", ["", f"Step {after['step']}"], rows)
    gains = {name: interval(gain.get(key), percent=percent, signed=True) for key, name, percent in HEADLINES}
    heads = ["", f"Before (step {before['step']})", f"After (step {after['step']})", "Paired gain"]
    rows = [[*row, gains.get(row[0], MISSING)] for row in rows]
    return Table(f"Before and after, {split}, 95 % intervals", heads, rows)


COUNTS = "Samples / completions / cases"
"""Header of the column that ``_counts`` fills."""


def _counts(entry: Mapping[str, Any]) -> str:
    """``200 / 400 / 50``: two completions of each of 200 samples of 50 cases."""
    return " / ".join(str(entry[name]) for name in ("samples", "completions", "cases"))


def slices_table(title: str, kind: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Table:
    """Accuracy and reward of every slice (modality or source) before and after; ``before`` None: of one validation."""
    rows = []
    for name in sorted((before or {}).keys() | after.keys()):
        sides = [part.get(name) for part in (before, after) if part is not None]
        either = sides[-1] or sides[0]
        assert either is not None
        rows.append(
            [name, _counts(either)]
            + [interval(entry and entry["intervals"]["accuracy"], percent=True) for entry in sides]
            + [
                _change([entry and entry["modality_accuracy"] for entry in sides], percent=True),
                _change([entry and entry["reward"] for entry in sides]),
                _change([entry and entry["unscored"] for entry in sides], percent=True),
                number(either.get("majority"), percent=True),
            ]
        )
    accuracies = ["Accuracy"] if before is None else ["Accuracy before", "Accuracy after"]
    heads = [kind, COUNTS, *accuracies, "Modality named", "Reward", "Unscored completions", "Majority answer alone"]
    return Table(title, heads, rows)


def _change(values: Sequence[float | None], *, percent: bool = False) -> str:
    """``42.9 → 90.0 %``, with dashes for missing values; one value stands alone."""
    *earlier, last = (number(value, percent=percent) for value in values)
    if last != MISSING:
        earlier = [text.removesuffix(" %") for text in earlier]
    elif set(earlier) == {MISSING}:
        return MISSING
    return " → ".join([*earlier, last])


def slices_of(*validations: Mapping[str, Any] | None) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """The kinds of slices (``Modality``, ``Source``, names of subgroups) and the slices of each validation by name.

    Kinds that no validation has slices of are left out.
    """
    given = [validation or {} for validation in validations]
    fields = dict.fromkeys(name for one in given for name in one.get("subgroups") or {})
    kinds = [("Modality", [one.get("modalities") or {} for one in given])]
    kinds.append(("Source", [one.get("sources") or {} for one in given]))
    kinds += [(name, [(one.get("subgroups") or {}).get(name) or {} for one in given]) for name in fields]
    yield from ((kind, sides) for kind, sides in kinds if any(sides))


def summary_table(validation: Mapping[str, Any]) -> Table:
    """One validation: everything, then each modality, source and value of a subgroup."""
    slices = [
        (name if kind in ("Modality", "Source") else f"{kind} {name}", entry)
        for kind, (side,) in slices_of(validation)
        for name, entry in side.items()
    ]
    rows = [
        [
            name,
            _counts(entry),
            interval(entry["intervals"]["accuracy"], percent=True),
            majority(entry),
            interval(entry["intervals"]["modality_accuracy"], percent=True),
            interval(entry["intervals"]["reward"]),
            number(entry["unscored"], percent=True),
        ]
        for name, entry in [("All", validation), *slices]
    ]
    heads = ["", COUNTS, "Accuracy", "Majority answer alone", "Modality accuracy", "Reward", "Unscored completions"]
    title = f"{validation['split']}{exchanged_mark(validation)}, step {validation['step']}, {counted(validation)}"
    if validation.get("left_out"):
        title += f" ({validation['left_out']:,} samples left out)"
    return Table(f"{title}, judge {validation['judge']}", heads, rows)


def exchanged_mark(entry: Mapping[str, Any]) -> str:
    """What stands behind the name of a split in the control experiment; else nothing."""
    return " with images exchanged (a control experiment)" if entry.get("exchanged") else ""
