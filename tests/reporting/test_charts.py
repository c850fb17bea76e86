"""Charts show the numbers they are given, and texts from outside stay text."""

import math
import re
import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.reporting.charts import (
    Series,
    _running_mean,
    bar_chart,
    downsample,
    line_chart,
    scatter_chart,
    stacked_chart,
)


def _svg(chart: str) -> ET.Element:
    return ET.fromstring(chart[: chart.index("</svg>") + len("</svg>")])


def _lines(chart: str, colour: str) -> list[list[tuple[float, float]]]:
    """Corners of the unbroken strokes in a colour, in points from the upper left."""
    paths = [
        path.get("d", "")
        for path in _svg(chart).iter("{http://www.w3.org/2000/svg}path")
        if f"stroke: {colour}" in path.get("style", "") and path.get("clip-path")
    ]
    strokes = [stroke for path in paths for stroke in re.split(r"M", path) if stroke.strip()]
    return [[(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", stroke)] for stroke in strokes]


def test_a_line_rises_to_the_right_in_equal_steps() -> None:
    """Points (0, 0), (5, 0.5), (10, 1): the middle one is drawn half-way, and up means a smaller SVG y."""
    ((start, middle, end),) = _lines(line_chart([Series("a", [(0, 0.0), (5, 0.5), (10, 1.0)])], unit=True), "#0f766e")
    assert start[0] < end[0]
    assert start[1] > end[1]
    assert middle == pytest.approx(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), abs=1e-3)


def test_a_missing_value_leaves_a_gap() -> None:
    points = [(0.0, 0.0), (1.0, 1.0), (2.0, math.nan), (3.0, 1.0), (4.0, 0.5)]
    assert [len(stroke) for stroke in _lines(line_chart([Series("a", points)]), "#0f766e")] == [2, 2]


@pytest.mark.parametrize("name", ["<script>", "$x_{", "100 % & more", "\u202egnp", "\ud800"])
def test_names_are_escaped_text_whatever_they_hold(name: str) -> None:
    charts = [line_chart([Series(name, [(0, 1.0)])], label=name), stacked_chart([1.0], {name: [1.0]}, label=name)]
    for chart in charts:
        assert "<script>" not in chart
        assert name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") in chart


def test_nothing_recorded_says_so() -> None:
    assert "Nothing recorded yet" in line_chart([Series("a", [(0, math.nan)])])
    assert "Nothing recorded yet" in stacked_chart([], {})
    assert "No completion has both scores" in scatter_chart([], label="x")
    assert "No group has a rank correlation" in bar_chart([(0.0, 0)], label="x")


def test_the_legend_gives_the_last_value_and_the_shares_of_the_whole() -> None:
    assert "reward <b>0.25</b>" in line_chart([Series("reward", [(0, 0.5), (1, 0.25), (2, math.nan)])])
    assert "cut <b>12.5 %</b>" in line_chart([Series("cut", [(0, 0.125)])], percent=True)
    chart = stacked_chart([1.0, 2.0], {"rollout": [2.0, 4.0], "update": [1.0, math.nan], "publish": [1.0, 0.0]})
    assert "rollout <b>75.0%</b>" in chart


def test_the_same_numbers_give_the_same_text_and_settings_are_left_alone() -> None:
    before = dict(mpl.rcParams)
    series = [Series("a", [(step, math.sin(step)) for step in range(50)])]
    assert line_chart(series) == line_chart(series)
    assert dict(mpl.rcParams) == before


def test_a_chart_is_well_formed_and_names_no_address() -> None:
    charts = [
        line_chart([Series("a", [(0, 1.0), (1, 2.0)])], label='"x"'),
        stacked_chart([1.0, 2.0], {"a": [1.0, 2.0]}),
        scatter_chart([(-1.0, 1.0, 3), (0.5, 0.5, 1)], label="x", quadrants=True),
        bar_chart([(-1.0, 1), (1.0, 2)], label="x", name="tau-b"),
    ]
    for chart in charts:
        root = _svg(chart)
        assert root.get("class") == "chart"
        assert root.get("width") is None, "the page decides how wide it is"
        assert root.get("viewBox")
        assert "purl.org" not in chart
        assert "matplotlib" not in chart


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=700), st.integers(1, 50))
def test_thinning_keeps_the_end_and_the_limits(values: list[float], most: int) -> None:
    points = [(float(index), value) for index, value in enumerate(values)]
    thinned = downsample(points, most)
    assert len(thinned) <= max(most, 1)
    assert thinned[-1][0] == points[-1][0]
    assert min(values) - 1e-9 <= min(y for _, y in thinned) <= max(y for _, y in thinned) <= max(values) + 1e-9


def test_the_running_mean_is_taken_over_what_is_there() -> None:
    """40 points, so 2 on each side. At the start over 0, 1, 2; NaN at 5 stays, and 4 has 2, 3, 4, 6 for neighbours."""
    values = np.arange(40, dtype=float)
    values[5] = math.nan
    found = _running_mean(values)
    assert found[0] == pytest.approx(1.0)
    assert found[4] == pytest.approx((2 + 3 + 4 + 6) / 4)
    assert math.isnan(found[5])
    assert found[39] == pytest.approx(38.0)


def test_a_point_between_two_gaps_is_marked() -> None:
    """Every second value is missing: no line can be drawn, and ten marks are."""
    points = [(float(step), math.nan if step % 2 else 0.5) for step in range(20)]
    chart = line_chart([Series("a", points)])
    assert _marks(chart) == 10
    assert _marks(line_chart([Series("a", [(0.0, 0.5), (1.0, 0.6), (2.0, math.nan), (3.0, 0.1)])])) == 1
    assert _marks(line_chart([Series("a", [(0.0, 0.5), (1.0, 0.6)])])) == 0
    assert _marks(line_chart([Series("a", [(0.0, 0.5), (1.0, 0.6)], markers=True)])) == 2
    long = [(float(step), math.nan if step % 2 else 0.5) for step in range(100)]
    assert _marks(line_chart([Series("a", long)])) == 50


def _marks(chart: str) -> int:
    """Marks in the first colour."""
    return sum("stroke: #0f766e" in use.get("style", "") for use in _svg(chart).iter("{http://www.w3.org/2000/svg}use"))


@pytest.mark.parametrize("values", [(-0.4, -0.2, -0.1), (0.5, 1.5, 3.0)])
def test_values_outside_0_to_1_are_drawn_inside_the_chart(values: tuple[float, ...]) -> None:
    series = [
        Series("reward", list(zip((0.0, 5.0, 10.0), values, strict=True))),
        Series("b", [(0.0, 0.1), (10.0, 0.9)]),
    ]
    chart = line_chart(series, unit=True)
    clip = next(_svg(chart).iter("{http://www.w3.org/2000/svg}clipPath"))[0]
    top, height = float(clip.get("y", "")), float(clip.get("height", ""))
    ((*corners,),) = _lines(chart, "#0f766e")
    assert len(corners) == 3
    assert all(top <= y <= top + height for _, y in corners)


def test_infinity_leaves_a_gap_like_a_missing_value() -> None:
    bad = {1: math.inf, 2: -math.inf}
    points = [(float(x), bad.get(x, 1.0)) for x in range(400)]
    gaps = [(x, y if math.isfinite(y) else math.nan) for x, y in points]
    assert line_chart([Series("a", points)]) == line_chart([Series("a", gaps)])
    assert stacked_chart([1, 2], {"a": [1.0, math.inf]}) == stacked_chart([1, 2], {"a": [1.0, 0.0]})
    assert scatter_chart([(1.0, math.inf, 2), (0.0, 1.0, 1)], label="x") == scatter_chart([(0.0, 1.0, 1)], label="x")


def test_shares_of_zero_stand_on_the_axis_and_not_in_the_middle() -> None:
    """The drawing is 180 points high; its horizontal axis stands some 30 above the lower edge."""
    ((start, _),) = _lines(line_chart([Series("a", [(0, 0.0), (1, 0.0)])], percent=True), "#0f766e")
    assert start[1] > 140
