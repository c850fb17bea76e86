from pathlib import Path

import pytest

from medix.data.sources.csv_file import CsvSource
from medix.data.sources.table_file import TableError
from medix.data.sources.table_source import Reading
from tests.data.conftest import picture
from tests.support.sources import faults, samples


def test_images_are_names_or_lists_of_names(tmp_path: Path) -> None:
    for name in ("a.png", "b, c.png"):
        (tmp_path / name).write_bytes(picture(len(name)))
    text = 'id,image,question,answer\n1,a.png,q1,x\n2,"[""a.png"", ""b, c.png""]",q2,y\n3,"[\'a.png\']",q3,z\n4,,q4,t\n'
    (tmp_path / "rows.csv").write_text(text)
    found = samples(CsvSource(tmp_path / "rows.csv"))
    assert [len(sample.images) for sample in found] == [1, 2, 1, 0]
    assert found[1].images == (picture(5), picture(8))


def test_tabs_and_faulty_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("question\tanswer\timage\nq\t\t\n\ta\t\nq\ta\tgone.png\nq\ta\t[gone\n")
    told = faults(CsvSource(tmp_path / "rows.tsv"))
    assert [one.partition("rows.tsv, ")[2][:30] for one in told] == [
        "row 1: answer: None; give the ", "row 2: question: ''; give the ",
        "row 3: image: 'gone.png'; the ", "row 4: image: '[gone'; the ima",
    ]  # fmt: skip
    (tmp_path / "bad.csv").write_text("question,answer\nq,a,b\n")
    with pytest.raises(TableError, match="row 1: has 3 fields, the header has 2"):
        samples(CsvSource(tmp_path / "bad.csv"))
    with pytest.raises(TableError, match=r"there is no column 'view' \(--modality-column\); its columns are"):
        samples(CsvSource(tmp_path / "rows.tsv", Reading(modality_column="view")))
