"""Two scorings against each other as small SVG: bubbles for pairs of values, bars for counts, slopes for one group."""

import html
import math
from collections.abc import Sequence

from medix.reporting.curves import PALETTE

_SIZE, _LEFT, _BOTTOM, _TOP, _RIGHT = 400, 44, 34, 12, 14
_LARGEST = 13.0


def bubble_plot(
    points: Sequence[tuple[float, float, int]], *, label: str, unit: str = "completions", quadrants: bool = False
) -> str:
    """Pairs of values: before to the right, after upwards, area by how many there are.

    Points on the diagonal did not change; those above it gained.

    Args:
        points: before, after, count.
        label: what a screen reader says.
        unit: what is counted.
        quadrants: shade where before and after have opposite signs.
    """
    if not points:
        return '<p class="empty">Nothing has both scores.</p>'
    values = [value for before, after, _ in points for value in (before, after)]
    ticks = _ticks(min(values), max(values))
    low, high = ticks[0], ticks[-1]
    span = _SIZE - _LEFT - _RIGHT

    def at(before: float, after: float) -> tuple[float, float]:
        across, up = (before - low) / (high - low), (after - low) / (high - low)
        return _LEFT + across * span, _TOP + (1 - up) * span

    parts = []
    if quadrants and low < 0 < high:
        for corner in ((low, high), (high, low)):
            (x0, y0), (x1, y1) = at(0, 0), at(*corner)
            parts.append(
                f'<rect x="{min(x0, x1):.1f}" y="{min(y0, y1):.1f}" width="{abs(x1 - x0):.1f}" '
                f'height="{abs(y1 - y0):.1f}" class="flipped"/>'
            )
    for tick in ticks:
        (left, y), (right, _), (x, bottom), (_, top) = at(low, tick), at(high, tick), at(tick, low), at(tick, high)
        text = f"{tick:g}".replace("-", "\N{MINUS SIGN}")
        parts.append(f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}" class="grid"/>')
        parts.append(f'<text x="{left - 7:.1f}" y="{y + 3.5:.1f}" text-anchor="end">{text}</text>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16:.1f}" text-anchor="middle">{text}</text>')
    (x0, y0), (x1, y1) = at(low, low), at(high, high)
    parts.append(f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" class="diagonal"/>')
    most = max(count for _, _, count in points)
    for before, after, count in sorted(points, key=lambda point: -point[2]):
        x, y = at(before, after)
        is_unchanged = abs(after - before) < (high - low) / 100  # nearer to the diagonal than the eye can tell
        colour = "#64748b" if is_unchanged else PALETTE[0] if after > before else PALETTE[1]
        radius = max(1.8, _LARGEST * math.sqrt(count / most))
        title = html.escape(f"{count:,} {unit}: {_short(before)} → {_short(after)}")
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity=".55" stroke="{colour}">'
            f"<title>{title}</title></circle>"
        )
    height = _TOP + span + _BOTTOM
    parts.append(f'<text x="{_SIZE - _RIGHT}" y="{height - 2}" text-anchor="end" class="axis-name">before</text>')
    parts.append(f'<text x="{_LEFT + 6}" y="{_TOP + 12}" class="axis-name">after</text>')
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{name}</span>'
        for colour, name in ((PALETTE[0], "gained"), (PALETTE[1], "lost"), ("#64748b", "unchanged"))
    )
    return f'{_svg("".join(parts), _SIZE, height, label)}<div class="legend">{legend}</div>'


def bar_chart(bars: Sequence[tuple[float, int]], *, label: str, unit: str = "groups", name: str = "") -> str:
    """How many fall near each value.

    Args:
        bars: value and count, by value, evenly apart.
        label: what a screen reader says.
        unit: what is counted.
        name: of the axis.
    """
    most = max((count for _, count in bars), default=0)
    if not most:
        return '<p class="empty">No group has an order in both scorings.</p>'
    width, height = 560, 250
    base = height - _BOTTOM
    step = (width - _LEFT - _RIGHT) / len(bars)
    parts = []
    for tick in _ticks(0, most):
        y = base - tick / _ticks(0, most)[-1] * (base - _TOP)
        parts.append(f'<line x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 7}" y="{y + 3.5:.1f}" text-anchor="end">{tick:g}</text>')
    for index, (value, count) in enumerate(bars):
        tall = count / _ticks(0, most)[-1] * (base - _TOP)
        colour = PALETTE[0] if value >= 0 else PALETTE[1]
        title = html.escape(f"about {_short(value)}: {count:,} {unit}")
        parts.append(
            f'<rect x="{_LEFT + index * step + 1:.1f}" y="{base - tall:.1f}" width="{max(1.0, step - 2):.1f}" '
            f'height="{tall:.1f}" rx="1.5" fill="{colour}" fill-opacity=".8"><title>{title}</title></rect>'
        )
    half = (bars[1][0] - bars[0][0]) / 2 if len(bars) > 1 else 0.5
    low, high = bars[0][0] - half, bars[-1][0] + half
    for value in (low, (low + high) / 2, high):
        x = _LEFT + (value - low) / (high - low) * (width - _LEFT - _RIGHT)
        parts.append(f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{_short(value)}</text>')
    parts.append(
        f'<text x="{width - _RIGHT}" y="{height - 1}" text-anchor="end" class="axis-name">{html.escape(name)}</text>'
    )
    return _svg("".join(parts), width, height, label)


def slopes(pairs: Sequence[tuple[float | None, float | None]], *, label: str) -> str:
    """The totals of one group before, to the left, and after, to the right; lines that cross changed places.

    Args:
        pairs: totals of each completion; one without both is left out.
        label: what a screen reader says.
    """
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if not known:
        return ""
    width, height, margin = 190, 150, 12
    low, high = min(min(pair) for pair in known), max(max(pair) for pair in known)
    scale = (height - 2 * margin) / (high - low) if high > low else 0.0
    parts = []
    for before, after in known:
        y0, y1 = height - margin - (before - low) * scale, height - margin - (after - low) * scale
        colour = "#94a3b8" if abs(after - before) < 1e-9 else PALETTE[0] if after > before else PALETTE[1]
        title = html.escape(f"{_short(before)} → {_short(after)}")
        parts.append(
            f'<g stroke="{colour}" fill="{colour}"><line x1="20" x2="{width - 20}" y1="{y0:.1f}" y2="{y1:.1f}" '
            f'stroke-width="2" stroke-opacity=".75"/><circle cx="20" cy="{y0:.1f}" r="3.6"/>'
            f'<circle cx="{width - 20}" cy="{y1:.1f}" r="3.6"/><title>{title}</title></g>'
        )
    return _svg("".join(parts), width, height, label)


def _short(value: float) -> str:
    return f"{0.0 if abs(value) < 5e-4 else value:.3g}".replace("-", "\N{MINUS SIGN}")


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers that enclose a range, about five of them."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _svg(body: str, width: float, height: float, label: str) -> str:
    box = f"0 0 {width:g} {height:g}"
    return f'<svg class="chart" viewBox="{box}" role="img" aria-label="{html.escape(label)}">{body}</svg>'
