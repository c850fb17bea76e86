"""Questions on DICOM images in a table."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from medix.data.sources.class_label import Label
from medix.data.sources.csv_file import CsvSource
from medix.data.sources.dicom_questions import DicomQuestion, DicomQuestions, _patient, table_of
from medix.data.sources.jsonl import JsonlSource
from medix.data.sources.parquet import ParquetSource
from medix.data.sources.source import RowError
from medix.data.sources.table_file import SUFFIXES, TableError, TextRow
from medix.data.sources.table_schema import Columns, TableData
from medix.data.sources.table_source import Reading, TableSource


def read(table: TableSource) -> list[DicomQuestion | tuple[str, RowError]]:
    return list(DicomQuestions(table))


def test_a_table_by_its_usual_columns(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text('id,image,question,answer,case,patient_name\nq1,"[""a"", ""1.2.3""]",What?,CT,c1,Doe\n')
    (found,) = read(CsvSource(path))
    assert isinstance(found, DicomQuestion)
    assert (found.where, found.names) == (f"{path}, row 1", ("a", "1.2.3"))
    sample = found.sample
    assert (sample.id, sample.question, sample.reference, sample.case) == ("q1", "What?", "CT", "c1")
    assert (sample.images, sample.metadata) == ((), {}), "columns without a meaning are dropped"


def test_the_layout_of_the_public_data_with_a_tag(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"image": ["a"], "problem": "<image>What?", "solution": "<CT_SCAN>\\na node"}\n')
    (found,) = read(JsonlSource(path))
    assert isinstance(found, DicomQuestion)
    assert (found.sample.modality, found.sample.reference) == ("CT_SCAN", "a node")


def test_columns_of_a_schema(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("SeriesInstanceUID,ask,truth\n1.2.3,What?,CT\n")
    columns = Columns(question="ask", answer="truth", images=["SeriesInstanceUID"])
    (found,) = read(CsvSource(path, Reading(TableData(columns, image_folder="scans", image_suffix=".dcm"))))
    assert isinstance(found, DicomQuestion)
    assert found.names == ("scans/1.2.3.dcm",)


def test_rows_that_are_no_questions_have_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("image,question,answer\n,What?,CT\na,,CT\na,What?,\na,What?,CT\n")
    *faults, last = read(CsvSource(path))
    told = [str(found[1]) for found in faults if isinstance(found, tuple)]
    assert [text.partition(":")[0] for text in told] == ["image", "question", "answer"]
    assert "name the file, the folder or the SeriesInstanceUID" in told[0]
    assert isinstance(last, DicomQuestion)


def test_a_table_without_images(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("question,answer\nWhat?,CT\n")
    with pytest.raises(TableError, match="no column names images; call one image"):
        read(CsvSource(path))


def test_kinds_of_tables() -> None:
    found = {suffix: table_of(Path(f"Q{suffix.upper()}")) for suffix in SUFFIXES}
    assert found == {
        ".csv": CsvSource, ".tsv": CsvSource, ".parquet": ParquetSource, ".json": JsonlSource, ".jsonl": JsonlSource,
        ".jsonl.gz": JsonlSource,
    }  # fmt: skip
    assert table_of(Path("q.dcm")) is None


@pytest.mark.parametrize("name", ["q.json", "list.json", "q.jsonl.gz"])
def test_questions_as_lines_as_one_list_and_compressed(tmp_path: Path, name: str) -> None:
    rows = [{"image": "a.dcm", "question": "What?", "answer": "CT"}, {"image": "b.dcm", "question": "Q", "answer": "r"}]
    text = json.dumps(rows) if name == "list.json" else "".join(f"{json.dumps(row)}\n" for row in rows)
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    kind = table_of(path)
    assert kind is not None
    found = read(kind(path))
    assert [one.names for one in found if isinstance(one, DicomQuestion)] == [("a.dcm",), ("b.dcm",)]
    assert kind(path).total() == 2
    if name.endswith(".gz"):
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(TableError, match=r"q.jsonl.gz: is damaged .*; fetch it again"):
            read(kind(path))


@pytest.mark.parametrize(
    ("cell", "patient"),
    [
        (101, "101"),
        (101.0, "101"),  # pandas makes a column of whole numbers with one gap one of floats
        ("101", "101"),
        (Label(1, ("P6", "P7")), "P7"),
        (math.nan, ""),
        (None, ""),
        (True, ""),
        (["a"], ""),
    ],
)
def test_a_patient_is_the_same_in_whatever_type_of_column(cell: Any, patient: str) -> None:
    assert _patient({"patient_id": cell}) == patient
    assert _patient({"patient": None, "patient_id": cell}) == patient
    assert _patient(TextRow(patient_id="101.0")) == "101"
    assert _patient({"case": cell}) is None
