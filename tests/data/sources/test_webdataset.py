"""Which tars are read; what becomes of them is in ``tests/data/test_adoption.py``."""

import io
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from medix.data.sources.stored_image import listed_image
from medix.data.sources.table_file import TableError
from medix.data.sources.table_schema import Columns, TableData
from medix.data.sources.table_source import Reading
from medix.data.sources.webdataset import WebDatasetSource
from tests.data.conftest import picture
from tests.support.sources import faults, samples
from tests.support.tars import tar


def test_tars_of_a_folder_a_pattern_or_braces(tmp_path: Path) -> None:
    for name, suffix in (("a-000", "tar"), ("a-001", "tar"), ("b-000", "TAR")):
        row = {"id": name, "problem": "q", "solution": "<X_RAY> r"}
        tar(tmp_path / f"{name}.{suffix}", {"0": {"json": row, "png": picture(1)}})
    (tmp_path / "._a-000.tar").write_bytes(b"\0\5\x16\7")  # as macOS writes beside it
    for path, names in (
        ("", ["a-000", "a-001", "b-000"]),
        ("a-*.tar", ["a-000", "a-001"]),
        ("a-{000..001}.tar", ["a-000", "a-001"]),
        ("b-000.TAR", ["b-000"]),
        ("{a-000,a-*}.tar", ["a-000", "a-001"]),
    ):
        source = WebDatasetSource(str(tmp_path / path), Reading())
        assert [one.id for one in samples(source)] == names
        assert source.total() == len(names)
    assert samples(source)[0].modality == "X_RAY"
    assert source.fingerprint() == WebDatasetSource(source.path, Reading()).fingerprint()


def test_fields_become_metadata_where_tars_are_written_again(tmp_path: Path) -> None:
    row = {"question": "q", "answer": "B", "A": "lung", "B": "liver", "modality": "CT", "patient_id": "p", "view": "PA"}
    path = tar(tmp_path / "a.tar", {"0": {"json": row, "png": picture(1)}})
    (found,) = samples(WebDatasetSource(str(path), Reading()))
    assert (found.reference, found.case) == ("liver", "p")
    assert found.metadata == {"key": "0", "patient_id": "p", "view": "PA"}
    (listed,) = samples(WebDatasetSource(str(path), Reading(), listed_image))
    assert (listed.reference, listed.metadata) == ("liver", {})
    (asked,) = samples(WebDatasetSource(str(path), Reading(question="Which view?", answer_from="view")))
    assert (asked.question, asked.reference, asked.case) == ("Which view?", "PA", "p")
    assert asked.metadata == {"key": "0", "question": "q", "answer": "B", "A": "lung", "B": "liver", "patient_id": "p"}


def test_what_is_no_tar_is_named_with_its_remedy(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "zip.tar", "w") as archive:
        archive.writestr("a.json", "{}")
    (tmp_path / "gz.tar").write_bytes(b"\x1f\x8b\x08" + bytes(600))
    (tmp_path / "text.tar").write_text("hello" * 200)
    two = tar(tmp_path / "cut.tar", {"a": {"txt": b"x"}, "b": {"txt": b"x"}})
    two.write_bytes(two.read_bytes().replace(b"b.txt", b"\xff.txt", 1))  # tarfile reads one sample and ends
    tar(tmp_path / "npy.tar", {"a": {"npy": b"x"}})
    tar(tmp_path / "dcm.tar", {"a": {"dcm": b"x"}})
    for name, told in (
        ("zip.tar", "is a ZIP archive; unpack it and pack the files as a tar"),
        ("gz.tar", "is compressed with gzip"),
        ("text.tar", "no valid header at byte 0"),
        ("cut.tar", "no valid header at byte 1,024, after member 'a.txt'.*; fetch it again"),
        ("npy.tar", "holds no samples of images, json, txt and cls"),
        ("dcm.tar", "is of a type that is not read from tars; --from dicom reads it"),
        ("none.tar", "none.tar is no file"),
    ):
        with pytest.raises(TableError, match=f"{name}.*{told}"):
            WebDatasetSource(str(tmp_path / name), Reading()).total()
    with pytest.raises(ValueError, match=r"pipe:.* would run a command and is refused"):
        WebDatasetSource("pipe:cat x.tar", Reading())
    tar(tmp_path / "s" / "train-0.tar", {"a": {"txt": b"x"}})
    tar(tmp_path / "s" / "val-0.tar", {"a": {"txt": b"x"}})
    with pytest.raises(TableError, match=r"several splits \(train, val\)"):
        samples(WebDatasetSource(str(tmp_path / "s"), Reading()))


ROW = {"question": "q", "answer": "r", "modality": "CT"}


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"2.840.png": picture(1), "2.840.json": ROW, "2.841.png": picture(2), "2.841.json": ROW}, "'1.2.840'"),
        ({"2.840.png": picture(1), "2.841.png": picture(2), "json": ROW}, "'1.2.840'"),
        ({"B.png": picture(1), "b.JSON": ROW}, "sample '1.b'"),
        ({"b.png": picture(1), "b.txt": b"r", "c.png": picture(2), "c.txt": b"r"}, "keys without dots (1_b)"),
    ],
)
def test_keys_with_dots_are_refused_where_samples_would_be_joined(
    tmp_path: Path, parts: dict[str, Any], told: str
) -> None:
    """WebDataset ends a key at the first dot: all of these would be sample 1."""
    path = tar(tmp_path / "a.tar", {"1": parts})
    with pytest.raises(TableError, match="has a dot in its key") as caught:
        _ = WebDatasetSource(str(path), Reading()).layout
    assert told in str(caught.value)


def test_named_images_are_those_of_one_sample_which_is_told(tmp_path: Path) -> None:
    both = {"left.png": picture(1), "right.png": picture(2), "json": ROW, "note.txt": b"n"}
    numbered = {"0.png": picture(1), "1.png": picture(2), "json": ROW}
    words = {"image_1.png": picture(1), "image_2.png": picture(2), "json": ROW | {"question": "q2"}}
    source = WebDatasetSource(str(tar(tmp_path / "a.tar", {"x.y/1": both, "2": numbered, "3": words})), Reading())
    assert [len(one.images) for one in samples(source)] == [2, 2, 2]
    notes = " ".join(source.notes(Counter()))
    assert "alike up to the first dot are one sample: 1, such as 'x.y/1' with left.png, right.png" in notes


def test_a_mask_that_is_called_as_the_picture_is_told(tmp_path: Path) -> None:
    """Of k, which has a picture and a mask; not of m, whose mask has a name of its own."""
    rows = {"k": {"jpg": picture(1), "png": picture(2), "json": ROW}, "l": {"jpg": picture(3), "json": ROW}}
    masked = {"jpg": picture(4), "mask.png": picture(5), "json": ROW}
    source = WebDatasetSource(str(tar(tmp_path / "a.tar", {**rows, "m": masked})), Reading())
    assert [len(one.images) for one in samples(source)] == [2, 1, 1]
    (told,) = [note for note in source.notes(Counter()) if note.startswith("samples of several images")]
    assert told.endswith("are one sample: 1, such as 'k' with jpg, png")


def test_images_of_other_formats_are_stored_as_png_or_need_a_rewrite(tmp_path: Path) -> None:
    kinds = ("webp", "bmp", "tif", "gif", "ppm")
    rows = {kind: {kind: _encoded(kind), "json": ROW} for kind in kinds}
    path = tar(tmp_path / "a.tar", {**rows, "both": {"left.webp": _encoded("webp"), "b.png": picture(2), "json": ROW}})
    found = samples(WebDatasetSource(str(path), Reading()))
    assert [len(one.images) for one in found] == [1, 1, 1, 1, 1, 2]
    for one in found[:5]:
        image = Image.open(io.BytesIO(one.images[0]))
        assert (image.format, image.convert("RGB").getpixel((0, 0))) == ("PNG", (10, 10, 10))
    with pytest.raises(TableError, match=r"a.tar: member 'webp.webp' is an image .* build with --rewrite"):
        samples(WebDatasetSource(str(path), Reading(), listed_image))


def _encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    image = Image.new("RGB", (16, 16), (10, 10, 10))
    image.save(stream, {"tif": "TIFF"}.get(kind, kind.upper()), **({"lossless": True} if kind == "webp" else {}))
    return stream.getvalue()


def test_masks_beside_an_image_are_not_taken_and_told_once(tmp_path: Path) -> None:
    row = {"question": "q", "answer": "a", "modality": "CT"}
    members = {"json": row, "jpg": picture(1), "mask.jpg": picture(2), "seg.v2.png": picture(3)}
    path = tar(tmp_path / "a.tar", {"k": members, "l": members, "m": {"json": row, "0.png": picture(4)}})
    source = WebDatasetSource(str(path), Reading())
    assert [len(one.images) for one in samples(source)] == [1, 1, 1]
    notes = " ".join(source.notes(Counter()))
    assert "images beside that of their sample, such as masks, are not taken: 4, such as 'k.mask.jpg'" in notes
    assert "samples of several images" not in notes


def test_tars_without_any_sample_that_can_be_read_name_the_first_fault(tmp_path: Path) -> None:
    path = tar(tmp_path / "lists.tar", {"0": {"json": [ROW], "png": picture(1)}, "1": {"json": [ROW]}})
    with pytest.raises(TableError, match=r"lists\.tar, sample 0\.json: .*is no object; write one object of names"):
        samples(WebDatasetSource(str(path), Reading()))


def test_samples_that_a_filter_leaves_out_are_not_there_and_not_counted(tmp_path: Path) -> None:
    rows = {name: {"json": ROW | {"id": name, "lang": name[0]}, "png": picture(1)} for name in ("de1", "en1", "de2")}
    rows["de2"]["mask.png"] = rows["en1"]["mask.png"] = picture(2)
    path = tar(tmp_path / "a.tar", {**rows, "bad": {"json": [ROW]}})
    data = TableData(
        Columns("question", "answer", id="id", images=["image"], modality="modality"), filter={"lang": "d"}
    )
    source = WebDatasetSource(str(path), Reading(data))
    assert [row.where.rpartition(" ")[2] for row in source.rows()] == ["de1", "de2", "bad"]
    assert source.total() == 3
    (told,) = faults(source)
    assert "bad.json" in told
    assert any("are not taken: 1, such as 'de2.mask.png'" in note for note in source.notes(Counter()))
    with pytest.raises(TableError, match=r"there is no column 'language' \(data\.filter\.language\)"):
        list(WebDatasetSource(str(path), Reading(replace(data, filter={"language": "d"}))).rows())
