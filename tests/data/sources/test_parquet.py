"""The public columns, with lists of images of any mode, as a hub's files hold them."""

import math
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet
import pytest

from medix.data.picture import PictureReader
from medix.data.sources.parquet import ParquetSource
from medix.data.sources.table_file import TableError
from medix.data.sources.table_source import Reading
from tests.support.sources import faults, samples
from tests.support.tables import image, parquet

IMAGES = datasets.List(datasets.Image())


def held(*kinds: str) -> list[dict[str, object]]:
    forms = {"CMYK": "JPEG"}
    return [{"bytes": image(kind, form=forms.get(kind, "PNG")), "path": None} for kind in kinds]


def test_the_public_training_data_is_read_as_it_is(tmp_path: Path) -> None:
    rows = [
        {
            "id": 7,
            "image": held("RGBA", "P"),
            "source": "slake",
            "problem": "q",
            "solution": "<CT_SCAN>\na",
            "note": 1.5,
        },
        {"id": 8, "image": held("CMYK"), "source": "rad", "problem": "q", "solution": "<X_RAY>\nb", "note": None},
        {"id": 9, "image": [], "source": "text", "problem": "q", "solution": "c", "note": None},
    ]
    parquet(tmp_path / "train-0.parquet", rows, image=IMAGES)
    source = ParquetSource(tmp_path)
    found = samples(source)
    assert source.total() == 3
    assert [(one.id, one.modality, one.reference, one.source) for one in found] == [
        ("7", "CT_SCAN", "a", "slake"), ("8", "X_RAY", "b", "rad"), ("9", None, "c", "text"),
    ]  # fmt: skip
    assert found[0].images == tuple(one["bytes"] for one in rows[0]["image"])  # type: ignore[attr-defined]
    assert [one.metadata for one in found] == [{"note": "1.5"}, {}, {}]
    assert {PictureReader().read(data).mode for one in found for data in one.images} == {"RGB"}
    assert source.notes(source.counts) == [
        "columns (MBZUAI/medix-rl-data): question: problem, answer: solution, id: id, images: image, source: source",
        "rows without an image, which became text-only samples: 1",  # the last of three
    ]


def test_rows_without_ids_are_known_by_their_content(tmp_path: Path) -> None:
    rows = [{"image": held("L")[0], "question": "is it normal", "answer": answer} for answer in ("no", "yes", "no")]
    source = ParquetSource(parquet(tmp_path / "a.parquet", rows, image=datasets.Image()))
    first, second, third = samples(source)
    assert not source.has_ids
    assert first.id == third.id != second.id
    assert first.modality is None


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": None}, "question: ''; give the question"),
        ({"answer": None}, "answer: None; give the reference"),
        ({"answer": math.nan}, "answer: None; give the reference"),
        ({"answer": {"a": "b"}}, "answer: {'a': 'b'}; a dict is no text"),
        ({"image": 3}, "image: 3; give a file name, base64, a data: address"),
        ({"image": b"none"}, "image: 'image'; an image of 4 bytes cannot be decoded"),
    ],
)
def test_nulls_and_other_types_are_faults_of_their_rows(tmp_path: Path, row: dict[str, Any], told: str) -> None:
    good = {"image": image(), "question": "q", "answer": "a"}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([good | row]), tmp_path / "a.parquet")
    (found,) = faults(ParquetSource(tmp_path / "a.parquet"))
    assert told in found


def test_a_file_that_is_none_and_columns_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PK\x03\x04" + bytes(50))
    with pytest.raises(TableError, match="is no complete Parquet file"):
        samples(ParquetSource(tmp_path / "a.parquet"))
    parquet(tmp_path / "b.parquet", [{"text": "x", "label": 1}])
    with pytest.raises(
        TableError, match="its columns are text, label, which is no layout that is recognised; state with"
    ):
        samples(ParquetSource(tmp_path / "b.parquet"))
    asked = ParquetSource(tmp_path / "b.parquet", Reading(question="Which?", answer_from="labl"))
    with pytest.raises(TableError, match=r"there is no column 'labl' \(--answer-from\); its columns are text, label"):
        samples(asked)


@pytest.mark.parametrize("is_list", [False, True])
def test_images_in_files_beside_the_table_count_in_the_fingerprint(tmp_path: Path, is_list: bool) -> None:
    """Also if the first rows have no image, or one that lies in the table."""
    cells = [None, {"bytes": image(), "path": "inside.png"}, {"bytes": None, "path": "img/a.png"}]
    rows = [
        {"question": f"q{place}", "answer": "a", "image": [cell] if is_list and cell else [] if is_list else cell}
        for place, cell in enumerate(cells)
    ]
    file = parquet(tmp_path / "in" / "a.parquet", rows, image=IMAGES if is_list else datasets.Image())
    (tmp_path / "in" / "img").mkdir()
    (tmp_path / "in" / "img" / "a.png").write_bytes(image(seed=1))
    assert [len(one.images) for one in samples(ParquetSource(file))] == [0, 1, 1]
    before = ParquetSource(file).fingerprint()
    assert ParquetSource(file).fingerprint() == before
    (tmp_path / "in" / "img" / "a.png").write_bytes(image(seed=2, size=30))
    assert ParquetSource(file).fingerprint() != before
