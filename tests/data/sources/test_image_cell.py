"""Images of cells, in each way in which they are named or held; none that is filled is taken for an empty one."""

import base64
import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medix.data.sources.csv_file import CsvSource
from medix.data.sources.jsonl import JsonlSource
from medix.data.sources.llava import LlavaSource
from medix.data.sources.parquet import ParquetSource
from medix.data.sources.table import Table
from medix.data.sources.table_row import TableRow
from medix.data.sources.table_schema import Columns, TableData
from medix.data.sources.table_source import Reading
from tests.support.sources import faults, samples
from tests.support.tables import image, jsonl, parquet

DATA, OTHER = image(seed=1), image(seed=2)
TEXT = base64.b64encode(DATA).decode()
URL = f"data:image/png;base64,{TEXT}"
COLUMNS = Columns(question="q", answer="a", images=["picture"])


def write(folder: Path, kind: str, cell: Any) -> Path:
    """A table of one row with a cell of an image; objects and lists are texts in CSV, as pandas writes them."""
    (folder / "x.png").write_bytes(OTHER)
    row = {"q": "Which?", "a": "left", "picture": cell}
    path = folder / f"t.{kind}"
    if kind == "parquet":
        return parquet(path, [row])
    if kind == "jsonl":
        return jsonl(path, [row])
    with open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, row)
        writer.writeheader()
        writer.writerow(row)
    return path


def read(folder: Path, kind: str, cell: Any) -> TableRow:
    write(folder, kind, cell)
    (found,) = Table(TableData(COLUMNS, local=[f"t.{kind}"]), "t", folder)
    return found


SOURCES = {"jsonl": JsonlSource, "csv": CsvSource, "parquet": ParquetSource}


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize(
    ("cell", "held"),
    [
        (TEXT, [DATA]),
        (URL, [DATA]),
        ({"bytes": TEXT, "path": None}, [DATA]),
        ({"bytes": TEXT, "path": "x.png"}, [DATA]),
        ({"bytes": URL, "path": ""}, [DATA]),
        ({"bytes": None, "path": "x.png"}, [OTHER]),
        ([TEXT, TEXT], [DATA, DATA]),
        ([{"bytes": TEXT, "path": None}, {"bytes": TEXT, "path": "x.png"}], [DATA, DATA]),
        (["x.png", TEXT], [OTHER, DATA]),
        ("x.png", [OTHER]),
        ({"bytes": None, "path": None}, []),
    ],
)
def test_tasks_and_builds_read_the_same_images(tmp_path: Path, kind: str, cell: Any, held: list[bytes]) -> None:
    assert [one.data for one in read(tmp_path, kind, cell).images] == held
    source = SOURCES[kind](tmp_path / f"t.{kind}", Reading(TableData(COLUMNS), modality_column=""))
    (found,) = samples(source)
    assert list(found.images) == held
    source.fingerprint()


def test_bytes_as_pandas_writes_them_into_csv_are_read(tmp_path: Path) -> None:
    for cell in (DATA, {"bytes": DATA, "path": None}, [{"bytes": DATA, "path": "x.png"}]):
        assert [one.data for one in read(tmp_path, "csv", cell).images] == [DATA]
    for pair in ([DATA, OTHER], [{"bytes": DATA, "path": None}, {"bytes": OTHER, "path": "x.png"}]):
        written = str(np.array(pair, dtype=object))
        assert [one.data for one in read(tmp_path, "csv", written).images] == [DATA, OTHER]


def test_bytes_beside_bytes_are_never_one_image(tmp_path: Path) -> None:
    for cell in (f"{DATA!r} {OTHER!r}", f"[{DATA!r}, {DATA!r} {OTHER!r}]", f"{{'bytes': {DATA!r} {OTHER!r}}}"):
        (found,) = read(tmp_path, "csv", cell).images
        assert found.data == b""
        assert "it has no comma between some" in found.fault or "neither a file name nor an image" in found.fault


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        *((kind, cell) for kind in ("jsonl", "csv") for cell in
          ("The heart is small. " * 200, {"url": TEXT}, {"bytes": None, "url": "x"}, {"bytes": [1] * 900})),
        *(("jsonl", cell) for cell in ({"bytes": 3}, [[TEXT]], 3.5, True)),
    ],
)  # fmt: skip
def test_a_filled_cell_that_is_not_understood_is_a_fault_of_its_row_with_column_and_what_was_found(
    tmp_path: Path, kind: str, cell: Any
) -> None:
    (found,) = read(tmp_path, kind, cell).images
    assert found.data == b""
    assert found.fault.startswith("column picture: ")
    assert "give a file name, base64" in found.fault
    assert len(found.fault) < 400
    (told,) = faults(SOURCES[kind](tmp_path / f"t.{kind}", Reading(TableData(COLUMNS))))
    assert "picture" in told
    assert len(told) < 400


@pytest.mark.parametrize(
    "cell", [TEXT[:-9] + "@", f"{URL}@", {"bytes": TEXT[:401], "path": None}, {"bytes": "@" * 900}]
)
def test_base64_that_is_damaged_is_the_fault_of_its_row_and_not_printed(tmp_path: Path, cell: Any) -> None:
    (found,) = read(tmp_path, "jsonl", cell).images
    assert found.data == b""
    assert found.fault.startswith("column picture: ")
    assert "is no base64" in found.fault
    assert len(found.fault) < 250
    (told,) = faults(JsonlSource(tmp_path / "t.jsonl", Reading(TableData(COLUMNS))))
    assert "is no base64" in told
    assert len(told) < 500


def test_an_image_in_quotes_is_no_name_to_repeat_in_full(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "jsonl", json.dumps(TEXT * 9)[:900]).images
    assert len(found.fault) < 250


def test_conversations_hold_images_in_the_same_ways(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "<image>Which?"}, {"from": "gpt", "value": "left"}]
    path = tmp_path / "rows.jsonl"
    for given, held in ((TEXT, DATA), (URL, DATA)):
        path.write_text(json.dumps({"image": given, "conversations": turns}))
        (found,) = samples(LlavaSource(path, Reading()))
        assert found.images == (held,)
    path.write_text(json.dumps({"image": "data:image/png,x", "conversations": turns}))
    (told,) = faults(LlavaSource(path, Reading()))
    assert "is no base64" in told
