"""Which tars are read; what becomes of them is in ``tests/data/test_adoption.py``."""

import zipfile
from pathlib import Path

import pytest

from medix.data.sources.stored_image import listed_image
from medix.data.sources.table_file import TableError
from medix.data.sources.table_source import Reading
from medix.data.sources.webdataset import WebDatasetSource
from tests.data.conftest import picture
from tests.support.sources import samples
from tests.support.tars import tar


def test_tars_of_a_folder_a_pattern_or_braces(tmp_path: Path) -> None:
    for name, suffix in (("a-000", "tar"), ("a-001", "tar"), ("b-000", "TAR")):
        row = {"id": name, "problem": "q", "solution": "<X_RAY> r"}
        tar(tmp_path / f"{name}.{suffix}", {"0": {"json": row, "png": picture(1)}})
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


def test_what_is_no_tar_is_named_with_its_remedy(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "zip.tar", "w") as archive:
        archive.writestr("a.json", "{}")
    (tmp_path / "gz.tar").write_bytes(b"\x1f\x8b\x08" + bytes(600))
    (tmp_path / "text.tar").write_text("hello" * 200)
    two = tar(tmp_path / "cut.tar", {"a": {"txt": b"x"}, "b": {"txt": b"x"}})
    two.write_bytes(two.read_bytes().replace(b"b.txt", b"\xff.txt", 1))  # tarfile reads one sample and ends
    tar(tmp_path / "npy.tar", {"a": {"npy": b"x"}})
    tar(tmp_path / "webp.tar", {"a": {"webp": b"x"}})
    for name, told in (
        ("zip.tar", "is a ZIP archive; unpack it and pack the files as a tar"),
        ("gz.tar", "is compressed with gzip"),
        ("text.tar", "no valid header at byte 0"),
        ("cut.tar", "no valid header at byte 1,024, after member 'a.txt'.*; fetch it again"),
        ("npy.tar", "holds no samples of images, json, txt and cls"),
        ("webp.tar", "is an image that shards do not hold"),
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
