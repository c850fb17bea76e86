"""The range that a deep picture is shown with: single pixels do not set it, structures do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from medix.data.grey_range import GreyRange

NOISE = np.random.default_rng(0).integers(0, 20, (256, 256)).astype(float)


def test_a_row_by_hand() -> None:
    """Core 11 to 25 (the least and greatest of two neighbours), width 14: 4000 is beyond 25 + 28 and alone; 36 is not
    beyond 25 + 14. Two neighbours fill a block of a row."""
    assert GreyRange.of(np.array([[*range(10, 26), 4000.0]])) == (10, 25)
    assert GreyRange.of(-np.array([[*range(10, 26), 4000.0]])) == (-25, -10)
    assert GreyRange.of(np.array([[*range(10, 26), 36.0]])) == (10, 36)
    assert GreyRange.of(np.array([[*range(10, 26), 4000.0, 4001.0]])) == (10, 4001)
    assert GreyRange.of(np.array([[10.0, 11, 12, 4000]])) == (10, 4000)


@pytest.mark.parametrize(
    "places", [[(0, 0)], [(0, 0), (0, 1)], [(9, 9), (9, 10), (10, 9), (10, 10)], [(30, 4), (5, 40)]]
)
@pytest.mark.parametrize("value", [65535.0, -65535.0])
def test_single_pixels_and_small_clusters_do_not_set_the_range(places: list[tuple[int, int]], value: float) -> None:
    picture = np.arange(4096.0).reshape(64, 64)
    picture[tuple(zip(*places, strict=True))] = value
    assert (GreyRange.of(picture).low < 70, GreyRange.of(picture).high > 4025) == (True, True)
    assert max(abs(end) for end in GreyRange.of(picture)) < 4096


def test_two_defective_pixels_of_a_small_picture_do_not_set_the_range() -> None:
    picture = np.arange(64.0).reshape(8, 8)
    picture[1, 1] = picture[6, 3] = 65535
    assert GreyRange.of(picture) == (0, 63)


def test_a_bright_line_of_one_pixel_does_not_darken_the_rest() -> None:
    picture = NOISE.copy()
    picture[:, 100] = 65535
    assert GreyRange.of(picture).high < 60


def _thin(name: str, shape: tuple[int, int]) -> np.ndarray:
    """Where lines one pixel wide, or isolated pixels, are."""
    rows, columns = np.indices(shape)
    return {
        "frame": (rows % (shape[0] - 1) == 0) | (columns % (shape[1] - 1) == 0),
        "cross": (rows == 7) | (columns == 9),
        "diagonals": (rows == columns) | (rows == shape[1] - 1 - columns),
        "one row": rows == 11,
        "every third row": rows % 3 == 0,
        "grid": (rows % 8 == 0) | (columns % 8 == 0),
        "pixels": (rows % 9 == 4) & (columns % 9 == 4),  # 1.2 %
    }[name]


@pytest.mark.parametrize("name", ["frame", "cross", "diagonals", "one row", "every third row", "grid", "pixels"])
@pytest.mark.parametrize("shape", [(30, 30), (256, 200)])
def test_lines_one_pixel_wide_and_isolated_pixels_never_darken_a_picture(name: str, shape: tuple[int, int]) -> None:
    picture = np.add.outer(np.arange(shape[0]), np.arange(shape[1])) * 10.0
    largest = picture.max()
    picture[_thin(name, shape)] = 65535
    assert GreyRange.of(picture).high <= largest
    assert GreyRange.of(-picture).low >= -largest


def test_what_is_thin_and_most_of_a_picture_is_in_the_range() -> None:
    picture = NOISE.copy()
    picture[::2] = 1000
    assert GreyRange.of(picture) == (0, 1000)


@pytest.mark.parametrize("side", [2, 3, 5, 20])
@pytest.mark.parametrize("background", [np.zeros((256, 256)), NOISE], ids=["black", "noise"])
def test_a_small_bright_region_of_a_dark_picture_is_inside_the_range(side: int, background: np.ndarray) -> None:
    """A lesion of 2 x 3 pixels or more keeps its values; on a black background a single pixel does."""
    picture = background.copy()
    picture[100 : 100 + side, 50 : 53 + side] = 1000
    picture[101, 51] = 2000
    found = GreyRange.of(picture)
    assert found.low == 0
    assert found.high == 1000 + (1000 if background is not NOISE or side > 1 else 0)


def test_a_defective_pixel_inside_a_bright_region_is_still_an_outlier() -> None:
    picture = NOISE.copy()
    picture[100:105, 100:105] = 1000
    picture[102, 102] = 65535
    assert GreyRange.of(picture) == (0, 1000)


def test_without_outliers_it_is_minimum_to_maximum() -> None:
    picture = np.random.default_rng(1).normal(size=(64, 64))
    assert GreyRange.of(picture) == (picture.min(), picture.max())


def test_a_picture_of_one_value_is_black_and_one_of_two_is_both() -> None:
    assert not GreyRange.of(np.full((4, 4), 7.0)).eight_bits(np.full((4, 4), 7.0)).any()
    picture = np.full((8, 8), 7.0)
    picture[0, 0] = 9
    assert set(GreyRange.of(picture).eight_bits(picture).ravel()) == {0, 255}


@given(
    arrays(
        np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 1e308, -1e308, 5e-324, np.nan, np.inf])),
    )
)  # fmt: skip
def test_the_order_of_values_is_kept_and_both_ends_are_used(values: np.ndarray) -> None:
    finite = values[np.isfinite(values)]
    if not finite.size:
        with pytest.raises(ValueError, match="no finite value"):
            GreyRange.of(values)
        return
    with np.errstate(over="ignore"):
        found = GreyRange.of(values)
        shown = found.eight_bits(values)
    assert {found.low, found.high} <= set(finite)
    assert found.low <= np.sort(finite)[finite.size // 2] <= found.high or found.low == found.high
    order = np.argsort(values[np.isfinite(values)], kind="stable")
    assert (np.diff(shown[np.isfinite(values)][order].astype(int)) >= 0).all()
    if found.low < found.high:
        assert {0, 255} <= set(shown.ravel())
