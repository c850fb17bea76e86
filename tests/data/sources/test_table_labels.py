"""Labels of groups of rows, and bands of numbers."""

import math
import random
from collections import Counter
from datetime import time
from decimal import Decimal

import pytest

from medix.data.sources.table_labels import BELOW_ZERO, band_notes, band_of, label_of, label_order
from medix.data.sources.table_schema import Columns, TableData


def test_a_band_begins_with_its_lower_edge() -> None:
    found = {text: band_of(text, [18, 65.5]) for text in ("0", "17.9", "18", "65.4", "65.5", "120")}
    assert list(found.values()) == ["<18", "<18", "18 to <65.5", "18 to <65.5", "65.5 and over", "65.5 and over"]
    for text in ("old", "nan", "inf", "-inf", "45Y"):
        with pytest.raises(ValueError, match=text):
            band_of(text, [18])


def test_a_number_below_0_has_no_band_unless_edges_reach_there() -> None:
    assert [band_of("-1", [18, 65]), band_of("-0.5", [0.1]), band_of("0", [18])] == ["", "", "<18"]
    assert [band_of("-3", [-2.5, -1]), band_of("-3", [0, 5])] == ["<-2.5", "<0"]
    told = band_notes(Counter({f"{BELOW_ZERO}years": 1200, f"{BELOW_ZERO}age": 1, "other": 3}))
    assert told == [
        "rows whose age is below 0, which counts as not given: 1",
        "rows whose years is below 0, which counts as not given: 1,200",
    ]


def test_large_and_fine_edges_are_written_out() -> None:
    edges = [0.1234567, 1_500_000, 20_000_000]
    found = [band_of(text, edges) for text in ("0", "1", "2e6", "3e7")]
    assert found == ["<0.1234567", "0.1234567 to <1500000", "1500000 to <20000000", "20000000 and over"]
    assert sorted([*found[2:], *found[:2]], key=label_order) == found


def test_values_that_are_no_text_have_a_label() -> None:
    values = [
        True,
        time(8, 5),
        Decimal("3.00"),
        Decimal("-0.10"),
        Decimal("NaN"),
        Decimal("Infinity"),
        "x",
        None,
        2.5,
        [1],
    ]
    assert [label_of(one) for one in values] == ["true", "08:05:00", "3", "-0.1", "", math.inf, "x", None, 2.5, [1]]


def test_labels_are_ordered_by_number_and_then_as_text() -> None:
    ordered = ["<5", "5 to <18", "9", "18 to <65", "65 and over", "100", "3D view", "F", "not given"]
    labels = random.Random(0).sample(ordered, len(ordered))
    assert sorted(labels, key=label_order) == ordered


@pytest.mark.parametrize(
    ("bands", "told"),
    [
        ({"age": []}, "are no ascending edges"),
        ({"age": [65, 18]}, "are no ascending edges"),
        ({"age": [18, float("nan")]}, "are no ascending edges"),
        ({"Age": [18]}, "data.bands.Age: data.columns.subgroup has no Age"),
    ],
)
def test_bands_that_make_no_sense_are_errors(bands: dict[str, list[float]], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TableData(Columns(answer="a", subgroup={"age": "y"}), bands=bands)
