"""One table, three ways to show it."""

import io
import math

import pytest
from rich.console import Console

from medix.reporting.table import Table, interval, number


def test_markdown_escapes_what_would_break_the_table() -> None:
    text = Table("t", ["name", "n"], [["a|b <script>", "1"]]).markdown()
    assert text.splitlines()[-1] == r"| a\|b \<script> | 1 |"
    assert text.splitlines()[1] == "| :-- | --: |"


def test_brackets_in_a_name_are_not_terminal_markup() -> None:
    buffer = io.StringIO()
    Console(file=buffer, width=60).print(Table("t", ["name"], [["[red]x[/nope]"]]).rich())
    assert "[red]x[/nope]" in buffer.getvalue()


def test_a_short_row_is_refused() -> None:
    with pytest.raises(ValueError, match="1 cells in a row, but 2 columns"):
        Table("t", ["a", "b"], [["x"]])


def test_numbers_are_written_for_readers() -> None:
    assert number(0.6147, percent=True) == "61.5 %"
    assert number(-0.02, signed=True) == "−0.020"  # noqa: RUF001 - a true minus sign is meant
    assert number(math.nan) == number(None) == "\N{EN DASH}"


def test_an_interval_that_is_not_known_is_left_out() -> None:
    assert interval({"estimate": 0.5, "low": 0.4, "high": 0.6}, percent=True) == "50.0 % (40.0 to 60.0)"
    assert interval({"estimate": 0.5, "low": math.nan, "high": math.nan}) == "0.500"


def test_an_interval_without_an_estimate_is_a_dash() -> None:
    assert interval({"estimate": math.nan, "low": 0.0, "high": 1.0}, percent=True) == number(None)


def test_no_digit_is_lost_in_a_narrow_terminal() -> None:
    buffer = io.StringIO()
    Console(file=buffer, width=40).print(Table("t", ["name", *"abcd"], [["x", *["0.112 (0.101 to 0.123)"] * 4]]).rich())
    shown = "".join(buffer.getvalue().split())
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert buffer.getvalue().count("0.112") == 4
