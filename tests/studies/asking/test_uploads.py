"""Pictures from a browser."""

import io
from pathlib import Path

import pytest
from PIL import Image

from medix.data.picture import PictureError
from medix.data.sources.single_picture import read_picture
from medix.studies.asking.uploads import preview, uploaded
from tests.support.dicoms import write
from tests.support.studies import picture


def test_a_picture_is_the_one_of_ask(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcm")
    assert uploaded("a.dcm", path.read_bytes()) == read_picture(path)
    assert uploaded("scan", path.read_bytes()) == read_picture(path), "its mark tells what it is"
    assert uploaded("a.png", picture(5)) == picture(5)


@pytest.mark.parametrize("name", ["a.txt", "../../a", "", "a.dcm", "‮.png"])
def test_what_is_no_picture_is_told_by_its_name_alone(name: str) -> None:
    with pytest.raises(PictureError) as raised:
        uploaded(name, b"nothing")
    assert "medix-ask-" not in str(raised.value)
    assert (name or "the file") in str(raised.value)


def test_a_preview_is_what_a_browser_can_show() -> None:
    stream = io.BytesIO()
    Image.new("I;16", (5, 4), 700).save(stream, "TIFF")
    assert Image.open(io.BytesIO(preview(stream.getvalue()))).format == "PNG"
