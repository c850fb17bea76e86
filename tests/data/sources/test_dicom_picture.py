"""One frame of a DICOM image as a picture of eight bits."""

import warnings
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pydicom.data
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.tag import Tag

from medix.data.sources.dicom_decode import decode
from medix.data.sources.dicom_file import read_header
from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.dicom_picture import DicomPicture, DicomRenderer
from medix.data.sources.dicom_window import WindowChoice
from medix.data.sources.source import RowError
from tests.support.dicoms import dataset, item

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"
ANGIOGRAPHY = "1.2.840.10008.5.1.4.1.1.12.1"


def render(made: Dataset, window: str = "file", tag: str = "CT_SCAN", frame: int = 0) -> DicomPicture:
    found = DicomHeader(made, frame)
    (decoded,) = decode(Path(), found, [frame])
    return DicomRenderer(WindowChoice.parse(window)).render(found, decoded.values, decoded.photometric, tag)


def shown(pixels: Any = ((0, 1), (2, 3)), window: str = "file", tag: str = "CT_SCAN", **elements: Any) -> list[Any]:
    return np.asarray(render(dataset(pixels, **elements), window, tag).image).tolist()


HAND = {"RescaleSlope": "2", "RescaleIntercept": "-3", "WindowCenter": "0.5", "WindowWidth": "5"}
"""Stored 0, 1, 2, 3 are the values -3, -1, 1, 3; the window is black up to 0 - 2 and white from 0 + 2: -1 is a quarter
of 255, 1 three quarters."""


def test_rescale_then_window_by_hand() -> None:
    assert shown(**HAND) == [[0, 64], [191, 255]]


@pytest.mark.parametrize(
    ("photometric", "shape", "is_inverted"),
    [
        ("MONOCHROME1", None, True),
        ("MONOCHROME1", "INVERSE", True),
        ("MONOCHROME1", "IDENTITY", True),
        ("MONOCHROME2", None, False),
        ("MONOCHROME2", "IDENTITY", False),
        ("MONOCHROME2", "INVERSE", True),
    ],
)
def test_inverted_exactly_once(photometric: str, shape: str | None, is_inverted: bool) -> None:
    found = shown(**HAND, PhotometricInterpretation=photometric, PresentationLUTShape=shape)
    assert found == ([[255, 191], [64, 0]] if is_inverted else [[0, 64], [191, 255]])


def test_functions_of_the_window() -> None:
    """Exact: from 0.5 - 2.5 to 0.5 + 2.5, so that -1 is a fifth and 1 three fifths."""
    assert shown(**HAND, VOILUTFunction="LINEAR_EXACT") == [[0, 51], [153, 255]]
    assert shown(**HAND, VOILUTFunction="SIGMOID")[0][0] == round(255 / (1 + np.exp(4 * 3.5 / 5)))


def test_of_several_windows_the_first_is_taken() -> None:
    assert shown(**HAND | {"WindowCenter": ["0.5", "900"], "WindowWidth": ["5", "1"]}) == [[0, 64], [191, 255]]


@pytest.mark.parametrize("width", ["0", "0.5", "-7", None])
def test_without_a_valid_window_the_range_is_shown(width: str | None) -> None:
    """Of 0, 1, 2, 3: a third of 255 is 85."""
    found = render(dataset(WindowCenter="40", WindowWidth=width))
    assert (np.asarray(found.image).tolist(), found.kind, found.window) == ([[0, 85], [170, 255]], "range", "0..3")


def test_a_window_of_numbers_and_a_named_one() -> None:
    """The lung window is black up to -600.5 - 749.5 = -1350 and white from 149: -601 is half of 255."""
    pixels, rescale = ((0, 423), (424, 2000)), {"RescaleSlope": "1", "RescaleIntercept": "-1024"}
    assert shown(pixels, "lung", **rescale) == [[55, 127], [128, 255]]
    assert shown(pixels, "-600/1500", tag="MRI_SCAN", **rescale) == [[55, 127], [128, 255]]


def test_a_named_window_is_for_ct_only() -> None:
    assert shown(window="lung", tag="MRI_SCAN", **HAND) == shown(**HAND)


def test_a_named_window_needs_hounsfield_units() -> None:
    with pytest.raises(RowError, match="values are not Hounsfield units"):
        shown(window="lung")


def test_a_window_that_no_pixel_lies_in_is_told() -> None:
    found = render(dataset(WindowCenter="900", WindowWidth="10"))
    assert found.is_blank
    assert np.asarray(found.image).tolist() == [[0, 0], [0, 0]]
    assert not render(dataset(((5, 5), (5, 5)), WindowCenter="900", WindowWidth="10")).is_blank


def test_padding_is_black_and_not_part_of_the_range() -> None:
    """-2000 is stated as an unsigned number, as some files do: 65536 - 2000."""
    found = shown(((-2000, 1), (2, 3)), PixelPaddingValue=63536)
    assert found == [[0, 0], [128, 255]]
    inverted = shown(((-2000, 1), (2, 3)), PixelPaddingValue=63536, PhotometricInterpretation="MONOCHROME1")
    assert inverted == [[0, 255], [127, 0]]


def test_a_range_of_padding() -> None:
    assert shown(((0, 1), (7, 9)), PixelPaddingValue=0, PixelPaddingRangeLimit=1) == [[0, 0], [0, 255]]


def test_an_image_of_padding_alone_is_a_fault() -> None:
    with pytest.raises(RowError, match="no finite value that is not padding"):
        shown(((5, 5), (5, 5)), PixelPaddingValue=5)


def test_signed_pixels_of_12_bits() -> None:
    """-1 and -2048 in the lower twelve of sixteen bits, the upper four empty."""
    stored = np.array([[0x0FFF, 0x0800], [0, 0x07FF]], np.uint16)
    made = dataset(stored, BitsStored=12, PixelRepresentation=1, WindowCenter="0", WindowWidth="4096")
    assert np.asarray(render(made).image).tolist() == [[127, 0], [128, 255]]


def test_an_overlay_in_unused_bits_is_no_part_of_the_values() -> None:
    stored = np.array([[0x8000, 0x8001], [2, 3]], np.uint16)
    assert shown(stored, BitsStored=12) == [[0, 85], [170, 255]]


def test_up_to_eight_bits_are_shown_as_they_are() -> None:
    assert shown(np.array([[0, 7], [100, 255]], np.uint8)) == [[0, 7], [100, 255]]
    assert shown(np.array([[-128, -121], [-28, 127]], np.int8)) == [[0, 7], [100, 255]]
    assert shown(np.array([[0, 1], [2, 3]], np.uint8), BitsStored=2) == [[0, 85], [170, 255]]
    packed = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "PixelData": b"\x09\x00"}
    assert shown(np.zeros((2, 2), np.uint8), **packed) == [[255, 0], [0, 255]]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_floats_are_shown_over_their_range_and_nan_is_black(photometric: str) -> None:
    values = np.array([[-1.0, 0.0], [1.0, np.nan]], np.float32)
    found = shown(values, PixelData=None, FloatPixelData=values.tobytes(), BitsStored=None, HighBit=None,
                  PixelRepresentation=None, PhotometricInterpretation=photometric)  # fmt: skip
    assert found == ([[0, 128], [255, 0]] if photometric == "MONOCHROME2" else [[255, 127], [0, 0]])


def test_a_modality_table_comes_before_the_window() -> None:
    """0 to 3 become 10, 30, 20, 40; the window is from 10 to 40."""
    table = item(LUTDescriptor=[4, 0, 16], LUTData=[10, 30, 20, 40], ModalityLUTType="US")
    window = {"WindowCenter": "25", "WindowWidth": "30", "VOILUTFunction": "LINEAR_EXACT"}
    assert shown(ModalityLUTSequence=[table], **window) == [[0, 170], [85, 255]]
    assert shown(ModalityLUTSequence=[table], **window, SOPClassUID=ANGIOGRAPHY) == [[0, 0], [0, 0]]


def test_a_window_table_comes_before_a_window() -> None:
    table = item(LUTDescriptor=[4, 0, 8], LUTData=[255, 0, 51, 102])
    assert shown(VOILUTSequence=[table], WindowCenter="1", WindowWidth="2") == [[255, 0], [51, 102]]
    broken = item(LUTDescriptor=[4, 0, 8], LUTData=[255])
    found = render(dataset(VOILUTSequence=[broken], WindowCenter="1", WindowWidth="2"))
    assert found.kind == "file"


HIGH = {"LUTDescriptor": [4, 40000, 8], "LUTData": [0, 85, 170, 255]}
LOW = {**HIGH, "LUTDescriptor": [4, -3, 8]}
RISING = {"LUTDescriptor": [4, 0, 16], "LUTData": [40000, 40001, 40002, 40003], "ModalityLUTType": "US"}


def _rescale(slope: str, intercept: str, **more: Any) -> dict[str, Any]:
    return {"RescaleSlope": slope, "RescaleIntercept": intercept, **more}


@pytest.mark.parametrize(
    ("pixels", "signed", "table", "vr", "elements"),
    [
        ([[0, 1], [2, 3]], True, HIGH, "US", {"ModalityLUTSequence": []}),
        ([[7232, 7233], [7234, 7235]], True, HIGH, "US", _rescale("1", "32768")),
        ([[3, 2], [1, 0]], False, LOW, "SS", _rescale("-1", "0")),
        ([[1021, 1022], [1023, 1024]], False, LOW, "SS", _rescale("1", "-1024")),
        ([[0, 1], [2, 3]], False, HIGH, "US", _rescale("1", "40000", BitsStored=12)),
        ([[40100, 40101], [40102, 40103]], False, HIGH, "US", _rescale("1", "-100")),
        ([[40000, 40001], [40002, 40003]], False, HIGH, "US", {}),
        ([[-3, -2], [-1, 0]], True, LOW, "SS", {}),
    ],
)
def test_the_first_value_of_a_window_table_has_the_sign_of_what_is_looked_up(
    pixels: Any, signed: bool, table: dict[str, Any], vr: str, elements: dict[str, Any], tmp_path: Path
) -> None:
    made = item(**table)
    made["LUTDescriptor"].VR = vr
    made["LUTData"].VR = "US"
    if "ModalityLUTSequence" in elements:
        rising = item(**RISING)
        rising["LUTDescriptor"].VR = rising["LUTData"].VR = "US"
        elements = {"ModalityLUTSequence": [rising]}
    full = dataset(np.array(pixels, np.int16 if signed else np.uint16), VOILUTSequence=[made], **elements)
    full.save_as(tmp_path / "a.dcm", enforce_file_format=True)
    read = pydicom.dcmread(tmp_path / "a.dcm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a rescale gives floats
        theirs = apply_voi_lut(np.rint(apply_modality_lut(read.pixel_array, read)).astype(np.int64), read)
    ours = np.asarray(render(read).image)
    assert ours.tolist() == theirs.tolist()
    assert sorted(ours.flat) == [0, 85, 170, 255]


@pytest.mark.parametrize(("vr", "unit"), [("US", {"RescaleType": "HU"}), ("SS", {})])
def test_hounsfield_units_are_signed_whatever_the_file_states(vr: str, unit: dict[str, str]) -> None:
    """The values -3 to 0; the bits of -3 are those of 65533."""
    made = item(LUTDescriptor=[4, 65533 if vr == "US" else -3, 8], LUTData=[0, 85, 170, 255])
    made["LUTDescriptor"].VR = vr
    pixels = [[1021, 1022], [1023, 1024]]
    assert shown(pixels, VOILUTSequence=[made], **_rescale("1", "-1024", **unit)) == [[0, 85], [170, 255]]


def test_a_slope_of_zero_is_a_fault() -> None:
    with pytest.raises(RowError, match="every pixel would have the same value"):
        shown(RescaleSlope="0", RescaleIntercept="0")


@pytest.mark.parametrize("keyword", ["RescaleSlope", "RescaleIntercept", "PixelPaddingValue"])
def test_a_number_that_cannot_be_read_is_not_missing(keyword: str) -> None:
    made = dataset(**HAND)
    tag = Tag(keyword)
    made._dict[tag] = RawDataElement(tag, "DS", 4, b"two ", 0, False, True)
    with pytest.raises(RowError, match=f"{keyword}: None; it is no number"):
        render(made)


def test_each_frame_has_its_own_window() -> None:
    frames = [item(FrameVOILUTSequence=[item(WindowCenter=str(center), WindowWidth="2")]) for center in (1, 3)]
    made = dataset(np.array([[[0, 3]], [[0, 3]]], np.uint16), PerFrameFunctionalGroupsSequence=frames)
    assert [np.asarray(render(made, frame=one).image).tolist() for one in (0, 1)] == [[[0, 255]], [[0, 255]]]
    assert [render(made, frame=one).window for one in (0, 1)] == ["1/2 LINEAR", "3/2 LINEAR"]


def palette(bits: int, *entries: Any) -> dict[str, Any]:
    kind = np.uint8 if bits == 8 else "<u2"
    found: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, values in zip(("Red", "Green", "Blue"), entries, strict=True):
        found[f"{name}PaletteColorLookupTableDescriptor"] = [len(values), 0, bits]
        found[f"{name}PaletteColorLookupTableData"] = np.array(values, kind).tobytes()
    return found


def test_palettes() -> None:
    """Value 3 is beyond the table and gets its last entry; of 16 bits the upper eight count, unless they are empty."""
    pixels = np.array([[0, 1], [1, 3]], np.uint8)
    expected = [[[1, 3, 5], [2, 4, 6]], [[2, 4, 6], [2, 4, 6]]]
    assert shown(pixels, **palette(8, [1, 2], [3, 4], [5, 6])) == expected
    assert shown(pixels, **palette(16, [256, 512], [768, 1024], [1280, 1536])) == expected
    assert shown(pixels, **palette(16, [1, 2], [3, 4], [5, 6])) == expected


@pytest.mark.parametrize("is_segmented", [False, True])
def test_the_bits_of_a_palette_do_not_depend_on_the_colours_that_a_frame_shows(is_segmented: bool) -> None:
    """Colours 3 and 512 of 16 bits are 0 and 2 of eight, also where the frame has only the first."""
    elements = palette(16, *[[3, 512]] * 3)
    if is_segmented:  # one discrete segment (0) of two entries
        for name in ("Red", "Green", "Blue"):
            values = elements.pop(f"{name}PaletteColorLookupTableData")
            elements[f"Segmented{name}PaletteColorLookupTableData"] = b"\0\0\2\0" + values
    assert shown(np.array([[0, 1]], np.uint8), **elements) == [[[0, 0, 0], [2, 2, 2]]]
    assert shown(np.array([[0, 0]], np.uint8), **elements) == [[[0, 0, 0], [0, 0, 0]]]


def test_colours() -> None:
    """In YBR 76, 85, 255 is nearly pure red; the planes of configuration 1 come one after the other."""
    pixels = np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)
    assert shown(pixels) == pixels.tolist()
    planes = pixels.transpose(2, 0, 1).tobytes()
    assert shown(pixels, PlanarConfiguration=1, PixelData=planes) == pixels.tolist()
    assert shown(pixels.astype(np.uint16) << 8) == pixels.tolist()
    red = shown(np.array([[[76, 85, 255], [76, 85, 255]]], np.uint8), PhotometricInterpretation="YBR_FULL")
    assert red == [[[254, 0, 0], [254, 0, 0]]]


def test_colour_spaces_that_are_not_supported() -> None:
    with pytest.raises(RowError, match="'HSV'; this colour space is not supported"):
        shown(np.zeros((1, 2, 3), np.uint8), PhotometricInterpretation="HSV")


@pytest.mark.parametrize(
    "name",
    [
        "693_J2KI.dcm", "J2K_pixelrep_mismatch.dcm", "MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm",
        "MR_small_implicit.dcm", "examples_overlay.dcm", "image_dfl.dcm", "examples_jpeg2k.dcm",
        "SC_ybr_full_422_uncompressed.dcm", "examples_ybr_color.dcm",
        "dicomdirtests/77654033/CR1/6154", "dicomdirtests/98892001/CT5N/2062", "dicomdirtests/98892003/MR1/4919",
    ],
)  # fmt: skip
def test_pictures_are_those_of_highdicom(name: str) -> None:
    """Apart from rounding. highdicom takes the one step of LINEAR off the width divided by the slope, and not off the
    width: of 6154 (inverted, slope 0.684) that is up to 0.02."""
    found = read_header(BUNDLED / name, with_pixels=True)
    (frame,) = decode(BUNDLED / name, found, [0])
    mine = np.asarray(DicomRenderer().render(found, frame.values, frame.photometric, "CT_SCAN").image)
    whole = highdicom.imread(BUNDLED / name)
    theirs = whole.get_frame(1, apply_voi_transform=None, voi_output_range=(0, 255), apply_icc_profile=False)
    assert mine.shape == theirs.shape
    assert np.abs(mine - theirs.astype(float)).max() <= 0.52


def test_frames_of_an_enhanced_object_are_shown_as_their_single_files(tmp_path: Path) -> None:
    """highdicom moves window and intercept, here different for each slice, into functional groups."""
    slices = [pydicom.dcmread(path) for path in sorted((BUNDLED / "dicomdirtests/98892001/CT5N").iterdir())[:2]]
    for number, one in enumerate(slices):
        one.WindowCenter, one.RescaleIntercept = str(40 + 20 * number), str(-1024 + 7 * number)
    uid = highdicom.UID()
    both = highdicom.legacy.LegacyConvertedEnhancedCTImage(slices, uid, 1, uid, 1)
    assert "WindowCenter" not in both
    assert [np.asarray(render(both, frame=place).image).tolist() for place in (0, 1)] == [
        np.asarray(render(one).image).tolist() for one in slices
    ]
