"""Images of a study, from a folder of files and shards."""

import io
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from medix.studies.preference.image_folder import ImageFolder, browser_images, for_browser
from medix.studies.preference.model_answers import NamedImage
from tests.support.studies import digest, picture


def write_tar(path: Path, **members: bytes) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name.replace("_", "."))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_an_image_is_found_by_its_hash_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "anything.png").write_bytes(picture(1))
    write_tar(tmp_path / "x.tar", a_json=b"{}", a_png=picture(2), b_png=picture(3))
    wanted = [NamedImage("gone.png", digest(picture(shade))) for shade in (1, 3, 9)]
    assert ImageFolder(tmp_path).find(wanted) == {wanted[0]: picture(1), wanted[1]: picture(3)}


def test_a_file_of_the_right_name_with_another_content_is_not_the_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture(1))
    assert ImageFolder(tmp_path).find([NamedImage("a.png", digest(picture(2)))]) == {}


def test_files_that_are_named_are_read_first(tmp_path: Path) -> None:
    """The tar in front of it in the order of names is damaged, and is not opened."""
    (tmp_path / "a.tar").write_bytes(b"no tar")
    write_tar(tmp_path / "b.tar", x_png=picture(1))
    image = NamedImage("data/b.tar/x.png", digest(picture(1)))
    assert ImageFolder(tmp_path).find([image]) == {image: picture(1)}
    with pytest.raises(ValueError, match=r"a\.tar: .*repair the tar"):
        ImageFolder(tmp_path).find([NamedImage("else.png", "0" * 16)])


def test_without_a_hash_the_path_below_the_folder_counts(tmp_path: Path) -> None:
    inside = tmp_path / "images"
    inside.mkdir()
    (inside / "a.png").write_bytes(picture(1))
    (tmp_path / "secret.png").write_bytes(picture(2))
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    names = ("a.png", "../secret.png", str(tmp_path / "secret.png"), "link.png", ".")
    found = ImageFolder(inside).find([NamedImage(name, "") for name in names])
    assert found == {NamedImage("a.png", ""): picture(1)}


def test_a_browser_gets_a_png_without_metadata() -> None:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "patient Doe"
    Image.new("I;16", (3, 2), 4000).save(stream, "TIFF", exif=exif)
    assert b"Doe" in stream.getvalue()
    shown = for_browser(stream.getvalue())
    assert b"Doe" not in shown
    opened = Image.open(io.BytesIO(shown))
    assert (opened.format, opened.mode, opened.size) == ("PNG", "RGB", (3, 2))


def test_images_that_are_missing_or_damaged_are_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    gone, bad = NamedImage("gone.png", ""), NamedImage("bad.png", "")
    shown, missing = browser_images(tmp_path, [gone, bad, gone])
    assert shown == {}
    assert missing["gone.png"] == "is not there"
    assert "cannot be decoded" in missing["bad.png"]
    assert browser_images(None, [gone]) == ({}, {"gone.png": "is not there"})


def test_what_is_no_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"--images .*gone: is no folder"):
        ImageFolder(tmp_path / "gone")
