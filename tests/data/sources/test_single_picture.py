"""One picture from a file, as it is or as DICOM shows it."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medix.data.picture import PictureError
from medix.data.sources.dicom_window import WindowChoice
from medix.data.sources.single_picture import read_picture
from tests.support.dicoms import write
from tests.support.tiny import picture

HU = np.array([[-1000, 0], [40, 240]], np.int16)


def shades(data: bytes) -> list[int]:
    return np.asarray(Image.open(io.BytesIO(data))).ravel().tolist()


def test_an_ordinary_picture_goes_on_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture(1))
    assert read_picture(path) == picture(1)


def test_a_dicom_frame_is_shown_through_a_window(tmp_path: Path) -> None:
    """Window 40/401 ends at -160.5 and 239.5: -1000 is black, 40 is half, 240 is white."""
    path = write(tmp_path / "a", HU, RescaleSlope=1, RescaleIntercept=0, WindowCenter=40, WindowWidth=401)
    assert [shades(read_picture(path))[place] for place in (0, 2, 3)] == [0, 128, 255]
    assert shades(read_picture(path, WindowChoice.parse("0/3")))[2] == 255


def test_the_frame_in_the_middle_is_taken_unless_another_is_named(tmp_path: Path) -> None:
    frames = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    path = write(tmp_path / "a.dcm", frames)
    assert [shades(read_picture(path, frame=frame))[0] for frame in (None, 0, 2)] == [1, 0, 2]
    with pytest.raises(ValueError, match=r"--frame 3: .*a\.dcm has frames 0 to 2"):
        read_picture(path, frame=3)


def test_errors_name_the_file_and_repeat_nothing_of_a_header(tmp_path: Path) -> None:
    torn = write(tmp_path / "a.dcm", HU, PixelData=b"Doe^")
    text = tmp_path / "b.dcm"
    text.write_text("Doe^Jane")
    odd = write(tmp_path / "c.dcm", HU, RescaleSlope=None, PhotometricInterpretation="DOE")
    for path in (torn, text, odd):
        with pytest.raises(PictureError, match=rf"{path.name}: \w+: ") as caught:
            read_picture(path)
        assert "doe" not in str(caught.value).lower()


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"torn")
    with pytest.raises(PictureError, match=r"a\.png: an image of 4 bytes cannot be decoded"):
        read_picture(path)
    path.write_bytes(picture(1))
    with pytest.raises(ValueError, match=r"a\.png: is no DICOM file"):
        read_picture(path, frame=0)
    with pytest.raises(FileNotFoundError):
        read_picture(tmp_path / "nowhere.png")
