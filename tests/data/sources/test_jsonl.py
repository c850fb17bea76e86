import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from medix.data.picture import PictureReader, open_picture
from medix.data.sources.jsonl import JsonlSource
from medix.data.sources.table_file import TableError
from medix.data.sources.table_source import Reading
from tests.data.conftest import picture
from tests.support.sources import faults, samples

ROW: dict[str, Any] = {
    "id": "1", "image": ["a.png"], "source": "slake", "problem": "Which organ?", "solution": "<CT_SCAN>\nThe liver",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(picture(1))
    (tmp_path / "b.jpg").write_bytes(picture(2, kind="JPEG"))
    (tmp_path / "broken.png").write_bytes(picture(3)[:60])
    return tmp_path


def _file(folder: Path, *rows: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def test_the_public_columns_become_a_sample(folder: Path) -> None:
    (sample,) = samples(JsonlSource(_file(folder, ROW)))
    assert (sample.id, sample.question, sample.reference) == ("1", "Which organ?", "The liver")
    assert (sample.modality, sample.source, sample.images) == ("CT_SCAN", "slake", (picture(1),))


def test_optional_columns_are_kept(folder: Path) -> None:
    row = ROW | {"case": 12, "aliases": ["hepar"], "sex": "f", "age": 40, "caption": None, "boxes": [1, 2]}
    (sample,) = samples(JsonlSource(_file(folder, row)))
    assert (sample.case, sample.aliases) == ("12", ("hepar",))
    assert sample.metadata == {"sex": "f", "age": "40"}


def test_several_images_keep_their_order(folder: Path) -> None:
    (sample,) = samples(JsonlSource(_file(folder, ROW | {"image": ["b.jpg", "a.png"]})))
    assert sample.images == (picture(2, kind="JPEG"), picture(1))


def test_columns_of_the_last_row_are_read_and_images_of_a_second_column_are_not_dropped(folder: Path) -> None:
    text = {"id": "0", "problem": "Why?", "solution": "so"}
    made = JsonlSource(_file(folder, *(text | {"id": f"t{number}"} for number in range(101)), ROW))
    assert [len(one.images) for one in samples(made)][-1] == 1
    (fault,) = faults(JsonlSource(_file(folder, ROW, text | {"images": ["b.jpg"]})))
    assert "images: ['b.jpg']; images are read from image; call the column image in all rows, or state" in fault


@pytest.mark.parametrize("image", [None, [], "", "absent"])
@pytest.mark.parametrize("solution", ["A. 4 mg", "<5 mm", "<b>bold</b>", "less than < 3", "<5 mm>\nor so"])
def test_a_row_without_images_is_text_only_and_its_solution_is_the_reference(
    folder: Path, image: Any, solution: str
) -> None:
    row = {key: value for key, value in (ROW | {"image": image}).items() if (key, value) != ("image", "absent")}
    (sample,) = samples(JsonlSource(_file(folder, row | {"solution": solution})))
    assert (sample.modality, sample.reference, sample.images) == (None, solution, ())


@pytest.mark.parametrize("solution", ["<TEXT>\nA. 4 mg", "<text_only>\nA. 4 mg", "<TEXT_ONLY> A. 4 mg"])
def test_a_tag_that_says_text_is_no_part_of_the_reference(folder: Path, solution: str) -> None:
    (sample,) = samples(JsonlSource(_file(folder, ROW | {"image": [], "solution": solution})))
    assert (sample.modality, sample.reference) == (None, "A. 4 mg")


def test_an_image_may_be_one_path_and_tags_are_read_in_any_case(folder: Path) -> None:
    (sample,) = samples(JsonlSource(_file(folder, ROW | {"image": "a.png", "solution": "<ct_scan> The liver < 5 cm"})))
    assert (sample.modality, sample.reference) == ("CT_SCAN", "The liver < 5 cm")


def test_other_image_formats_are_stored_as_png_without_loss(folder: Path) -> None:
    original = Image.effect_noise((9, 7), 80)
    original.save(folder / "c.tif")
    (sample,) = samples(JsonlSource(_file(folder, ROW | {"image": ["c.tif"]})))
    assert sample.images[0].startswith(b"\x89PNG")
    assert open_picture(sample.images[0]).tobytes() == original.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"solution": ""}, "line 1: solution: None; give the reference"),
        ({"solution": None}, "line 1: solution: None; give the reference"),
        ({"solution": "<CT_SCAN>\n "}, "there is no reference after the tag"),
        ({"solution": "<CAT_SCAN>\nThe liver"}, "solution: '<CAT_SCAN>'; unknown tag; known: X_RAY"),
        ({"image": []}, "a tag without an image"),
        ({"image": [], "solution": "<CAT_SCAN>\nx"}, "'<CAT_SCAN>'; unknown tag on a row without an image; remove it"),
        ({"image": [], "solution": "<cat_scan>\nx"}, "unknown tag on a row without an image"),
        ({"image": [], "solution": "<TEXT>\n"}, "there is no reference after the tag"),
        ({"image": ["gone.png"]}, r"image: 'gone.png'; there is no .*gone\.png; correct"),
        ({"image": ["broken.png"]}, "image: 'broken.png'; an image of 60 bytes cannot be decoded"),
        ({"image": ["rows.jsonl"]}, "cannot be decoded: it is in no known format; known are AVIF"),
        ({"image": [3]}, "image: 3; give a file name, base64, a data: address"),
        ({"problem": " "}, "problem: ''; give the question"),
        ({"id": None}, "id: ''; give every row a unique id"),
        ({"id": True}, "id: True; a bool is no text; give text or a number"),
        ({"solution": math.nan}, "solution: None; give the reference"),
        ({"solution": math.inf}, "solution: inf; it is no finite number; correct it, or write it as text"),
        ({"problem": ["Which?"]}, r"problem: \['Which\?'\]; a list is no text"),
        ({"case": False}, "case: False; a bool is no text"),
        ({"problem": "\ud83d?"}, r"line 1: problem: '\\ud83d\?'; it has half of a surrogate pair"),
        ({"source": ["x"]}, "source: .*; a list is no text"),
    ],
)
def test_a_faulty_row_names_line_key_value_and_remedy(folder: Path, change: dict[str, Any], message: str) -> None:
    (told,) = faults(JsonlSource(_file(folder, ROW | change, ROW | {"id": "2"})))
    assert re.search(message, told)


@pytest.mark.parametrize("line", ["{", "[1]", "null"])
def test_a_line_that_is_no_object_is_a_fault(folder: Path, line: str) -> None:
    (told,) = faults(JsonlSource(_file(folder, ROW, line)))
    assert re.search(r"rows\.jsonl, line 2: row: .*write one (JSON )?object per line", told)


def test_another_modality_set_allows_other_tags(folder: Path) -> None:
    path = _file(folder, ROW | {"solution": "<DERMOSCOPY>\nnaevus"})
    (sample,) = samples(JsonlSource(path, Reading(modalities=("DERMOSCOPY",))))
    assert sample.modality == "DERMOSCOPY"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"none\.jsonl: cannot be opened"):
        samples(JsonlSource(tmp_path / "none.jsonl"))


@pytest.mark.parametrize("mode", ["CMYK", "F", "I", "LAB"])
def test_a_picture_that_png_cannot_hold_is_converted(folder: Path, mode: str) -> None:
    stream = io.BytesIO()
    Image.new(mode, (4, 4)).save(stream, "TIFF")
    (folder / "d.tif").write_bytes(stream.getvalue())
    (sample,) = samples(JsonlSource(_file(folder, ROW | {"image": ["d.tif"]})))
    assert PictureReader().read(sample.images[0]).tobytes() == PictureReader().read(stream.getvalue()).tobytes()


def test_a_converted_picture_is_upright(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 4)).save(folder / "e.webp", exif=exif)
    (sample,) = samples(JsonlSource(_file(folder, ROW | {"image": ["e.webp"]})))
    assert open_picture(sample.images[0]).size == (4, 8)


def test_markers_that_disagree_are_a_fault_with_line_id_and_remedy(folder: Path) -> None:
    good = ROW | {"id": "2", "problem": "Before: <image> After: <image>", "image": ["a.png", "b.jpg"]}
    path = _file(folder, good, ROW | {"problem": "Before: <image> After: <image>"})
    (told,) = faults(JsonlSource(path))
    assert re.search(r"line 2: problem: .*sample '1': .*2 image markers for 1 image\)?; write one", told)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"id": "2", "problem": "q", "id": "3", "solution": "r"}', "the key 'id' stands twice; keep one of them"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_row_that_says_a_key_twice_or_never_ends_is_a_fault(folder: Path, line: str, told: str) -> None:
    (found,) = faults(JsonlSource(_file(folder, ROW, line)))
    assert re.search(f"line 2: row: .*{told}", found)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_a_spreadsheet_is_read(folder: Path, encoding: str) -> None:
    path = folder / "rows.jsonl"
    path.write_bytes((json.dumps(ROW | {"problem": "Größe?"}, ensure_ascii=False) + "\r\n").encode(encoding))
    source = JsonlSource(path)
    assert source.total() == 1
    assert [sample.question for sample in samples(source)] == ["Größe?"]


def test_a_row_in_another_encoding_is_a_fault_with_its_key_and_can_be_skipped(folder: Path) -> None:
    rows = (ROW, ROW | {"id": "2", "problem": "Größe?"})
    path = folder / "rows.jsonl"
    path.write_bytes("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode("cp1252"))
    (told,) = faults(JsonlSource(path))
    assert re.search(r"line 2: problem: .*not UTF-8 \(in Windows-1252 it is 'Größe\?'\); save", told)


def test_a_file_of_another_format_is_one_error(folder: Path) -> None:
    (folder / "rows.parquet").write_bytes(b"PAR1" + bytes(100))
    with pytest.raises(TableError, match=r"rows\.parquet: this is Parquet, not JSON lines.*--from"):
        samples(JsonlSource(folder / "rows.parquet"))


def test_a_file_without_a_row_that_can_be_read_is_one_error(folder: Path) -> None:
    for rows, told in (([], "holds no rows"), (["{}x", "[]"], r"rows\.jsonl, line 1: row: .\{\}x.; cannot be read")):
        with pytest.raises(TableError, match=told):
            samples(JsonlSource(_file(folder, *rows)))


def test_a_column_that_only_the_last_row_has_is_read(folder: Path) -> None:
    texts = [{"id": f"t{number}", "problem": "q", "solution": "a"} for number in range(150)]
    found = samples(JsonlSource(_file(folder, *texts, ROW)))
    assert (found[0].images, found[-1].images, found[-1].modality) == ((), (picture(1),), "CT_SCAN")
