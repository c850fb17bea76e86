"""Which rows a table has, and where it is looked for."""

from pathlib import Path

import datasets
import pytest

from medix.data.sources.table import Table, found_files
from medix.data.sources.table_file import TableError
from medix.data.sources.table_schema import Columns, TableData
from tests.support.tables import jsonl, parquet

LETTERS = datasets.ClassLabel(names=["a", "b", "c", "d"])


def test_a_column_that_a_file_lacks_is_named_with_those_it_has(tmp_path: Path) -> None:
    parquet(tmp_path / "t.parquet", [{"a": "x", "b": "y"}])
    with pytest.raises(TableError, match=r"there is no column 'c' \(data.columns.question\); its columns are a, b"):
        list(Table(TableData(Columns(answer="a", question="c")), "t", tmp_path))


def test_files_that_macos_writes_beside_others_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "._t.jsonl").write_bytes(b"\0\5\x16\7")
    data = TableData(Columns(answer="a"), local=["*t.jsonl"])
    assert found_files(data, "t", tmp_path) == ()
    assert found_files(data, "t", jsonl(tmp_path / "t.jsonl", [{"a": "x"}]).parent) == (tmp_path / "t.jsonl",)


def test_labels_count_by_number_and_read_by_name(tmp_path: Path) -> None:
    """``cop`` of MedMCQA is a label a..d and 0-based; a filter may name either."""
    rows = [{"o1": "w", "o2": "x", "o3": "y", "o4": "z", "cop": cop} for cop in (0, 3)]
    parquet(tmp_path / "t.parquet", rows, cop=LETTERS)
    columns = Columns(answer_index="cop", choices=["o1", "o2", "o3", "o4"], source="cop")
    found = list(Table(TableData(columns), "t", tmp_path))
    assert [(one.answer_index, one.answers, one.source) for one in found] == [(0, ("w",), "a"), (3, ("z",), "d")]
    for wanted in ("d", 3, ["c", "d"]):
        assert [one.source for one in Table(TableData(columns, filter={"cop": wanted}), "t", tmp_path)] == ["d"]


def test_the_first_pattern_that_matches_is_read_and_its_files_in_order(tmp_path: Path) -> None:
    data = TableData(Columns(answer="a"), local=["none/*.jsonl", "t/part-*.jsonl"])
    for number in (2, 1):
        jsonl(tmp_path / "t" / f"part-{number}.jsonl", [{"a": str(number)}])
    jsonl(tmp_path / "t" / "data" / "test-0.jsonl", [{"a": "hub"}])
    assert [one.answers for one in Table(data, "t", tmp_path)] == [("1",), ("2",)]
    usual = TableData(Columns(answer="a"))
    assert [one.answers for one in Table(usual, "t", tmp_path)] == [("hub",)]
    assert found_files(usual, "other", tmp_path) == ()


@pytest.mark.parametrize(
    ("data", "folder", "told"),
    [
        (TableData(Columns(answer="a"), hub="x/y"), "here", "leave --data out to read x/y from its hub"),
        (TableData(Columns(answer="a")), "here", "put its files there"),
        (TableData(Columns(answer="a")), None, "is not on a hub; give --data"),
        (TableData(Columns(answer="a")), "nowhere", "is no folder"),
    ],
)
def test_a_table_that_is_not_there_says_how_to_get_it(
    tmp_path: Path, data: TableData, folder: str | None, told: str
) -> None:
    (tmp_path / "here").mkdir()
    with pytest.raises(TableError, match=told):
        list(Table(data, "t", tmp_path / folder if folder else None))


def test_what_was_decided_about_choices_is_told_when_all_rows_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("q,a,A,B,C,D\nq,x,x,y,NA,NA\nq,x,x,y,z,None\nq,x,x,y,z,w\n")
    table = Table(TableData(Columns("q", "a", choices=list("ABCD"))), "t", tmp_path)
    assert table.notes == ()
    assert len(list(table)) == 3
    unused, chosen = table.notes
    assert unused.startswith("rows whose last columns of choices hold the same word (")
    assert unused.endswith(": 1")
    assert chosen.endswith("if that means nothing, leave the cell empty: 1")
