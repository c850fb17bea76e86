"""One cell of a row, as text."""

import math
from datetime import date
from decimal import Decimal

import pytest

from medix.data.sources.class_label import Label
from medix.data.sources.table_cell import cell, has, no_text, passes, text_of


def test_text_of_cells() -> None:
    cells = ["x", 3, 3.0, 2.5, None, Label(1, ("no", "yes")), Label(-1, ("no",)), True, [1], float("nan")]
    assert [text_of(cell) for cell in cells] == ["x", "3", "3", "2.5", "", "yes", "", None, None, ""]
    decimals = [Decimal(text) for text in ("7", "7.00", "0.10", "-1.50", "1E+2", "NaN")]
    assert [text_of(cell) for cell in decimals] == ["7", "7", "0.1", "-1.5", "100", ""]


def test_an_infinite_number_is_no_text_however_large_a_whole_number_is_one() -> None:
    """JSON ``1e400`` is read as such."""
    assert [text_of(number) for number in (math.inf, -math.inf, Decimal("Infinity"), 10**400)] == [
        *[None] * 3, "1" + "0" * 400,
    ]  # fmt: skip
    assert no_text(math.inf) == "it is no finite number; correct it, or write it as text"
    assert no_text([1]) == "a list is no text; give text or a number"


def test_a_column_may_be_a_field_of_an_object() -> None:
    row = {"a.b": 1, "c": {"d": {"e": 2}}, "f": math.nan}
    assert [cell(row, name) for name in ("a.b", "c.d.e", "f", "c.x", "g")] == [1, 2, None, None, None]
    assert [has(row, name) for name in ("a.b", "c.x", "g", "g.h")] == [True, True, False, False]


@pytest.mark.parametrize(("wanted", "is_match"), [("true", True), ("True", True), ("false", False)])
def test_a_filter_names_truth_values_as_texts(wanted: str, is_match: bool) -> None:
    assert passes({"c": True}, {"c": wanted}) is is_match


def test_a_filter_may_name_a_date_or_a_decimal_as_tables_show_it() -> None:
    row = {"day": date(2024, 5, 1), "dose": Decimal("2.50")}
    assert passes(row, {"day": "2024-05-01", "dose": "2.5"})
    assert passes(row, {"dose": ["2.5", "3"]})
    assert not passes(row, {"day": "2024-05-01", "dose": "2.50"})
