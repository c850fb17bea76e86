"""Images beside a table and in archives."""

import os
import zipfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from medix.data.sources import table_hub, table_images
from medix.data.sources.table import Table
from medix.data.sources.table_images import ImageFiles, holds_image
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


def test_names_are_relative_to_the_table_or_else_to_the_root(tmp_path: Path) -> None:
    table, root = tmp_path / "annotations", tmp_path / "images"
    paths = (table / "both.png", root / "both.png", root / "below" / "a.png", tmp_path / "c.png")
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes([number]))
    files = ImageFiles(TableData(Columns(answer="a")), table, ExitStack(), root=root)
    assert files.read("below/a.png").data == bytes([2])
    assert files.read("../images/below/a.png").data == bytes([2])
    assert files.read("both.png").data == bytes([1])  # that beside the table is outside of the root
    wide = ImageFiles(TableData(Columns(answer="a")), table, ExitStack(), root=tmp_path)
    assert [wide.read(name).data[0] for name in ("both.png", "images/both.png", "c.png")] == [0, 1, 3]
    missing = files.read("none.png")
    told = f"there is no {table / 'none.png'}, nor one in {root}; correct the name, or give the folder"
    assert missing.fault.startswith(told)
    assert not missing.is_outside
    assert wide.read("none.png").fault.startswith(f"there is no {table / 'none.png'}, nor one in {tmp_path}; correct")
    own = ImageFiles(TableData(Columns(answer="a")), table, ExitStack(), root=table)
    assert own.read("none.png").fault.startswith(f"there is no {table / 'none.png'}; correct the name")
    assert files.read("../c.png").is_outside
    for name in ("x" * 300, "nul\0.png"):
        assert files.path(name) == table / name
        assert files.read(name).fault


def test_a_pipe_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    """Reading one would wait for a writer for ever; a folder is told in the same words."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    for root in (tmp_path, None):
        files = ImageFiles(TableData(Columns(answer="a")), tmp_path, ExitStack(), root=root)
        for name in ("pipe.png", "folder.png"):
            told = f"the image {name} cannot be read (it is no file, but a folder, a pipe or a device)"
            assert files.read(name).fault == told


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        ("scans/a b.PNG", True), ("https://x.org/a.jpeg", True), (["", "a.tif"], True), ({"path": "a.dcm"}, True),
        ({"bytes": image(seed=1), "path": None}, True), (image(seed=1), True), ("png", False), (".png", False),
        ("see a.png\nand b.png", False), ("a.png?", False), (b"text", False), ([], False), (None, False), (3.5, False),
    ],
)  # fmt: skip
def test_cells_that_name_or_hold_images(value: Any, holds: bool) -> None:
    assert holds_image(value) == holds


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


def member(tmp_path: Path, *changes: tuple[int, int, int]) -> str:
    """Why the only member of an archive cannot be read, after bytes of the archive were changed.

    Args:
        tmp_path: for the archive.
        changes: of 16 bits each: offset in the local header, offset in the central directory, value.
    """
    path = tmp_path / "imgs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(1000))
    data = bytearray(path.read_bytes())
    for local, central, value in changes:
        data[local : local + 2] = value.to_bytes(2, "little")
        if central:
            place = data.index(b"PK\1\2") + central
            data[place : place + 2] = value.to_bytes(2, "little")
    path.write_bytes(data)
    with ExitStack() as stack:
        return ImageFiles(TableData(Columns(answer="a")), tmp_path, stack, path).read("a.png").fault


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((6, 8, 1), "is encrypted"),  # flags
        ((8, 10, 99), "compression method is not supported"),
        ((35, 0, 0xFFFF), "Error -3 while decompressing data"),  # the first block, after a header of 30 + 5 bytes
    ],
)
def test_a_member_that_cannot_be_read_is_a_fault_of_its_row(
    tmp_path: Path, change: tuple[int, int, int], why: str
) -> None:
    found = member(tmp_path, change)
    assert found.startswith("the image a.png cannot be read (")
    assert why in found


def test_a_member_of_too_many_bytes_is_not_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_images, "MAX_INFLATED", 1000)
    assert member(tmp_path) == ""
    monkeypatch.setattr(table_images, "MAX_INFLATED", 999)
    assert "it has 1000 bytes, more than 999" in member(tmp_path)
