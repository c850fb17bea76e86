"""Tars of another program are listed and stay as they are."""

import io
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from medix.data.adoption import Adoption
from medix.data.build import Build, BuildError, BuildPlan
from medix.data.index import IndexRow, ManifestIndex
from medix.data.manifest import DataStatement, read_manifests
from medix.data.partition import Partition
from medix.data.shards import Shard
from medix.data.sources.table_schema import Columns, TableData, table_data
from medix.data.sources.table_source import Reading
from medix.data.sources.webdataset import WebDatasetSource
from medix.types import Sample
from tests.data.conftest import picture
from tests.support.tars import tar

STATEMENT = DataStatement("mine", "CC0-1.0", "nobody is shown")


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    for number in range(2):
        said = {"answer": "a", "case": "c"}
        rows = {
            f"s{i}": {
                "jpg": picture(i, kind="JPEG"),
                "json": said | {"id": f"s{number}{i}", "question": f"q{i}?", "modality": "CT" if i else "CT_SCAN"},
            }
            for i in range(3)
        }
        tar(tmp_path / "tars" / f"x-{number:03d}.tar", rows)
    return tmp_path / "tars"


def test_tars_are_listed_with_a_layout_and_read_like_shards(tars: Path, tmp_path: Path) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tars.iterdir()}
    source = WebDatasetSource(f"{tars}/x-{{000..001}}.tar", Reading())
    Adoption(source, BuildPlan(STATEMENT, tmp_path / "lists")).run()
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tars.iterdir()} == before
    (manifest,) = read_manifests([tmp_path / "lists"])
    assert [entry.url for entry in manifest.shards] == ["../tars/x-000.tar", "../tars/x-001.tar"]
    samples = [sample for entry in manifest.shards for sample in Shard(manifest, entry)]
    assert [sample.id for sample in samples] == ["s00", "s01", "s02", "s10", "s11", "s12"]
    assert {(one.modality, one.case, one.dataset) for one in samples} == {("CT_SCAN", "c", "mine")}
    assert samples[1].images == (picture(1, kind="JPEG"),)
    shard = Shard(manifest, manifest.shards[0])
    assert [Path(name).name for name in shard.image_names(2)] == ["s2.jpg"]
    assert (tmp_path / "lists" / "mine-ct_scan.index.jsonl").exists()


def test_the_manifests_of_all_modalities_are_of_one_build(tars: Path, tmp_path: Path) -> None:
    row = {"id": "s20", "question": "q", "answer": "a", "modality": "X_RAY"}
    tar(tars / "x-002.tar", {"s20": {"jpg": picture(9, kind="JPEG"), "json": row}})
    Adoption(WebDatasetSource(str(tars), Reading()), BuildPlan(STATEMENT, tmp_path / "all")).run()
    first = WebDatasetSource(str(tars / "x-000.tar"), Reading())
    Adoption(first, BuildPlan(STATEMENT, tmp_path / "first")).run()
    ct, xray = read_manifests([tmp_path / "all"])
    (other,) = read_manifests([tmp_path / "first"])
    assert ct.build == xray.build != ""
    assert other.build not in ("", ct.build)


def test_numbered_images_of_a_sorted_tar_go_by_their_numbers_listed_or_written_again(tmp_path: Path) -> None:
    said = {"id": "s", "question": "q", "answer": "a", "modality": "CT_SCAN"}
    images = {f"{number}.png": picture(number) for number in sorted(range(12), key=str)}
    tar(tmp_path / "a.tar", {"s": {**images, "json": said}})
    expected = tuple(picture(number) for number in range(12))
    Adoption(WebDatasetSource(str(tmp_path), Reading()), BuildPlan(STATEMENT, tmp_path / "lists")).run()
    (manifest,) = read_manifests([tmp_path / "lists"])
    shard = Shard(manifest, manifest.shards[0])
    assert shard[0].images == expected
    assert [Path(name).name for name in shard.image_names(0)] == [f"s.{number}.png" for number in range(12)]
    Build(WebDatasetSource(str(tmp_path / "a.tar"), Reading()), BuildPlan(STATEMENT, tmp_path / "new", workers=1)).run()
    (written,) = read_manifests([tmp_path / "new"])
    assert Shard(written, written.shards[0])[0].images == expected


def test_a_question_may_be_asked_of_every_image(tmp_path: Path) -> None:
    tar(tmp_path / "a.tar", {"1": {"png": picture(1), "cls": b"7"}, "2": {"cls": b"8", "png": picture(2)}})
    source = WebDatasetSource(str(tmp_path / "a.tar"), Reading(question="Which class?", answer_from="cls"))
    (manifest,) = Adoption(source, BuildPlan(STATEMENT, tmp_path / "out", modality="OTHER")).run().manifests
    assert manifest.layout["question"] == "Which class?"
    (read,) = read_manifests([tmp_path / "out"])
    assert [(one.question, one.reference, one.modality) for one in Shard(read, read.shards[0])] == [
        ("Which class?", "7", "OTHER"), ("Which class?", "8", "OTHER"),
    ]  # fmt: skip


def test_what_cannot_be_listed_as_it_is(tars: Path, tmp_path: Path) -> None:
    said = {"id": "s00", "question": "q", "answer": "a", "modality": "X_RAY"}
    row = {"jpg": picture(9, kind="JPEG"), "json": said}
    mixed = [said | {"id": "s20"}, said | {"id": "s21", "modality": "CT"}]
    tar(tars / "x-002.tar", {one["id"]: row | {"json": one} for one in mixed})
    source = WebDatasetSource(str(tars), Reading())
    with pytest.raises(BuildError, match=r"x-002.tar: holds CT_SCAN and X_RAY.*build with --rewrite"):
        Adoption(source, BuildPlan(STATEMENT, tmp_path / "out")).run()
    assert not (tmp_path / "out").exists()
    tar(tars / "x-002.tar", {"s20": row, "s21": row | {"jpg": b"\xff\xd8\xff cut"}})
    source = WebDatasetSource(str(tars), Reading())
    with pytest.raises(BuildError) as caught:
        Adoption(source, BuildPlan(STATEMENT, tmp_path / "out")).run()
    assert "2 faulty rows" in str(caught.value)
    assert "sample s20: id: 's00'; " in str(caught.value)
    assert "cannot be decoded" in str(caught.value)
    for change in ({"partition": Partition.parse("a=0.5,b=0.5")}, {"skip_bad": True}):
        with pytest.raises(ValueError, match="build with --rewrite"):
            Adoption(source, BuildPlan(STATEMENT, tmp_path / "out", **change))  # type: ignore[arg-type]
    result = Build(source, BuildPlan(STATEMENT, tmp_path / "new", skip_bad=True)).run()
    assert result.left_out.faults == {"duplicate-id": 1, "image": 1}
    assert [manifest.samples for manifest in result.manifests] == [6]


_SAID = {
    "q": "Which?",
    "o": ["B", "A"],
    "a": "A",
    "f": "B",
    "i": 1,
    "n": "s0",
    "c": "seen",
    "p": "c0",
    "m": "KT",
    "k": "word",
    "s": "mine",
    "y": 40,
}
_BOTH = {"answer": "a", "choices": "o"}
_MEANT: dict[str, tuple[dict[str, Any], dict[str, Any], str, Any]] = {
    "columns.question": ({"answer": "f"}, {}, "question", "Which?"),
    "columns.answer": ({"answer": ["f", "s"]}, {}, "aliases", ("mine",)),
    "columns.choices": (_BOTH, {"answers": "texts"}, "question", "Which?\n\nChoices:\nA. B\nB. A"),
    "columns.images": ({"answer": "f"}, {}, "images", (picture(1),)),
    "columns.id": ({"answer": "f", "id": "n"}, {}, "id", "s0"),
    "columns.context": ({"answer": "f", "context": "c"}, {}, "question", "seen\n\nWhich?"),
    "columns.answer_index": ({"answer_index": "i", "choices": "o"}, {}, "reference", "A"),
    "columns.answer_letter": ({"answer_letter": "f", "choices": "o"}, {}, "reference", "A"),
    "columns.case": ({"answer": "f", "case": "p"}, {}, "case", "c0"),
    "columns.modality": ({"answer": "f", "modality": "m"}, {"modality_tags": {"KT": "X_RAY"}}, "modality", "X_RAY"),
    "columns.question_type": ({"answer": "f", "question_type": "k"}, {}, "metadata", {"question_type": "word"}),
    "columns.source": ({"answer": "f", "source": "s"}, {}, "source", "mine"),
    "columns.subgroup": ({"answer": "f", "subgroup": {"age": "y"}}, {}, "metadata", {"age": "40"}),
    "fixed_choices": ({"answer_index": "i"}, {"fixed_choices": ["no", "yes"]}, "reference", "yes"),
    "answers": (_BOTH, {"answers": "letters"}, "reference", "B"),
    "modality": ({"answer": "f"}, {"modality": "MRI_SCAN"}, "modality", "MRI_SCAN"),
    "modality_tags": ({"answer": "f", "modality": "m"}, {"modality_tags": {"KT": "OTHER"}}, "modality", "OTHER"),
    "bands": (
        {"answer": "f", "subgroup": {"age": "y"}}, {"bands": {"age": [40, 90]}}, "metadata", {"age": "40 to <90"},
    ),
}  # fmt: skip
"""Columns and further keys of a schema, a field of the sample, and what they make of it."""
_REFUSED = {"image_folder": "x", "image_archive": "x.zip", "image_suffix": ".png"}


def _schema(columns: dict[str, Any], others: dict[str, Any]) -> TableData:
    return table_data({"columns": {"question": "q", "images": ["image"], **columns}, **others})


def _built(folder: Path, data: TableData, is_listed: bool) -> Sample:
    """The sample of a tar that is listed or written anew."""
    source = WebDatasetSource(str(tar(folder / "a.tar", {"0": {"png": picture(1), "json": _SAID}})), Reading(data))
    modality = None if data.modality or data.columns.modality else "CT_SCAN"
    plan = BuildPlan(STATEMENT, folder / ("lists" if is_listed else "new"), modality=modality, workers=1)
    if is_listed:
        Adoption(source, plan).run()
    else:
        Build(source, plan).run()
    (manifest,) = read_manifests([plan.folder])
    return Shard(manifest, manifest.shards[0])[0]


@pytest.mark.parametrize("key", _MEANT)
def test_a_key_of_a_schema_means_the_same_of_tars_that_are_listed_or_written_again(tmp_path: Path, key: str) -> None:
    columns, others, name, expected = _MEANT[key]
    listed, written = (_built(tmp_path, _schema(columns, others), is_listed) for is_listed in (True, False))
    assert listed == written
    assert getattr(listed, name) == expected


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("key", _REFUSED)
def test_a_key_about_files_of_images_is_refused(tmp_path: Path, key: str, is_listed: bool) -> None:
    data = _schema({"answer": "f"}, {key: _REFUSED[key]})
    with pytest.raises(ValueError, match=f"{key}: '{_REFUSED[key]}' is about files of images, .*; leave it out"):
        _built(tmp_path, data, is_listed)


def test_a_filter_needs_a_rewrite(tmp_path: Path) -> None:
    data = _schema({"answer": "f"}, {"filter": {"y": 40}})
    assert _built(tmp_path, data, is_listed=False).reference == "B"
    with pytest.raises(ValueError, match=r"--columns: filter: \{'y': 40\} leaves .*; build with --rewrite"):
        _built(tmp_path, data, is_listed=True)


def test_no_key_of_a_schema_is_forgotten() -> None:
    of_place = {"hub", "config", "revision", "split", "local"}  # for which the path of the tars stands
    columns = {f"columns.{one.name}" for one in fields(Columns)}
    assert {*_MEANT, *_REFUSED, "filter", *of_place} == {one.name for one in fields(TableData)} - {"columns"} | columns


def test_images_with_metadata_are_counted_and_stay_as_they_are(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("L", (6, 4)).save(stream, "JPEG", comment=b"Doe")
    said = {"question": "q?", "answer": "a", "modality": "CT"}
    rows = {
        f"s{place}": {"jpg": data, "json": said}
        for place, data in enumerate((stream.getvalue(), picture(1, kind="JPEG")))
    }
    tar(tmp_path / "a.tar", rows)
    source = WebDatasetSource(str(tmp_path / "a.tar"), Reading())
    result = Adoption(source, BuildPlan(STATEMENT, tmp_path / "lists")).run()
    (manifest,) = result.manifests
    held = Shard(manifest, manifest.shards[0])
    assert held[0].images == (stream.getvalue(),)
    assert ManifestIndex(manifest).rows(manifest.shards[0]) == tuple(map(IndexRow.of, held))
    assert result.notes[-1].startswith(
        "images with EXIF, text or a preview, which may name people, places and devices: 1;"
    )
    rewritten = Build(source, BuildPlan(STATEMENT, tmp_path / "new")).run()
    assert rewritten.notes[-1].endswith("was removed, with their pixels as they were: 1")
    (manifest,) = rewritten.manifests
    assert b"Doe" not in b"".join(image for one in Shard(manifest, manifest.shards[0]) for image in one.images)


def test_a_manifest_that_is_there_is_kept(tars: Path, tmp_path: Path) -> None:
    adoption = Adoption(WebDatasetSource(str(tars), Reading()), BuildPlan(STATEMENT, tmp_path / "out"))
    adoption.run()
    with pytest.raises(BuildError, match=r"already contains mine-\*\.yaml"):
        adoption.run()
