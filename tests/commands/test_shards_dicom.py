"""``shards build --from dicom``."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medix.commands import shards
from medix.data.manifest import read_manifests
from medix.data.shards import Shard
from medix.types import Sample
from tests.support.dicoms import ULTRASOUND, write

ASK = ("--question", "Which modality is it?", "--answer-from", "modality")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for patient in range(3):
        for z in range(4):
            write(
                tmp_path / "in" / f"p{patient}" / f"{z}", np.full((2, 2), 50 * z, np.uint8), PatientID=f"MRN {patient}",
                StudyInstanceUID=f"1.2.{patient}", SeriesInstanceUID=f"1.2.{patient}.1",
                SOPInstanceUID=f"1.2.{patient}.1.{z}", InstanceNumber=str(z),
            )  # fmt: skip
    write(tmp_path / "in" / "us", SOPInstanceUID="1.2.9", SOPClassUID=ULTRASOUND, Modality="US", PatientID="MRN 9")
    return tmp_path / "in"


def build(root: Path, *arguments: str, path: Path | None = None, out: str = "out") -> int:
    return shards.main([
        "build", "--from", "dicom", str(path or root), "--output", str(root.parent / out), "--salt",
        str(root.parent / "salt"), "--licence", "CC0-1.0", "--deidentification", "none is shown", "--name", "study",
        *arguments,
    ])  # fmt: skip


def stored(folder: Path) -> list[Sample]:
    return [
        sample
        for manifest in read_manifests([folder])
        for entry in manifest.shards
        for sample in Shard(manifest, entry)
    ]


def test_a_folder_becomes_shards(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert build(root, *ASK, "--frames", "2") == 0
    found = stored(root.parent / "out")
    assert [(sample.modality, sample.reference, len(sample.images)) for sample in found] == 3 * [("CT_SCAN", "CT", 2)]
    assert [Image.open(io.BytesIO(image)).getpixel((0, 0)) for image in found[0].images] == [50, 150]
    assert len({sample.case for sample in found}) == 3
    told = " ".join(capsys.readouterr().out.split())
    assert "burned_in refused 1" in told.replace("│", "").replace("  ", " ")
    assert "do not say whether text is burned into their pixels: 6; look at some" in told


def test_who_looked_at_the_pixels_stands_in_the_manifest(root: Path) -> None:
    assert build(root, *ASK, "--pixels-clean", "A. Nurse") == 0
    manifests = read_manifests([root.parent / "out"])
    assert {manifest.modality for manifest in manifests} == {"CT_SCAN", "ULTRASOUND"}
    assert {manifest.deidentification for manifest in manifests} == {
        "none is shown; pixels looked at for burned-in text by A. Nurse"
    }


def test_the_same_salt_gives_the_same_bytes(root: Path) -> None:
    for out in ("one", "two"):
        assert build(root, *ASK, out=out) == 0
    one, two = ((root.parent / out / "study-ct_scan-000000.tar").read_bytes() for out in ("one", "two"))
    assert one == two


def test_a_new_salt_is_told_once_and_manifests_tell_salts_apart(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digests = []
    for out in ("one", "two", "three"):
        if out == "three":
            (root.parent / "salt").unlink()
        assert build(root, *ASK, out=out) == 0
        told = capsys.readouterr().err
        assert (f"a new secret is in --salt {root.parent / 'salt'}. Keep it" in told) == (out != "two")
        digests += [manifest.salt_digest for manifest in read_manifests([root.parent / out])]
    assert digests[0] == digests[1] != digests[2]
    assert (root.parent / "salt").read_text().strip() not in (root.parent / "three" / "study-ct_scan.yaml").read_text()


def test_a_table_of_questions_and_the_folder_of_its_images(root: Path) -> None:
    table = root.parent / "questions.csv"
    table.write_text("id,image,question,answer\n1,p1,What is seen in <image>?,a node\n2,1.2.2.1,Where?,left\n")
    assert build(root, "--root", str(root), path=table) == 0
    assert sorted((one.id, one.question, one.reference) for one in stored(root.parent / "out")) == [
        ("1", "What is seen in <image>?", "a node"),
        ("2", "Where?", "left"),
    ]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((), "--from dicom needs questions"),
        (("--question", "What?", "--answer-from", "PatientName"), "is no field that answers are taken from"),
        ((*ASK, "--frames", "first"), "--frames first: is no choice"),
        ((*ASK, "--window", "lungs"), "--window lungs: is no window"),
        ((*ASK, "--root", "/nowhere"), "--root /nowhere: is no folder"),
    ],
)
def test_arguments_that_make_no_sense(root: Path, arguments: tuple[str, ...], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        build(root, *arguments)
    assert not (root.parent / "out").exists()


def test_a_path_that_is_neither_folder_nor_table(root: Path) -> None:
    with pytest.raises(ValueError, match="neither a folder nor a table"):
        build(root, *ASK, path=root / "us")


def test_a_salt_is_needed(root: Path) -> None:
    with pytest.raises(ValueError, match="--salt FILE is missing"):
        shards.main(["build", "--from", "dicom", str(root), "--output", str(root.parent / "out"), "--licence", "x",
                     "--deidentification", "x", *ASK])  # fmt: skip


def test_no_patient_is_in_two_parts_where_the_table_names_cases_of_some_rows(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of each patient's rows one has a case, or each its own; unless PatientIDs count for nothing."""
    table = root.parent / "q.csv"
    rows = [f"{number},p{number // 4}/{number % 4},What?,x" for number in range(12)]
    parts = ("--root", str(root), "--partition", "a=0.5,b=0.5")
    for name, cases in (("some", ["" if number % 4 else f"C{number}" for number in range(12)]), ("all", range(12))):
        lines = [f"{row},{case}" for row, case in zip(rows, cases, strict=True)]
        table.write_text("\n".join(["id,image,question,answer,case", *lines]))
        build(root, *parts, path=table, out=name)  # 1 where a part of three patients is empty
        found = [{sample.id: sample.case for sample in stored(part)} for part in (root.parent / name).glob("[ab]")]
        assert sum(map(len, found)) == 12
        assert sum(len({int(row) // 4 for row in part}) for part in found) == 3
        assert sum(len(set(part.values())) for part in found) == 3
    assert "patients by their headers for whom the table has several names: 3" in capsys.readouterr().out
    build(root, *parts, "--ignore-patient-ids", path=table, out="ignored")
    assert len({sample.case for part in "ab" for sample in stored(root.parent / "ignored" / part)}) == 12
