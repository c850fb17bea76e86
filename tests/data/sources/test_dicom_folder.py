"""The DICOM files below a folder."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from medix.data.sources.dicom_folder import DicomFolder
from medix.data.sources.source import RowError
from tests.support.dicoms import ULTRASOUND, write

AXIAL = ["1", "0", "0", "0", "1", "0"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two slices and a localizer of one study, an ultrasound, a text, and a secret outside."""
    for z in (0, 5):
        write(tmp_path / "in" / "ct" / f"slice{z}", SOPInstanceUID=f"1.2.9.{z}", SeriesInstanceUID="1.2.3.7",
              ImageOrientationPatient=AXIAL, ImagePositionPatient=["0", "0", str(z)])  # fmt: skip
    write(tmp_path / "in" / "us" / "one", SOPInstanceUID="1.2.8", SOPClassUID=ULTRASOUND, Modality="US")
    (tmp_path / "in" / "notes.txt").write_text("no image")
    (tmp_path / "in" / ".hidden").write_text("no image")
    write(tmp_path / "out" / "secret", SOPInstanceUID="1.2.7")
    return tmp_path / "in"


def kinds(folder: DicomFolder) -> dict[str, str]:
    return {entry.path: entry.fault.kind if entry.fault else "" for entry in folder.entries()}


def test_every_file_is_an_image_or_has_a_reason(root: Path) -> None:
    assert kinds(DicomFolder(root)) == {
        "ct/slice0": "", "ct/slice5": "", "notes.txt": "not_dicom", "us/one": "burned_in",
    }  # fmt: skip


def test_a_second_file_of_an_image_is_left_out(root: Path) -> None:
    (root / "copy").write_bytes((root / "ct" / "slice5").read_bytes())
    found = {entry.path: entry.fault for entry in DicomFolder(root).entries() if entry.fault}
    assert "'copy'" in str(found["ct/slice5"])
    assert (found["ct/slice5"].kind, found["ct/slice5"].refused) == ("duplicate", True)


def test_of_two_files_of_an_image_the_cut_one_is_left_out(root: Path) -> None:
    whole = (root / "ct" / "slice5").read_bytes()
    (root / "copy").write_bytes(whole[:-2])
    assert kinds(DicomFolder(root)) | {"copy": "duplicate", "ct/slice5": ""} == kinds(DicomFolder(root))


def test_links_that_lead_out_are_not_followed(root: Path) -> None:
    (root / "a_link").symlink_to(root.parent / "out" / "secret")
    (root / "a_folder").symlink_to(root.parent / "out")
    (root / "inside").symlink_to(root / "ct" / "slice0")
    found = kinds(DicomFolder(root))
    assert (found["a_link"], found["a_folder"]) == ("outside", "outside")
    assert found["ct/slice0"] == ""
    assert found["inside"] == "duplicate"
    assert not any(name.startswith("a_folder/") for name in found)


def test_pipes_and_links_in_a_circle_are_not_opened(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "circle").symlink_to(root / "circle")
    found = kinds(DicomFolder(root))
    assert (found["pipe"], found["circle"]) == ("not_a_file", "missing")


def paths(folder: DicomFolder, name: str) -> list[str]:
    return [entry.path for entry in folder.find(name)]


def test_names_of_files_folders_and_series(root: Path) -> None:
    folder = DicomFolder(root)
    assert paths(folder, "ct/slice5") == ["ct/slice5"]
    assert paths(folder, str(root / "ct" / "slice5")) == ["ct/slice5"]
    assert paths(folder, "ct") == paths(folder, "1.2.3.7") == ["ct/slice0", "ct/slice5"]


@pytest.mark.parametrize(
    ("name", "kind", "match"),
    [
        ("../out/secret", "outside", "leads out of"),
        ("/etc/passwd", "outside", "leads out of"),
        ("ct/../../out", "outside", "leads out of"),
        ("ct/slice9", "missing", "there is no such file"),
        ("1.2.3.99", "missing", "no file of this series"),
        ("texts", "missing", "holds no image that can be used"),
        ("ct/\0", "missing", "is no path"),
        ("x" * 5000, "missing", "is no path"),
    ],
)
def test_names_of_nothing(root: Path, name: str, kind: str, match: str) -> None:
    (root / "texts").mkdir()
    (root / "texts" / "one.txt").write_text("no image")
    with pytest.raises(RowError, match=match) as caught:
        DicomFolder(root).find(name)
    assert (caught.value.kind, caught.value.refused) == (kind, False)


@pytest.mark.parametrize(
    ("elements", "kind", "refused"),
    [({"Rows": None}, "no_pixels", False), ({"BurnedInAnnotation": "YES"}, "burned_in", True)],
)
@pytest.mark.parametrize("name", ["ct", "1.2.3.7"])
def test_a_slice_that_cannot_be_used_is_not_left_out_of_its_volume(
    root: Path, name: str, elements: dict[str, str | None], kind: str, refused: bool
) -> None:
    write(root / "ct" / "slice3", SOPInstanceUID="1.2.9.3", SeriesInstanceUID="1.2.3.7", **elements)
    with pytest.raises(RowError, match="file 'ct/slice3': ") as caught:
        DicomFolder(root).find(name)
    assert (caught.value.kind, caught.value.refused) == (kind, refused)


def test_a_file_without_a_header_is_a_fault_of_its_folder_and_counted_for_a_series(root: Path) -> None:
    whole = (root / "ct" / "slice5").read_bytes()
    (root / "ct" / "slice3").write_bytes(whole[:180])
    folder = DicomFolder(root)
    with pytest.raises(RowError, match="file 'ct/slice3': "):
        folder.find("ct")
    assert folder.unread == 0
    assert paths(folder, "1.2.3.7") == ["ct/slice0", "ct/slice5"]
    assert folder.unread == 1


def test_a_folder_of_images_that_are_refused_is_refused(root: Path) -> None:
    with pytest.raises(RowError, match="file 'us/one': names may stand in the pixels") as caught:
        DicomFolder(root).find("us")
    assert caught.value.refused


def test_a_folder_of_several_volumes_is_not_one_volume(root: Path) -> None:
    write(root / "ct" / "other", SOPInstanceUID="1.2.6", SeriesInstanceUID="1.2.3.8")
    with pytest.raises(RowError, match="2 series of slices; name the files or a SeriesInstanceUID"):
        DicomFolder(root).find("ct")


@pytest.mark.parametrize(
    "elements", [{"ImageOrientationPatient": ["0", "1", "0", "0", "0", "-1"]}, {"pixels": [[0, 1, 2]]}]
)
def test_a_series_of_several_volumes_is_not_one_volume(root: Path, elements: dict[str, Any]) -> None:
    write(root / "ct" / "other", SOPInstanceUID="1.2.6", SeriesInstanceUID="1.2.3.7",
          **{"ImageOrientationPatient": AXIAL, "ImagePositionPatient": ["0", "0", "9"], **elements})  # fmt: skip
    with pytest.raises(RowError, match="holds 2 series of slices; they differ in orientation or size") as caught:
        DicomFolder(root).find("1.2.3.7")
    assert caught.value.kind == "several_series"


def test_a_stated_modality_replaces_that_of_the_header(root: Path) -> None:
    write(root / "ct" / "slice0", SOPInstanceUID="1.2.9.0", Modality="MR", BurnedInAnnotation="NO")
    assert kinds(DicomFolder(root))["ct/slice0"] == "contradiction"
    assert kinds(DicomFolder(root, modality="CT_SCAN"))["ct/slice0"] == ""
    assert kinds(DicomFolder(root, modality="CT_SCAN"))["us/one"] == "burned_in", "what it is counts, not what is said"


def test_what_is_known_is_not_sent_to_other_processes(root: Path) -> None:
    folder = DicomFolder(root)
    folder.find("1.2.3.7")
    assert len(pickle.dumps(folder)) < 1000


def test_a_root_that_is_no_folder(root: Path) -> None:
    with pytest.raises(ValueError, match=r"notes\.txt: is no folder"):
        DicomFolder(root / "notes.txt")


def test_a_series_whose_slices_are_turned_by_noise_is_one_volume(root: Path) -> None:
    for number, tilt in enumerate(("0.00499", "0.00501")):
        write(
            root / "tilted" / f"{number}", SOPInstanceUID=f"1.2.8.{number}", SeriesInstanceUID="1.2.8",
            ImageOrientationPatient=["1", tilt, "0", "0", "1", "0"], ImagePositionPatient=["0", "0", f"{number}"],
        )  # fmt: skip
    assert paths(DicomFolder(root), "tilted") == paths(DicomFolder(root), "1.2.8") == ["tilted/0", "tilted/1"]
