from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from medix.data.sources.csv_file import CsvSource
from medix.data.sources.parquet import ParquetSource
from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError
from medix.data.sources.table_source import Reading
from medix.types import Sample
from tests.data.conftest import picture
from tests.support.sources import faults, results, samples
from tests.support.tables import parquet


def test_images_are_names_or_lists_of_names(tmp_path: Path) -> None:
    for name in ("a.png", "b, c.png"):
        (tmp_path / name).write_bytes(picture(len(name)))
    text = 'id,image,question,answer\n1,a.png,q1,x\n2,"[""a.png"", ""b, c.png""]",q2,y\n3,"[\'a.png\']",q3,z\n4,,q4,t\n'
    (tmp_path / "rows.csv").write_text(text)
    found = samples(CsvSource(tmp_path / "rows.csv"))
    assert [len(sample.images) for sample in found] == [1, 2, 1, 0]
    assert found[1].images == (picture(5), picture(8))


def test_answers_and_synonyms_may_be_lists_with_a_text_but_not_numbers_in_brackets(tmp_path: Path) -> None:
    text = (
        'question,answer,aliases\nq1,"[""lung"", ""the lung""]","[\'left lung\', \'Lung\']"\n'
        'q2,"[0.1, 0.2]",\nq3,[18F]FDG,[x\nq4,"[""a"", 1, null]",[]\nq5,[\'left\' None],[nan]\n'
    )
    (tmp_path / "rows.csv").write_text(text)
    assert [(one.reference, one.aliases) for one in samples(CsvSource(tmp_path / "rows.csv"))] == [
        ("lung", ("the lung", "left lung", "Lung")), ("[0.1, 0.2]", ()), ("[18F]FDG", ("[x",)), ("a", ("1",)),
        ("left", ()),
    ]  # fmt: skip


def test_tabs_and_faulty_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("question\tanswer\timage\nq\t\t\n\ta\t\nq\ta\tgone.png\nq\ta\t[gone\n")
    told = faults(CsvSource(tmp_path / "rows.tsv"))
    assert [one.partition("rows.tsv, ")[2][:30] for one in told] == [
        "row 1: answer: None; give the ", "row 2: question: ''; give the ",
        "row 3: image: 'gone.png'; ther", "row 4: image: '[gone'; there i",
    ]  # fmt: skip
    for nothing in ("", "\n\n"):
        (tmp_path / "bad.csv").write_text(nothing)
        with pytest.raises(TableError, match=r"bad\.csv: it is empty; give a table with named columns"):
            samples(CsvSource(tmp_path / "bad.csv"))
    with pytest.raises(TableError, match=r"there is no column 'view' \(--modality-column\); its columns are"):
        samples(CsvSource(tmp_path / "rows.tsv", Reading(modality_column="view")))


def test_a_row_of_another_encoding_or_length_is_faulty_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"question,answer\nq,left\nq,caf\xe9\nq,a,b\n\nq\nq,right\n")
    found = results(CsvSource(tmp_path / "rows.csv"))
    assert [one.reference for _, one in found if isinstance(one, Sample)] == ["left", "right"]
    told = [f"{where}: {one}".partition("rows.csv, ")[2] for where, one in found if isinstance(one, RowError)]
    assert told[0].startswith("row 2: answer: 'caf\\udce9'; it is not UTF-8 (in Windows-1252 it is 'café'); save the")
    assert told[1].startswith("row 3: row: 'q,a,b'; has 3 fields, the header has 2; put fields with a comma")
    assert told[2].startswith("row 5: row: 'q'; has 1 fields")
    assert len(told) == 3


def test_lists_of_a_parquet_file_are_the_same_in_the_csv_that_pandas_writes(tmp_path: Path) -> None:
    rows = [
        {"question": f"q{number}", "answer": ["left", "left side"], "choices": ["left", "it's right", "x" * 90]}
        for number in range(2)
    ]
    parquet(tmp_path / "t.parquet", rows)
    pd.read_parquet(tmp_path / "t.parquet").to_csv(tmp_path / "t.csv", index=False)
    assert "['left' 'left side']" in (tmp_path / "t.csv").read_text()
    found, same = samples(CsvSource(tmp_path / "t.csv")), samples(ParquetSource(tmp_path / "t.parquet"))
    assert [(one.reference, one.aliases) for one in found] == 2 * [("left", ("left side",))]
    assert [one.question for one in found] == [one.question for one in same]


def test_words_for_nothing_in_columns_of_choices_are_counted_and_shown(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "question,A,B,C,D,answer\nq1,x,y,z,None,B\nq2,x,y,z,None,D\nq3,x,y,NA,NA,A\nq4,x,y,,,B\nq5,x,y,z,NA,NA\n"
    )
    source = CsvSource(tmp_path / "t.csv")
    counts: Counter[str] = Counter()
    for row in list(source.rows())[:4]:
        found = source.sample(row)
        counts += source.counts
        source.counts.clear()
        assert found.question.endswith("D. None" if found.question < "q3" else "B. y")
    told = "\n".join(source.notes(counts))
    assert "rows whose last columns of choices hold the same word (<NA>, NA, NULL, NaN, None, nan, null), which" in told
    assert "are no choices of them: 1\n" in told
    assert "null; if that means nothing, leave the cell empty: 2" in told
    assert faults(source)[-1].endswith(
        "row 5: answer: 'NA'; it stands for nothing in CSV; give the reference, a choice by its number or letter"
    )
    assert "words" not in "".join(source.notes(Counter()))


def test_metadata_of_an_image_folder_names_its_images_by_file_name(tmp_path: Path) -> None:
    """What ``--from hub`` says to do with such a folder."""
    (tmp_path / "metadata.csv").write_text("file_name,question,answer,modality\na.png,q?,007,CT_SCAN\n")
    (tmp_path / "a.png").write_bytes(picture(1))
    for path in (tmp_path / "metadata.csv", tmp_path):
        (found,) = samples(CsvSource(path))
        assert (found.reference, found.images) == ("007", (picture(1),))
