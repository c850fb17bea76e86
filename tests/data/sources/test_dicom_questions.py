"""Questions on DICOM images in a table."""

from pathlib import Path

import pytest

from medix.data.sources.csv_file import CsvSource
from medix.data.sources.dicom_questions import DicomQuestion, DicomQuestions, table_of
from medix.data.sources.jsonl import JsonlSource
from medix.data.sources.parquet import ParquetSource
from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError
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
    names = ("q.csv", "q.tsv", "q.jsonl", "q.parquet", "q.dcm")
    assert [table_of(Path(name)) for name in names] == [CsvSource, CsvSource, JsonlSource, ParquetSource, None]
