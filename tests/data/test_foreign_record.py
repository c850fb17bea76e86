"""Samples of tars that another program has written."""

import json
from pathlib import Path
from typing import Any

import pytest

from medix.data.foreign_record import ForeignRecord, cells_of, foreign_record, images_of, split_name
from medix.data.manifest import Manifest, ManifestError, ShardEntry
from medix.data.picture import ENDINGS
from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError
from medix.data.sources.table_schema import Columns, TableData, table_data
from medix.modality import PAPER_MODALITIES
from tests.data.conftest import picture

RECORD = ForeignRecord(TableData(Columns(question="q", answer="cls", id="key", images=["image"])), PAPER_MODALITIES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("train/a1.jpg", ("train/a1", "jpg")),
        ("x.y/a.left.PNG", ("x.y/a", "left.png")),
        ("a.cls", ("a", "cls")),
        ("a.npy", None),
        ("a.pyd", None),
        ("a.seg.json", None),
        ("__meta__.json", None),
        ("d/._a.jpg", None),
        ("README", None),
    ],
)
def test_names_are_split_as_webdataset_does(name: str, expected: tuple[str, str] | None) -> None:
    assert split_name(name) == expected


def test_what_answers_are_is_stated_where_it_is_known() -> None:
    """One sample alone does not say whether an answer that is both is the text or the letter."""
    cells = {"json": json.dumps({"q": "Which?", "o": ["B", "A"], "a": "A"}).encode()}
    for answers, reference in (("texts", "A"), ("letters", "B")):
        data = TableData(Columns("q", "a", choices="o"), answers=answers)  # type: ignore[arg-type]
        made = ForeignRecord(data, PAPER_MODALITIES)
        assert made.layout == {"columns": {"question": "q", "answer": "a", "choices": "o"}, "answers": answers}
        read = ForeignRecord(table_data(made.layout), PAPER_MODALITIES)
        assert read.decode("0", cells).reference == reference
    assert "answers" not in RECORD.layout


@pytest.mark.parametrize("kind", sorted({*ENDINGS} - {"jpg", "jpeg", "png"}))
def test_an_image_that_shards_do_not_hold_is_no_text_only_sample(kind: str) -> None:
    with pytest.raises(TableError, match=rf"a\.{kind}' is an image that shards do not hold as it is; build with --rew"):
        split_name(f"a.{kind}")
    assert split_name(f"a.{kind}", rewrites=True) == ("a", kind)


@pytest.mark.parametrize(
    ("kind", "remedy"),
    [
        ("dcm", "--from dicom reads it"),
        ("heic", "convert it to PNG or JPEG"),
        ("mp4", "take images out of it"),
        ("nii.gz", "take images out of it"),
    ],
)
def test_an_image_that_cannot_be_read_from_tars_has_its_own_remedy(kind: str, remedy: str) -> None:
    for rewrites in (False, True):
        with pytest.raises(TableError, match=rf"a\.b\.{kind}' is of a type that is not read from tars; {remedy}"):
            split_name(f"a.b.{kind}", rewrites=rewrites)


def test_parts_of_a_sample_are_columns() -> None:
    members = {"left.png": picture(1), "json": b'{"q": "Which?", "image": "a.png"}', "cls": b"3\n", "0.jpg": picture(2)}
    cells = cells_of("k", members)
    assert cells == {"q": "Which?", "cls": "3", "key": "k", "image": [picture(1), picture(2)]}
    sample = RECORD.decode("k", members)
    assert (sample.id, sample.question, sample.reference, sample.modality) == ("k", "Which?", "3", None)
    assert sample.images == (picture(1), picture(2))


def test_a_byte_order_mark_is_no_part_of_a_text() -> None:
    mark = b"\xef\xbb\xbf"
    assert cells_of("k", {"json": mark + b'{"q": "x"}', "txt": mark + b" a\n", "cls": mark + b"3"}) == {
        "q": "x", "txt": "a", "cls": "3", "key": "k", "image": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"json": b"[1]", "cls": b"1"}, r"k\.json: \[1\]; is no object"),
        ({"json": b"{", "cls": b"1"}, r"k\.json: b'\{'; cannot be read"),
        ({"json": b"{}", "cls": b"\xff"}, "is not UTF-8"),
        ({"json": b"{}", "cls": b"1"}, "q: ''; give the question"),
        ({"json": b'{"q": "x"}'}, "cls: None; give the reference"),
    ],
)
def test_a_sample_that_lacks_something(members: dict[str, bytes], told: str) -> None:
    with pytest.raises(RowError, match=told):
        RECORD.decode("k", members)


def test_a_manifest_states_the_layout(tmp_path: Path) -> None:
    def manifest(layout: dict[str, Any]) -> Manifest:
        return Manifest("m", "CT_SCAN", "l", "d", (ShardEntry("a.tar", "0" * 64, 1, 1),), path=tmp_path, layout=layout)

    record = ForeignRecord(
        TableData(Columns(answer="cls"), modality_tags={"CT": "CT_SCAN"}), PAPER_MODALITIES, "Is it?"
    )
    assert record.layout == {"question": "Is it?", "columns": {"answer": "cls"}, "modality_tags": {"CT": "CT_SCAN"}}
    assert foreign_record(manifest(json.loads(json.dumps(record.layout)))) == record
    assert foreign_record(manifest({})) is None
    with pytest.raises(ManifestError, match=r"layout: .*colums"):
        foreign_record(manifest({"colums": {"answer": "x"}}))
    for key, value in (("filter", {"cls": "a"}), ("image_folder", "x")):
        with pytest.raises(ManifestError, match=rf"layout: {key}: .*; leave it out"):
            foreign_record(manifest({"columns": {"answer": "cls"}, key: value}))


def test_images_with_a_further_part_are_those_of_a_sample_only_where_none_has_no_such_part() -> None:
    assert images_of(["json", "mask.jpg", "jpg"]) == ["jpg"]
    assert images_of(["0.jpg", "json", "left.png"]) == ["0.jpg", "left.png"]
    assert images_of(["jpg", "png", "1.png"]) == ["jpg", "png"]
    assert images_of(["json"]) == []


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0.png", "1.png", "10.jpg", "2.png"], ["0.png", "1.png", "2.png", "10.jpg"]),
        (["image_1.jpg", "image_10.jpg", "image_2.jpg"], ["image_1.jpg", "image_2.jpg", "image_10.jpg"]),
        (["01.png", "00.png", "010.png", "2.png"], ["00.png", "01.png", "2.png", "010.png"]),
        (["right.png", "left.png"], ["right.png", "left.png"]),
        (["scout.png", "l10.png", "l2.png", "r1.png"], ["scout.png", "l2.png", "l10.png", "r1.png"]),
        (["r1.png", "l1.png", "r2.png", "l2.png"], ["r1.png", "l1.png", "r2.png", "l2.png"]),
        ([f"1{'0' * 5000}.png", f"{'9' * 5000}.png"], [f"{'9' * 5000}.png", f"1{'0' * 5000}.png"]),
    ],
)
def test_images_with_numbers_go_by_these_and_others_by_the_tar(names: list[str], expected: list[str]) -> None:
    assert images_of(["json", *names]) == expected
    members = {name: name.encode() for name in names}
    assert cells_of("k", members)["image"] == [name.encode() for name in expected]
