"""Display windows of DICOM images."""

import numpy as np
import pytest
from highdicom.pixels import apply_voi_window
from hypothesis import given
from hypothesis import strategies as st

from medix.data.sources.dicom_window import NAMED, OF_FILE, LinearWindow, SigmoidWindow, WindowChoice


def test_a_linear_window_by_hand() -> None:
    """Centre 40 and width 11: black up to 39.5 - 5 = 34.5, white from 39.5 + 5 = 44.5; 39.5 is half of 255."""
    window = LinearWindow.of(40, 11)
    assert (window.low, window.high) == (34.5, 44.5)
    assert window.eight_bits(np.array([-1000.0, 34.5, 37.0, 39.5, 44.5, 3000.0])).tolist() == [0, 0, 64, 128, 255, 255]


def test_a_window_of_one_is_a_step() -> None:
    assert LinearWindow.of(40, 1).eight_bits(np.array([39.0, 39.5, 40.0])).tolist() == [0, 0, 255]


def test_an_exact_window_by_hand() -> None:
    """Centre 40 and width 10: from 35 to 45."""
    assert LinearWindow.exact(40, 10).eight_bits(np.array([35.0, 40.0, 45.0])).tolist() == [0, 128, 255]


def test_a_sigmoid_by_hand() -> None:
    """At the centre 255 / 2; a quarter of the width above it 255 / (1 + 1/e) = 186.4."""
    shown = SigmoidWindow(0, 100).eight_bits(np.array([-1e9, 0.0, 25.0, 1e9]))
    assert shown.tolist() == [0, 128, 186, 255]


@given(
    center=st.floats(-2000, 2000),
    width=st.floats(2, 4000),
    function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)
def test_windows_are_those_of_highdicom(center: float, width: float, function: str) -> None:
    values = np.linspace(-3000, 3000, 101)
    window = {"LINEAR": LinearWindow.of, "LINEAR_EXACT": LinearWindow.exact, "SIGMOID": SigmoidWindow}[function]
    expected = apply_voi_window(values, center, width, voi_lut_function=function, output_range=(0.0, 255.0))
    assert np.abs(window(center, width).eight_bits(values) - expected).max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("lung", NAMED["lung"]), ("40/400", (40, 400)), ("-600/1500.5", (-600, 1500.5)), ("file", None)],
)
def test_choices(text: str, numbers: tuple[float, float] | None) -> None:
    choice = WindowChoice.parse(text)
    assert choice.numbers == numbers
    assert choice.needs_hounsfield == (text == "lung")
    assert (choice == OF_FILE) == (text == "file")


@pytest.mark.parametrize("text", ["lungs", "40", "40/0", "40/-3", "nan/3", "", "40/400/2"])
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no window; give file, one of abdomen, bone.*or CENTER/WIDTH"):
        WindowChoice.parse(text)
