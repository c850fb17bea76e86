"""Charts of a report, drawn by matplotlib as inline SVG for an HTML page.

Names come from specs and data and may contain anything, including ``$`` and markup. They are written into the legend,
which is escaped HTML beside the drawing; the drawing itself contains only numbers.
"""

import html
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

PALETTE = ("#0f766e", "#d97706", "#4f46e5", "#be185d", "#0284c7", "#65a30d", "#7c3aed", "#b91c1c", "#475569")
"""Dark enough on a white background, and different in lightness as well as in hue."""

_UNCHANGED = "#64748b"
_MAX_POINTS = 160
_LARGEST_BUBBLE = 240.0  # area in square points
_STYLE = {
    "svg.fonttype": "none",  # keep text as text: smaller, and searchable
    "svg.hashsalt": "medix",  # reproducible output
    "font.family": "sans-serif",
    "font.size": 8.5,
    "text.color": "#5b6776",
    "axes.edgecolor": "#e3e8ee",
    "axes.labelcolor": "#5b6776",
    "xtick.color": "#5b6776",
    "ytick.color": "#5b6776",
    "axes.grid": True,
    "grid.color": "#e3e8ee",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "lines.linewidth": 1.7,
}


@dataclass(frozen=True)
class Series:
    """One line of a chart.

    Attributes:
        name: label in the legend.
        points: x and y, ordered by x; NaN and infinity leave a gap, and a point between two gaps is marked.
        markers: mark every point, for series with few points.
    """

    name: str
    points: Sequence[tuple[float, float]]
    markers: bool = False


def line_chart(
    series: Sequence[Series],
    *,
    percent: bool = False,
    unit: bool = False,
    width: float = 5.6,
    label: str = "",
    marks: Sequence[float] = (),
    axis: str = "step",
) -> str:
    """Lines over steps.

    Long series are reduced to means over equal numbers of steps, and drawn faintly behind a running mean.

    Args:
        series: the lines; without any point, a notice is returned instead of a chart.
        percent: y is a share, labelled in per cent, starting at 0.
        unit: y ranges from 0 to 1, unless a value lies outside: then over the range of the values.
        width: width of the drawing in inches; the text size does not change.
        label: label for screen readers.
        marks: steps after which a dotted line stands: those from which the run was resumed.
        axis: what x is.
    """
    series = [replace(entry, points=_finite(entry.points)) for entry in series]
    known = [y for entry in series for _, y in entry.points if not math.isnan(y)]
    if not known:
        return _notice("Nothing recorded yet.")
    with _drawing(width, 2.5) as (axes, drawn):
        legend = []
        for index, entry in enumerate(series):
            colour = PALETTE[index % len(PALETTE)]
            points = np.array(downsample(entry.points), dtype=float).reshape(-1, 2)
            smooth = not entry.markers and len(points) > 30
            if smooth:
                axes.plot(*points.T, color=colour, alpha=0.28, linewidth=0.8)
            isolated = _isolated(points[:, 1])
            axes.plot(
                points[:, 0],
                _running_mean(points[:, 1]) if smooth else points[:, 1],
                color=colour,
                marker="o" if entry.markers or isolated else None,
                markevery=None if entry.markers else isolated,
                markerfacecolor="white",
                markersize=4,
            )
            legend.append((entry.name, colour, _last(entry, percent)))
        for mark in marks:
            axes.axvline(mark + 0.5, color="#8a6100", linewidth=0.8, linestyle=":")
        if unit and all(0 <= y <= 1 for y in known):
            axes.set_ylim(-0.02, 1.02)
        elif percent:
            axes.set_ylim(bottom=min(0.0, *known), top=max(0.04, axes.get_ylim()[1]))
        if percent:
            axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:g} %")
        _name_steps(axes, axis)
    return _figure(drawn, label, legend)


def stacked_chart(
    steps: Sequence[float], layers: Mapping[str, Sequence[float]], *, width: float = 5.6, label: str = ""
) -> str:
    """Stacked areas over steps, such as seconds per phase; the legend gives each layer's share of the sum."""
    if not steps or not layers:
        return _notice("Nothing recorded yet.")
    layers = {name: [y if math.isfinite(y) else 0.0 for y in values] for name, values in layers.items()}
    reduced = {name: downsample(list(zip(steps, values, strict=True))) for name, values in layers.items()}
    xs = [x for x, _ in next(iter(reduced.values()))]
    heights = [np.nan_to_num([y for _, y in points]) for points in reduced.values()]
    if len(xs) == 1:  # an area needs two points
        xs, heights = [xs[0] - 0.5, xs[0] + 0.5], [np.repeat(height, 2) for height in heights]
    colours = [PALETTE[index % len(PALETTE)] for index in range(len(layers))]
    with _drawing(width, 2.5) as (axes, drawn):
        axes.stackplot(xs, heights, colors=colours, alpha=0.8)
        axes.set_xlim(xs[0], xs[-1])
        _name_steps(axes)
    sums = {name: float(np.nansum(list(values))) for name, values in layers.items()}
    whole = math.fsum(sums.values()) or 1.0
    return _figure(
        drawn, label, [(name, colour, f"{sums[name] / whole:.1%}") for name, colour in zip(sums, colours, strict=True)]
    )


def scatter_chart(points: Sequence[tuple[float, float, int]], *, label: str, quadrants: bool = False) -> str:
    """Values after against values before, with marker areas by count; points above the diagonal have gained.

    Args:
        points: before, after, count.
        label: label for screen readers.
        quadrants: shade the quadrants where before and after have opposite signs.
    """
    points = [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
    if not points:
        return _notice("No completion has both scores.")
    before, after, count = np.array(points, dtype=float).T
    low, high = min(before.min(), after.min()), max(before.max(), after.max())
    margin = 0.05 * (high - low) or 0.5
    low, high = low - margin, high + margin
    near = abs(after - before) < (high - low) / 100  # indistinguishable from the diagonal
    colours = np.where(near, _UNCHANGED, np.where(after > before, PALETTE[0], PALETTE[1]))
    with _drawing(4.0, 4.0) as (axes, drawn):
        if quadrants and low < 0 < high:
            axes.fill_between([low, 0], 0, high, color="#fdecea", linewidth=0)
            axes.fill_between([0, high], low, 0, color="#fdecea", linewidth=0)
        axes.plot([low, high], [low, high], color="#94a3b8", linestyle="--", linewidth=1)
        axes.scatter(before, after, s=np.maximum(6.0, _LARGEST_BUBBLE * count / count.max()), c=colours, alpha=0.55)
        axes.set(xlim=(low, high), ylim=(low, high), xlabel="before", ylabel="after", aspect="equal")
    return _figure(drawn, label, [("gained", PALETTE[0], ""), ("lost", PALETTE[1], ""), ("unchanged", _UNCHANGED, "")])


def bar_chart(bars: Sequence[tuple[float, int]], *, label: str, name: str = "") -> str:
    """A histogram.

    Args:
        bars: value and count, ordered by value and evenly spaced.
        label: label for screen readers.
        name: label of the horizontal axis; must not come from data, because matplotlib interprets ``$``.
    """
    if not any(count for _, count in bars):
        return _notice("No group has a rank correlation: in one of the scorings all totals are tied.")
    values, counts = np.array(bars, dtype=float).T
    width = 0.9 * (values[1] - values[0]) if len(values) > 1 else 0.9
    with _drawing(5.6, 2.5) as (axes, drawn):
        axes.bar(values, counts, width, color=np.where(values >= 0, PALETTE[0], PALETTE[1]), alpha=0.8)
        axes.set_xlabel(name)
    return _figure(drawn, label, [])


def downsample(points: Sequence[tuple[float, float]], limit: int = _MAX_POINTS) -> list[tuple[float, float]]:
    """At most ``limit`` points: means over equal numbers of points, placed at the last x of each mean."""
    if len(points) <= limit:
        return list(points)
    result = []
    for index in range(limit):
        part = points[index * len(points) // limit : (index + 1) * len(points) // limit]
        known = [y for _, y in part if not math.isnan(y)]
        result.append((part[-1][0], math.fsum(known) / len(known) if known else math.nan))
    return result


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(x, y if math.isfinite(y) else math.nan) for x, y in points]


@contextmanager
def _drawing(width: float, height: float) -> Iterator[tuple[Any, list[str]]]:
    """Axes to draw on, and a list that contains the SVG afterwards. Does not use or change global matplotlib state."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    drawn: list[str] = []
    with mpl.rc_context(_STYLE):
        figure = Figure((width, height))
        # fixed margins in inches: a layout that measures every label takes as long as the drawing itself
        figure.subplots_adjust(left=0.6 / width, right=1 - 0.1 / width, bottom=0.45 / height, top=1 - 0.2 / height)
        yield figure.subplots(), drawn
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
    svg = stream.getvalue()
    # a page contains many drawings: ids would repeat, and global style rules would apply to the whole page
    svg = re.sub(r"<style.*?</style>", "", svg[svg.index("<svg") :], count=1, flags=re.DOTALL)
    drawn.append(re.sub(r'<g id="[^"]*">', "<g>", svg))


_METADATA = ("Creator", "Date", "Format", "Type")


def _name_steps(axes: Any, name: str = "step") -> None:
    axes.set_xlabel(name, loc="right")
    axes.xaxis.get_major_locator().set_params(integer=name == "step")


def _isolated(values: NDArray[np.float64]) -> list[int]:
    """Numbers of the points without a neighbour, to which no line is drawn."""
    known = np.pad(~np.isnan(values), 1)
    found: list[int] = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:]).tolist()
    return found


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred mean over a tenth of the points, with a shorter window at the ends; NaN stays NaN."""
    window = np.ones(2 * max(1, len(values) // 20) + 1)
    known = ~np.isnan(values)
    sums = np.convolve(np.where(known, values, 0.0), window, "same")
    return np.where(known, sums / np.maximum(1, np.convolve(known, window, "same")), np.nan)


def _last(series: Series, percent: bool) -> str:
    value = next((y for _, y in reversed(series.points) if not math.isnan(y)), None)
    if value is None:
        return ""
    text = f"{100 * value:.1f} %" if percent else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")


def _figure(drawn: Sequence[str], label: str, legend: Sequence[tuple[str, str, str]]) -> str:
    """The drawing, scaled to the available width, and its legend: name, colour, number."""
    tag = f'<svg class="chart" role="img" aria-label="{html.escape(label)}" '
    svg = re.sub(r"^<svg (?=[^>]*>)", tag, re.sub(r' (?:width|height)="[\d.]+pt"', "", drawn[0], count=2))
    entries = "".join(
        f'<span><i style="background:{colour}"></i>{html.escape(name)}{f" <b>{value}</b>" if value else ""}</span>'
        for name, colour, value in legend
    )
    return f'{svg}<div class="legend">{entries}</div>'


def _notice(text: str) -> str:
    return f'<p class="empty">{text}</p>'
