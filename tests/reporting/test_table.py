"""One table, three ways to show it."""

import io
import math
from collections import Counter

import pytest
from rich.console import Console

from medix.reporting.table import Table, counted, interval, number, p_value, slices_table


def test_markdown_escapes_what_would_break_the_table() -> None:
    text = Table("t", ["name|x", "n"], [["a|b <script>", "1"]]).markdown()
    assert text.splitlines()[-1] == r"| a\|b \<script> | 1 |"
    assert text.splitlines()[:2] == [r"| name\|x | n |", "| :-- | --: |"]


def test_control_characters_of_strangers_are_visible_in_every_form_of_a_table() -> None:
    table = Table("t", ["name\x1b[31m"], [["a\u202eb\x9b"]])
    for text in (table.markdown(), table.latex()):
        assert not {"\x1b", "\u202e", "\x9b"} & set(text)
        assert "[U+202E]" in text.replace("{[}", "[").replace("{]}", "]").replace("\\[", "[")


def test_brackets_in_a_name_are_not_terminal_markup() -> None:
    buffer = io.StringIO()
    Console(file=buffer, width=60).print(Table("t", ["name"], [["[red]x[/nope]"]]).rich(60))
    assert "[red]x[/nope]" in buffer.getvalue()


def test_escape_sequences_in_a_name_do_not_reach_the_terminal() -> None:
    buffer = io.StringIO()
    Console(file=buffer, width=60).print(Table("t\x1b[2J", ["name"], [["a\x1b[2Jb\ud800"]]).rich(60))
    assert "a\N{SYMBOL FOR ESCAPE}[2Jb[U+D800]" in buffer.getvalue()
    assert "\x1b" not in buffer.getvalue()


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
    Table("t", ["name", *"abcd"], [["x", *["0.112 (0.101 to 0.123)"] * 4]]).print(Console(file=buffer, width=40))
    shown = "".join(buffer.getvalue().split())
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert buffer.getvalue().count("0.112") == 4


@pytest.mark.parametrize(
    ("value", "percent", "text"),
    [
        (0.0, True, "0.0 %"), (1.0, True, "100.0 %"), (0.0004, True, "0.04 %"), (0.9996, True, "99.96 %"),
        (1e-12, True, "0.0 %"), (1 - 1e-12, True, "100.0 %"), (0.0004, False, "0.0004"), (0.9996, False, "0.9996"),
        (1 / 4000, True, "0.03 %"), (1e-7, True, "0.00001 %"),
    ],
)  # fmt: skip
def test_rounding_makes_no_false_zero_and_no_false_all(value: float, percent: bool, text: str) -> None:
    assert number(value, percent=percent) == text


def test_ends_of_an_interval_and_gains_are_rounded_alike() -> None:
    entry = {"estimate": -0.0003, "low": -0.002, "high": 0.0001}
    assert interval(entry, percent=True, signed=True) == "−0.03 % (−0.2 to +0.01)"  # noqa: RUF001


def test_a_p_value_is_never_zero() -> None:
    assert [p_value(value) for value in (1e-9, 0.0, 0.001, 0.04999, 0.9999, 1.0, None)] == [
        "< 0.001", "< 0.001", "0.001", "0.050", "> 0.999", "1.000", "\N{EN DASH}"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("samples", "completions", "text"),
    [
        (200, 400, "200 samples x 2 completions"),
        (200, 200, "200 samples, one completion each"),
        (200, 399, "399 completions of 200 samples"),
    ],
)
def test_rows_and_completions_are_told_apart(samples: int, completions: int, text: str) -> None:
    assert counted({"samples": samples, "completions": completions}) == text


def test_the_first_column_is_never_squeezed() -> None:
    """Widest cells of 12, 15 and 5 characters, 3 spaces between two columns and one at each end: 40."""
    table = Table("t", ["Task", "Result", "Items"], [["mmlu_anatomy", "29.6 % (1 to 2)", "135"]])
    assert table.fitting(40) == [table]
    assert len(table.fitting(39)) == 2
    for width in (36, 37, 38, 39, 40):
        buffer = io.StringIO()
        table.print(Console(file=buffer, width=width))
        assert "mmlu_anatomy" in buffer.getvalue()


def test_a_table_that_is_too_wide_becomes_several_whose_columns_can_be_read() -> None:
    heads = ["Modality", "Samples", "runs/one/completions/test-step-000010", "runs/two/completions/test", "Gain", "p"]
    cells = ["pooled: CT_SCAN, MRI_SCAN, X_RAY", "200", "61.0 % (55.2 to 66.5)", "61.0 % (55.2 to 66.5)", "+0.1 %", "1"]
    table = Table("Accuracy", heads, [cells])
    buffer = io.StringIO()
    table.print(Console(file=buffer, width=80))
    text = buffer.getvalue()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert text.count("61.0 % (55.2 to 66.5)") == 2
    assert "Accuracy (continued)" in text
    assert "…" not in text
    assert table.fitting(200) == [table]
    (narrow,) = Table("t", ["", "a"], [["x", "1"]]).fitting(10)
    assert narrow.columns == ["", "a"]


def test_slices_show_the_unscored_share_of_both_validations() -> None:
    interval = {"estimate": 0.5, "low": None, "high": None}
    entry = {
        "samples": 4,
        "completions": 4,
        "cases": 4,
        "intervals": {"accuracy": interval},
        "modality_accuracy": None,
        "reward": 0.5,
    }
    table = slices_table(
        "By modality", "Modality", {"CT": entry | {"unscored": 0.25}}, {"CT": entry | {"unscored": 0.0}}
    )
    assert dict(zip(table.columns, table.rows[0], strict=True))["Unscored completions"] == "25.0 → 0.0 %"


def test_slices_of_one_validation_have_one_value_each_and_a_missing_one_is_a_dash() -> None:
    interval = {"estimate": 0.5, "low": None, "high": None}
    entry = {"samples": 4, "completions": 4, "cases": 4, "modality_accuracy": None, "reward": 0.25, "unscored": 0.5}
    entry |= {"intervals": {"accuracy": interval}}
    alone = slices_table("By source", "Source", None, {"a": entry})
    row = dict(zip(alone.columns, alone.rows[0], strict=True))
    assert (row["Accuracy"], row["Modality named"], row["Reward"]) == ("50.0 %", "\N{EN DASH}", "0.250")
    beside = slices_table("By source", "Source", {"b": entry}, {"a": entry})
    rows = [dict(zip(beside.columns, row, strict=True)) for row in beside.rows]
    assert [row["Reward"] for row in rows] == ["\N{EN DASH} → 0.250", "0.250 → \N{EN DASH}"]
    assert [row["Unscored completions"] for row in rows] == ["\N{EN DASH} → 50.0 %", "50.0 % → \N{EN DASH}"]
    assert [row["Modality named"] for row in rows] == ["\N{EN DASH}"] * 2


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_column_of_sentences_is_wrapped_and_nothing_of_it_is_lost(width: int) -> None:
    said = "out/base/val-step-000004.jsonl: is not there; restore it, or remove the folder and start the command again"
    stream = io.StringIO()
    Table("Failed", ["", "Seed", "Reason"], [["base", "1", said], ["other", "2", "x"]]).print(
        Console(file=stream, width=width)
    )
    shown = "".join(stream.getvalue().split())
    assert "".join(said.split()) in shown
    assert shown.index("base") < shown.index("other")


@pytest.mark.parametrize("width", [10, 24, 40, 60, 80])
@pytest.mark.parametrize("name", ["x", "a name of more than twenty-four letters in several words"])
@pytest.mark.parametrize("value", ["v" * 70, "61.0 % (55.2 to 66.5) " * 4, "a/path/" * 9])
def test_a_value_that_is_wider_than_the_terminal_is_wrapped_and_nothing_of_it_is_lost(
    width: int, name: str, value: str
) -> None:
    stream = io.StringIO()
    Table("t", ["", "Heading-of-one-word", "n"], [[name, value, "1"]]).print(Console(file=stream, width=width))
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    shown = Counter("".join(lines))
    for mark, count in Counter(f"{name}{value}Heading-of-one-word".replace(" ", "")).items():
        assert shown[mark] >= count, mark


def test_a_wide_terminal_shows_a_sentence_in_one_line() -> None:
    stream = io.StringIO()
    said = "a sentence of many words " * 4
    Table("t", ["", "Reason"], [["x", said]]).print(Console(file=stream, width=160))
    assert said.strip() in stream.getvalue()
