"""Curves as small SVG, drawn here so that a report is one light file without fonts, scripts or a plotting library."""

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PALETTE = ("#0f766e", "#d97706", "#4f46e5", "#be185d", "#0284c7", "#65a30d", "#7c3aed", "#b91c1c", "#475569")
"""Dark enough for white paper, apart in lightness as well as in hue."""

_HEIGHT = 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 12, 30
_MOST_POINTS = 160


@dataclass(frozen=True)
class Series:
    """One line.

    Attributes:
        name: for the legend.
        points: x and y, by x; NaN leaves a gap.
        markers: draw points, for values at few x.
    """

    name: str
    points: Sequence[tuple[float, float]]
    markers: bool = False


def line_chart(
    series: Sequence[Series], *, percent: bool = False, unit: bool = False, width: int = 560, label: str = ""
) -> str:
    """Lines over steps.

    Long series are drawn as means over equal stretches of steps, noisy ones with a faint line of their own behind a
    smoothed one.

    Args:
        series: at least one with a point, or a note that there is nothing yet is drawn.
        percent: y is a share, labelled in per cent, from 0.
        unit: y runs from 0 to 1 whatever is drawn.
        width: of the drawing; its text keeps its size, so a narrow place takes a narrow drawing.
        label: what a screen reader says.
    """
    drawn = [Series(s.name, thin(s.points), s.markers) for s in series]
    known = [(x, y) for s in drawn for x, y in s.points if not math.isnan(y)]
    if not known:
        return '<p class="empty">Nothing recorded yet.</p>'
    xs = [x for x, _ in known]
    low, high = min(y for _, y in known), max(y for _, y in known)
    ticks = [0, 0.25, 0.5, 0.75, 1] if unit else _ticks(min(0.0, low) if percent else low, max(high, 0.04 * percent))
    frame = _Frame(min(xs), max(xs), ticks[0], ticks[-1], width)
    parts = [frame.grid(ticks, percent)]
    for index, entry in enumerate(drawn):
        colour = PALETTE[index % len(PALETTE)]
        parts.append(_draw(entry, colour, frame, percent))
    legend = "".join(
        f'<span><i style="background:{PALETTE[i % len(PALETTE)]}"></i>{html.escape(s.name)}{_last(s, percent)}</span>'
        for i, s in enumerate(drawn)
    )
    return f'{_svg("".join(parts), width, label)}<div class="legend">{legend}</div>'


def stacked_chart(
    steps: Sequence[float], layers: Mapping[str, Sequence[float]], *, width: int = 560, label: str = ""
) -> str:
    """Stacked areas over steps, such as seconds per phase."""
    if not steps or not layers:
        return '<p class="empty">Nothing recorded yet.</p>'
    thinned = {name: thin(list(zip(steps, values, strict=True))) for name, values in layers.items()}
    xs = [x for x, _ in next(iter(thinned.values()))]
    if len(xs) == 1:  # an area needs two ends
        xs = [xs[0] - 0.5, xs[0] + 0.5]
        thinned = {name: [(xs[0], points[0][1]), (xs[1], points[0][1])] for name, points in thinned.items()}
    floor = [0.0] * len(xs)
    areas = []
    for index, (name, points) in enumerate(thinned.items()):
        ceiling = [low + (0 if math.isnan(y) else y) for low, (_, y) in zip(floor, points, strict=True)]
        areas.append((name, PALETTE[index % len(PALETTE)], floor, ceiling))
        floor = ceiling
    ticks = _ticks(0.0, max(floor))
    frame = _Frame(xs[0], xs[-1], 0.0, ticks[-1], width)
    parts = []
    for name, colour, low, high in areas:
        edge = [frame.at(x, y) for x, y in zip(xs, high, strict=True)]
        edge += [frame.at(x, y) for x, y in zip(reversed(xs), reversed(low), strict=True)]
        points_text = " ".join(f"{x:.1f},{y:.1f}" for x, y in edge)
        parts.append(
            f'<polygon points="{points_text}" fill="{colour}" opacity=".8"><title>{html.escape(name)}</title></polygon>'
        )
    totals = {name: math.fsum(v for v in values if not math.isnan(v)) for name, values in layers.items()}
    whole = math.fsum(totals.values()) or 1.0
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{html.escape(name)} <b>{totals[name] / whole:.0%}</b></span>'
        for name, colour, _, _ in areas
    )
    return f'{_svg(frame.grid(ticks, False) + "".join(parts), width, label)}<div class="legend">{legend}</div>'


def interval_plot(before: Mapping[str, float | None] | None, after: Mapping[str, float | None] | None) -> str:
    """Two shares with their intervals on one line from 0 to 1: grey before, coloured after."""
    width, height = 220, 26
    marks = [f'<line x1="4" x2="{width - 4}" y1="13" y2="13" class="axis"/>']
    for entry, y, style in ((before, 8, "before"), (after, 18, "after")):
        if entry is None or entry["estimate"] is None or math.isnan(entry["estimate"]):
            continue
        low, estimate, high = (4 + (width - 8) * _or_nan(entry[key]) for key in ("low", "estimate", "high"))
        if not math.isnan(low) and not math.isnan(high):
            marks.append(f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" class="{style}"/>')
        marks.append(f'<circle cx="{estimate:.1f}" cy="{y}" r="3.6" class="{style}"/>')
    return f'<svg class="interval" viewBox="0 0 {width} {height}" role="img">{"".join(marks)}</svg>'


def thin(points: Sequence[tuple[float, float]], most: int = _MOST_POINTS) -> list[tuple[float, float]]:
    """At most ``most`` points: means of equal stretches; the last point of each stretch gives its x."""
    if len(points) <= most:
        return list(points)
    result = []
    for index in range(most):
        stretch = points[index * len(points) // most : (index + 1) * len(points) // most]
        known = [y for _, y in stretch if not math.isnan(y)]
        result.append((stretch[-1][0], math.fsum(known) / len(known) if known else math.nan))
    return result


class _Frame:
    """From numbers to places on the drawing."""

    def __init__(self, x0: float, x1: float, y0: float, y1: float, width: int) -> None:
        self.right = width - _RIGHT
        self.x0, self.x1 = (x0, x1) if x1 > x0 else (x0 - 0.5, x0 + 0.5)
        self.y0, self.y1 = y0, y1

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = (x - self.x0) / (self.x1 - self.x0)
        up = (y - self.y0) / (self.y1 - self.y0)
        return _LEFT + across * (self.right - _LEFT), _HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)

    def grid(self, ticks: Sequence[float], percent: bool) -> str:
        parts = []
        for tick in ticks:
            _, y = self.at(self.x0, tick)
            text = f"{100 * tick:g} %" if percent else f"{tick:g}".replace("-", "\N{MINUS SIGN}")
            parts.append(f'<line x1="{_LEFT}" x2="{self.right}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
            parts.append(f'<text x="{_LEFT - 7}" y="{y + 3.5:.1f}" text-anchor="end">{text}</text>')
        for tick in _ticks(self.x0, self.x1):
            if self.x0 <= tick <= self.x1 and tick == int(tick):
                x, _ = self.at(tick, self.y0)
                parts.append(f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{tick:g}</text>')
        parts.append(f'<text x="{self.right}" y="{_HEIGHT - 1}" text-anchor="end" class="axis-name">step</text>')
        return "".join(parts)


def _draw(series: Series, colour: str, frame: _Frame, percent: bool) -> str:
    parts = []
    smooth = not series.markers and len(series.points) > 30
    if smooth:
        parts.append(_path(series.points, frame, f'stroke="{colour}" class="faint"'))
    parts.append(_path(_smoothed(series.points) if smooth else series.points, frame, f'stroke="{colour}"'))
    for x, y in series.points:
        if math.isnan(y):
            continue
        cx, cy = frame.at(x, y)
        style = (
            f'r="3.6" fill="#fff" stroke="{colour}" stroke-width="2"' if series.markers else 'r="5" fill="transparent"'
        )
        title = html.escape(f"{series.name}, step {x:g}: {_short(y, percent)}")
        parts.append(f'<circle cx="{cx:.1f}" cy="{cy:.1f}" {style}><title>{title}</title></circle>')
    return "".join(parts)


def _path(points: Sequence[tuple[float, float]], frame: _Frame, style: str) -> str:
    steps, pen = [], "M"
    for x, y in points:
        if math.isnan(y):
            pen = "M"
            continue
        px, py = frame.at(x, y)
        steps.append(f"{pen}{px:.1f} {py:.1f}")
        pen = "L"
    return f'<path d="{"".join(steps)}" fill="none" {style}/>'


def _smoothed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Centred running mean over a tenth of the points, over what there is of it at the ends."""
    half = max(1, len(points) // 20)
    result = []
    for index, (x, y) in enumerate(points):
        known = [v for _, v in points[max(0, index - half) : index + half + 1] if not math.isnan(v)]
        result.append((x, math.nan if math.isnan(y) else math.fsum(known) / len(known)))
    return result


def _short(value: float, percent: bool) -> str:
    text = f"{100 * value:.1f} %" if percent else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that enclose a range, four or five of them."""
    if high - low < 1e-12:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 4
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _last(series: Series, percent: bool) -> str:
    value = next((y for _, y in reversed(series.points) if not math.isnan(y)), None)
    return "" if value is None else f" <b>{_short(value, percent)}</b>"


def _svg(body: str, width: int, label: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {width} {_HEIGHT}" role="img" aria-label="{html.escape(label)}">{body}</svg>'
    )
