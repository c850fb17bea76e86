"""Rows of files, and files that are not what their name says."""

import csv
import gzip
from pathlib import Path

import datasets
import pytest

from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError, TableFile, TextRow, whole
from tests.support.tables import image, jsonl, parquet


def rows(path: Path) -> list[tuple[int, dict]]:
    return [(number, dict(row)) for number, row in TableFile(path)]


def test_labels_of_a_parquet_file_are_numbers_with_names(tmp_path: Path) -> None:
    picture, labels = image(), datasets.ClassLabel(names=["no", "yes"])
    table = parquet(
        tmp_path / "t.parquet",
        [
            {"answer": 1, "found": [1, 0], "meta": {"label": 1}, "image": {"bytes": picture, "path": "a.png"}},
            {"answer": -1, "found": None, "meta": {"label": 0}, "image": None},
        ],
        answer=labels,
        found=datasets.List(labels),
        meta={"label": labels},
        image=datasets.Image(),
    )
    (_, first), (_, second) = rows(table)
    assert (int(first["answer"]), first["answer"].name) == (1, "yes")
    assert (int(second["answer"]), second["answer"].name) == (-1, "")
    assert first["image"] == {"bytes": picture, "path": "a.png"}
    assert ([one.name for one in first["found"]], first["meta"]["label"].name) == (["yes", "no"], "yes")
    assert second["found"] is None
    assert TableFile(table).columns == ("answer", "found", "meta", "image")
    some = list(TableFile(table).some(["answer", "meta.label", "absent"]))
    assert [(list(row), row["meta"]["label"].name) for row in some] == [
        (["answer", "meta"], one) for one in ("yes", "no")
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".csv", ".tsv"])
def test_text_is_utf8_with_or_without_a_mark_and_lines_end_at_line_feeds_only(tmp_path: Path, suffix: str) -> None:
    path, text = tmp_path / f"t{suffix}", "左\u2028肺, “5 µg”"
    if suffix.startswith(".jsonl"):
        data = f'\ufeff{{"q": "{text}"}}\r\n\n{{"q": "b"}}'.encode()
        path.write_bytes(gzip.compress(data) if suffix.endswith("gz") else data)
    else:
        with open(path, "w", encoding="utf-8-sig", newline="") as stream:
            csv.writer(stream, delimiter="\t" if suffix == ".tsv" else ",").writerows([["q"], [text], ["b"]])
    assert [row["q"] for _, row in rows(path)] == [text, "b"]


@pytest.mark.parametrize("text", ['\ufeff [\n {"q": "é\u2028"},\n {"q": "b"}]', '{"q": "é\u2028"}\n{"q": "b"}\n'])
def test_a_json_file_is_one_list_or_lines(tmp_path: Path, text: str) -> None:
    (tmp_path / "test.json").write_text(text, encoding="utf-8")
    assert rows(tmp_path / "test.json") == [(1, {"q": "é\u2028"}), (2, {"q": "b"})]
    assert TableFile(tmp_path / "test.json").columns is None


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("t.xlsx", b"PK\x03\x04", "is no table that is read; give one of .parquet, .jsonl"),
        ("t.jsonl", b"PAR1....", "this is Parquet, not JSON lines"),
        ("t.jsonl", gzip.compress(b"{}", mtime=0), "compressed with gzip, not JSON lines; unpack it"),
        ("t.jsonl.gz", b"{}\n", "is damaged (Not a gzipped file"),
        ("t.jsonl.gz", gzip.compress(b'{"a": 1}\n', mtime=0)[:-6], "is damaged (Compressed file ended"),
        ("t.parquet", b"{}\n", "is no complete Parquet file"),
        ("t.jsonl", b'{"a": 1}\n{"a": ', "line 2: cannot be read"),
        ("t.jsonl", b'{"a": 1, "a": 2}\n', "line 1: cannot be read (the key 'a' stands twice"),
        ("t.jsonl", b"[1]\n", "line 1: cannot be read (it is a list; write one object per line)"),
        ("t.jsonl", '{"a": "é"}\n'.encode("cp1252"), "line 1: cannot be read (it is not UTF-8"),
        ("t.jsonl", b'[{"a": 1}]', "this is one JSON list, not JSON lines"),
        ("t.json", b'[{"a": 1}, 2]', "row 2: it is a int; write a list of objects"),
        ("t.json", b'[{"a": 1},', "cannot be read (Expecting value"),
        ("t.json", b'[{"a": 1, "a": 2}]', "cannot be read (the key 'a' stands twice"),
        ("t.json", '[{"a": "é"}]'.encode("cp1252"), "cannot be read (it is not UTF-8"),
        ("t.json", '[{"a": 1}]'.encode("utf-16")[:-1], "cannot be read ('utf-16"),
        ("t.json", b'{"1": {\n"a": 1}}', "line 1: cannot be read"),
        (
            "t.csv",
            "a,b\n1,2\né,3\n".encode("cp1252"),
            "row 2: a: '\\udce9'; it is not UTF-8 (in Windows-1252 it is 'é'); save the",
        ),
        ("t.csv", "é,b\n1,2\n".encode("cp1252"), "line 1: it is not UTF-8 (in Windows-1252 it is 'é'); save the"),
        ("t.csv", "a,b\n1,2\n".encode("utf-16")[:-1], "is not utf-16"),
        ("t.csv", b"a;b\n1;2\n", "line 1: the columns are separated by ';', not by ','; save the file with ','"),
        ("t.csv", b"a,b\n1\n", "row 1: row: '1'; has 1 fields, the header has 2"),
        ("t.csv", b"a,a\n1,2\n", "the columns a stand twice"),
        ("t.csv", b'a\n"1\n', "is not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(TableError) as caught:
        rows(tmp_path / name)
    assert told in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.jsonl: cannot be opened \(No such file"):
        rows(tmp_path / "none.jsonl")


def test_a_damaged_page_of_a_parquet_file_names_the_row_before_it(tmp_path: Path) -> None:
    path = parquet(tmp_path / "t.parquet", [{"a": "x" * 100 + str(number)} for number in range(3000)])
    data = bytearray(path.read_bytes())
    data[200:2000] = b"\xff" * 1800
    path.write_bytes(data)
    with pytest.raises(TableError, match=r"cannot be read after row"):
        rows(path)


def test_jsonl_has_no_columns_of_its_own(tmp_path: Path) -> None:
    assert TableFile(jsonl(tmp_path / "t.jsonl", [{"a": 1}])).columns is None


@pytest.mark.parametrize("blank", ["", ",", " , ", ",,,,", '"",""'])
def test_a_line_of_commas_alone_is_blank(tmp_path: Path, blank: str) -> None:
    """Spreadsheets write them below a table; rows keep the numbers that they have there."""
    (tmp_path / "t.csv").write_text(f"a,b\n1,2\n{blank}\n3,\n{blank}\n")
    assert rows(tmp_path / "t.csv") == [(1, {"a": "1", "b": "2"}), (3, {"a": "3", "b": ""})]


def test_faulty_rows_of_csv_are_errors_between_the_others(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b"a\tb\n1\n\xff\t2\n3\t4\n")
    (_, short), (_, undecoded), (number, row) = TableFile(tmp_path / "t.tsv").checked_rows()
    assert isinstance(short, RowError)
    assert isinstance(undecoded, RowError)
    assert (short.value, short.kind, undecoded.key, undecoded.kind) == ("1", "fields", "a", "encoding")
    assert (number, row) == (3, {"a": "3", "b": "4"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [("11.0", "11"), (" 11.0 ", "11"), ("-3.0", "-3"), ("11", "11"), ("11.00", "11.00"), ("11.5", "11.5"),
     ("P11.0", "P11.0"), ("1.2.840.0", "1.2.840.0"), ("٣.0", "٣.0"), ("", ""),
     ("11.0\u200b", "11")],
)  # fmt: skip
def test_whole_numbers_have_no_point_in_rows_of_texts(text: str, expected: str) -> None:
    assert whole(TextRow(a=text), text) == expected
    assert whole({"a": text}, text) == text


def test_columns_without_a_name_are_passed_over(tmp_path: Path) -> None:
    """pandas writes its index so, and spreadsheets empty columns behind the last."""
    (tmp_path / "t.csv").write_text(",id,question,, \n0,1,q,,x\n")
    assert TableFile(tmp_path / "t.csv").columns == ("id", "question")
    assert rows(tmp_path / "t.csv") == [(1, {"id": "1", "question": "q"})]
