"""Tables in one file or several; what their rows mean is in ``test_table_source``."""

from pathlib import Path

import pytest

from medix.data.sources.csv_file import CsvSource
from medix.data.sources.jsonl import JsonlSource
from medix.data.sources.parquet import ParquetSource
from medix.data.sources.table_file import TableError
from tests.support.sources import samples
from tests.support.tables import jsonl, parquet


def test_the_files_of_a_folder_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    for number in (2, 1):
        (tmp_path / f"part-{number}.csv").write_text(f"question,answer\nq{number},a\n")
    (tmp_path / "._part-1.csv").write_bytes(b"\0\5\x16\7")  # as macOS writes beside it
    source = CsvSource(tmp_path)
    assert [sample.question for sample in samples(source)] == ["q1", "q2"]
    (tmp_path / "part-3.csv").write_text("question,answer,more\nq,a,b\n")
    with pytest.raises(TableError, match=r"part-3.csv: has other columns than .*part-1.csv \(more\)"):
        samples(CsvSource(tmp_path))


def test_names_may_be_in_capitals(tmp_path: Path) -> None:
    (tmp_path / "ROWS.CSV").write_text("question,answer\nq,a\n")
    (tmp_path / "MORE.Tsv").write_text("question\tanswer\nr\ta\n")
    parquet(tmp_path / "A.PARQUET", [{"question": "p", "answer": "a"}])
    for source in (CsvSource(tmp_path), CsvSource(tmp_path / "ROWS.CSV"), ParquetSource(tmp_path / "A.PARQUET")):
        assert samples(source)[-1].question == ("p" if isinstance(source, ParquetSource) else "q")
    assert [one.question for one in samples(CsvSource(tmp_path))] == ["r", "q"]
    assert samples(JsonlSource(jsonl(tmp_path / "R.JSONL", [{"question": "j", "answer": "a"}])))[0].question == "j"


@pytest.mark.parametrize(
    "names", [("train-0.parquet", "test-0.parquet"), ("a/train.parquet", "a/validation/0.parquet")]
)
def test_files_of_several_splits_are_not_mixed(tmp_path: Path, names: tuple[str, str]) -> None:
    for name in names:
        parquet(tmp_path / name, [{"question": "q", "answer": "a"}])
    with pytest.raises(TableError, match=r"holds files of several splits \((test|train), (train|val)\)"):
        samples(ParquetSource(tmp_path))


def test_what_is_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("question,answer\n")
    for name in ("a.csv.GZ", "a.zip"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for path, told in (
        ("none.parquet", "there is no such file"),
        ("a.csv", r"does not end in \.parquet; give the kind that it is by --from, or rename it"),
        ("a.csv.GZ", r"does not end in \.parquet; unpack it: gunzip"),
        ("a.zip", r"does not end in \.parquet; unpack it: unzip"),
        ("empty", r"the folder holds no file that ends in \.parquet"),
    ):
        with pytest.raises(TableError, match=f"--from parquet .*{told}"):
            samples(ParquetSource(tmp_path / path))
