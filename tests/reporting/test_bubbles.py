"""Small drawings of two scorings."""

import re
from xml.etree import ElementTree as ET

import pytest

from medix.reporting.bubbles import bar_chart, bubble_plot, slopes


def _circles(drawing: str) -> list[dict[str, str]]:
    svg = drawing[: drawing.index("</svg>") + len("</svg>")]
    return [dict(circle.attrib) for circle in ET.fromstring(svg).iter("circle")]


def test_area_goes_by_count_and_colour_by_direction() -> None:
    """Four times as many: twice the radius."""
    circles = _circles(bubble_plot([(0.0, 1.0, 100), (1.0, 0.0, 25), (0.5, 0.5, 25)], label="totals"))
    assert [float(circle["r"]) for circle in circles] == [13.0, 6.5, 6.5]
    assert len({circle["fill"] for circle in circles}) == 3


def test_higher_totals_are_drawn_further_up_and_right() -> None:
    low, high = sorted(_circles(bubble_plot([(0.0, 0.0, 1), (1.0, 1.0, 1)], label="t")), key=lambda c: float(c["cx"]))
    assert float(low["cy"]) > float(high["cy"])


def test_quadrants_of_opposite_signs_are_shaded_where_there_are_any() -> None:
    assert bubble_plot([(-1.0, 1.0, 1)], label="a", quadrants=True).count('class="flipped"') == 2
    assert 'class="flipped"' not in bubble_plot([(0.2, 1.0, 1)], label="a", quadrants=True)


@pytest.mark.parametrize("value", [0.0, 0.3, -2.0])
def test_one_point_alone_is_drawn(value: float) -> None:
    assert len(_circles(bubble_plot([(value, value, 3)], label="one"))) == 1


def test_nothing_to_draw_says_so() -> None:
    assert "Nothing has both" in bubble_plot([], label="none")
    assert "No group" in bar_chart([(0.0, 0)], label="none")
    assert slopes([(None, 0.5), (0.5, None)], label="none") == ""


def test_bars_are_as_tall_as_their_counts() -> None:
    heights = [
        float(text) for text in re.findall(r'height="([\d.]+)" rx', bar_chart([(-0.5, 50), (0.5, 100)], label="x"))
    ]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)


def test_slopes_draw_completions_with_both_totals() -> None:
    drawing = slopes([(0.0, 1.0), (1.0, 0.0), (None, 0.4)], label="group")
    assert drawing.count("<g ") == 2
    ET.fromstring(drawing)


def test_labels_are_escaped() -> None:
    assert "<script>" not in bubble_plot([(0, 1, 1)], label='"><script>') + slopes([(0, 1)], label='"><script>')
