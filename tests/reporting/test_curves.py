"""Curves are drawn where the numbers are."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from medix.reporting.curves import Series, _ticks, interval_plot, line_chart, stacked_chart, thin


def test_a_line_runs_from_the_lower_left_to_the_upper_right() -> None:
    """Unit range on the default drawing: (0, 0) is at x 46, y 220, and (10, 1) at x 546, y 12."""
    drawing = line_chart([Series("a", [(0, 0.0), (10, 1.0)])], unit=True)
    assert 'd="M46.0 220.0L546.0 12.0"' in drawing


def test_a_missing_value_leaves_a_gap() -> None:
    drawing = line_chart([Series("a", [(0, 0.0), (1, math.nan), (2, 1.0)])])
    assert re.search(r'd="M[^"L]*M[^"L]*"', drawing)


def test_names_are_escaped_in_drawing_and_legend() -> None:
    drawing = line_chart([Series("<script>", [(0, 1.0)])], label='"x"')
    assert "<script>" not in drawing
    assert "&lt;script&gt;" in drawing
    assert "<script>" not in stacked_chart([1.0], {"<script>": [1.0]})


def test_nothing_recorded_says_so() -> None:
    assert "Nothing recorded yet" in line_chart([Series("a", [(0, math.nan)])])
    assert "Nothing recorded yet" in stacked_chart([], {})


def test_the_legend_of_phases_gives_shares_of_the_whole() -> None:
    drawing = stacked_chart([1.0, 2.0], {"rollout": [2.0, 4.0], "update": [1.0, 1.0]})
    assert "rollout <b>75%</b>" in drawing


def test_interval_plot_leaves_out_what_is_not_known() -> None:
    drawing = interval_plot({"low": None, "estimate": 0.5, "high": None}, None)
    assert drawing.count("<circle") == 1
    assert 'class="before"/>' in drawing
    assert drawing.count("<line") == 1


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=700), st.integers(1, 50))
def test_thinning_keeps_the_mean_the_end_and_the_limit(values: list[float], most: int) -> None:
    points = [(float(index), value) for index, value in enumerate(values)]
    thinned = thin(points, most)
    assert len(thinned) <= max(most, 1)
    assert thinned[-1][0] == points[-1][0]
    assert min(values) - 1e-9 <= min(y for _, y in thinned) <= max(y for _, y in thinned) <= max(values) + 1e-9


@given(st.floats(-1e4, 1e4), st.floats(1e-6, 1e4))
def test_ticks_enclose_the_range(low: float, width: float) -> None:
    ticks = _ticks(low, low + width)
    assert ticks[0] <= low + 1e-6 * width
    assert ticks[-1] >= low + width - 1e-6 * width
    assert 2 <= len(ticks) <= 7
