"""Images beside a table and in archives."""

import zipfile
from pathlib import Path
from typing import Any

import pytest

from medix.data.sources import table_hub
from medix.data.sources.table import Table
from medix.data.sources.table_schema import Columns, TableData
from tests.support.tables import image, parquet
from tests.support.tables import row_of as row


def test_images_are_bytes_names_or_lists_and_empty_cells_are_counted(tmp_path: Path) -> None:
    inside = image(seed=1)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "b.png").write_bytes(image(seed=2))
    cells = [{"bytes": inside, "path": None}, None, {"bytes": None, "path": "b"}, {"bytes": None, "path": "none"}]
    parquet(tmp_path / "t.parquet", [{"a": "x", **{f"i{place}": cell for place, cell in enumerate(cells)}}])
    columns = Columns(answer="a", images=[f"i{place}" for place in range(4)])
    (found,) = Table(TableData(columns, image_folder="pictures", image_suffix=".png"), "t", tmp_path)
    assert [(one.number, one.name, one.data) for one in found.images] == [
        (1, "i0", inside), (3, "b.png", image(seed=2)), (4, "none.png", b""),
    ]  # fmt: skip
    assert "none.png cannot be read (No such file" in found.images[2].fault
    listed = row(tmp_path / "pictures", {"a": "x", "n": ["b.png", "b.png"]}, Columns(answer="a", images=["n"]))
    assert [one.number for one in listed.images] == [1, 2]


def test_images_of_a_hub_may_lie_in_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "imgs.zip", "w") as archive:
        archive.writestr("imgs/x/1.jpg", image(seed=3))

    def rows(self: table_hub.HubTable) -> Any:
        for number, name in enumerate(("x/1.jpg", "x/2.jpg"), start=1):
            yield "hub", number, {"a": "x", "i": name}

    monkeypatch.setattr(table_hub.HubTable, "__iter__", rows)
    data = TableData(
        Columns(answer="a", images=["i"]), hub=str(tmp_path), image_folder="imgs", image_archive="imgs.zip"
    )
    first, second = Table(data, "t")
    assert first.images[0].data == image(seed=3)
    assert "x/2.jpg cannot be read" in second.images[0].fault
