"""Which images of a DICOM series are shown, and in which order."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.data.sources.dicom_series import MAX_FRAMES, MIDDLE, FrameChoice, Orientations, Place, Slot, in_order, places
from medix.data.sources.source import RowError
from tests.support.dicoms import header

AXIAL = ["1", "0", "0", "0", "1", "0"]
CORONAL = ["1", "0", "0", "0", "0", "-1"]


def slot(tag: str = "CT_SCAN", known: Orientations | None = None, **elements: object) -> Slot:
    return Slot.of(header(**elements), "a", tag, known or Orientations())


def test_frames_by_hand() -> None:
    """Of 10 frames 3 are those in the middle of 0 to 3.3, 3.3 to 6.7 and 6.7 to 10: 1.67, 5 and 8.33, rounded down."""
    assert FrameChoice(3).of(10) == [1, 5, 8]
    assert [MIDDLE.of(count) for count in (1, 2, 3, 4)] == [[0], [1], [1], [2]]
    assert FrameChoice(None).of(4) == FrameChoice(4).of(4) == FrameChoice(9).of(4) == [0, 1, 2, 3]


@given(number=st.integers(1, 50), count=st.integers(1, 500))
def test_frames_are_distinct_in_order_and_evenly_spaced(number: int, count: int) -> None:
    taken = FrameChoice(number).of(count)
    assert len(taken) == min(number, count)
    assert taken == sorted(set(taken))
    assert taken[0] >= 0
    assert taken[-1] < count
    steps = {later - earlier for earlier, later in itertools.pairwise(taken)}
    assert not steps or max(steps) - min(steps) <= 1


def test_choices() -> None:
    assert [FrameChoice.parse(text).number for text in ("middle", "all", "12")] == [1, None, 12]


@pytest.mark.parametrize("text", ["", "0", "-1", "first", "1.5", "٣"])
def test_what_is_no_choice(text: str) -> None:
    with pytest.raises(ValueError, match="give middle, all, or a number of frames"):
        FrameChoice.parse(text)


def test_the_position_is_along_the_normal_of_the_slices() -> None:
    """Axial: x cross y is z. Coronal: x cross -z is y."""
    origin = ["-100", "-120", "35.5"]
    axial, coronal = (slot(ImageOrientationPatient=axes, ImagePositionPatient=origin) for axes in (AXIAL, CORONAL))
    assert (axial.position, coronal.position) == (35.5, -120.0)
    assert axial.stack != coronal.stack


def test_slices_are_sorted_by_position_and_not_by_number_or_name() -> None:
    slots = [Slot(f"{9 - z}", 1, float(z), 100 - z, "s") for z in range(5)]
    random.Random(1).shuffle(slots)
    assert [slot.position for slot in in_order(slots)] == [0, 1, 2, 3, 4]


def test_without_every_position_they_are_sorted_by_number_then_name() -> None:
    slots = [
        Slot("c", 1, 0.0, 2, "s"),
        Slot("b", 1, None, 1, "s"),
        Slot("d", 1, 5.0, None, "s"),
        Slot("a", 1, 9.0, 2, "s"),
    ]
    assert [slot.path for slot in in_order(slots)] == ["b", "a", "c", "d"]


@pytest.mark.parametrize(
    ("tag", "elements", "is_slice"),
    [
        ("CT_SCAN", {}, True),
        ("MRI_SCAN", {}, True),
        ("X_RAY", {}, False),  # two views of a chest are no volume
        ("MAMMOGRAPHY", {}, False),
        ("OCT_SCAN", {"ImageOrientationPatient": AXIAL, "ImagePositionPatient": ["0", "0", "1"]}, True),
        ("OCT_SCAN", {"ImageOrientationPatient": ["0"] * 6, "ImagePositionPatient": ["0", "0", "1"]}, False),
        ("CT_SCAN", {"SeriesInstanceUID": None}, False),
        ("CT_SCAN", {"NumberOfFrames": "3"}, False),
    ],
)
def test_what_is_a_slice(tag: str, elements: dict[str, object], is_slice: bool) -> None:
    assert bool(slot(tag, **elements).stack) == is_slice


def test_frames_of_several_files_are_one_sequence() -> None:
    slots = [Slot("b", 1, 2.0, 1, ""), Slot("a", 3, 1.0, 2, "")]
    assert places(slots, FrameChoice(None)) == [Place("a", 0, 0), Place("a", 1, 1), Place("a", 2, 2), Place("b", 0, 3)]
    assert places(slots, MIDDLE) == [Place("a", 2, 2)]
    assert places(slots, FrameChoice(2)) == [Place("a", 1, 1), Place("b", 0, 3)]


def test_any_stated_number_of_frames_takes_no_memory() -> None:
    slots = [Slot("a", 10**12, None, 1, ""), Slot("b", 1, None, 2, "")]
    assert places(slots, MIDDLE) == [Place("a", 10**12 // 2, 10**12 // 2)]
    for choice in (FrameChoice(None), FrameChoice(MAX_FRAMES + 1)):
        with pytest.raises(RowError, match="at most 65536 frames"):
            places(slots, choice)


def test_a_position_that_is_no_number_is_none() -> None:
    origin = ["1e200", "1e200", "1e200"]
    axes = ["1e200", "0", "0", "0", "1e200", "0"]
    assert slot(ImageOrientationPatient=axes, ImagePositionPatient=origin).position is None


def test_slices_whose_orientation_differs_by_noise_are_one_volume_also_at_the_border_of_rounding() -> None:
    """0.00499 and 0.00501 are 0.00 and 0.01 in two digits. Localizers and other series are told apart."""
    known = Orientations()
    stacks = [
        slot(known=known, ImageOrientationPatient=["1", tilt, "0", "0", "1", "0"]).stack
        for tilt in ("0.00499", "0.00501", "-0.005", "0.02")
    ]
    assert stacks[0] == stacks[1] == stacks[2] == slot(ImageOrientationPatient=AXIAL).stack
    assert stacks[3] != stacks[0]
    others = [
        slot(known=known, **elements).stack
        for elements in (
            {"ImageOrientationPatient": CORONAL}, {"ImageOrientationPatient": AXIAL, "SeriesInstanceUID": "1.2.9"}, {},
            {"ImageOrientationPatient": AXIAL, "Rows": 4},
        )
    ]  # fmt: skip
    assert len({stacks[0], *others}) == 5


def test_slices_of_one_volume_are_ordered_along_one_normal() -> None:
    """250 mm off the axis, a cosine that is off by 0.005 moves a slice by 1.25 mm, and neighbours are 1 mm apart."""
    known, noise = Orientations(), random.Random(1)
    slots = [
        slot(
            known=known,
            ImageOrientationPatient=[f"{one + noise.uniform(-0.005, 0.005):.6f}" for one in map(float, AXIAL)],
            ImagePositionPatient=["-250", "-250", str(z)],
            InstanceNumber=str(z),
        )
        for z in range(40)
    ]
    assert len({one.stack for one in slots}) == 1
    assert [one.number for one in in_order(noise.sample(slots, len(slots)))] == [*range(40)]
