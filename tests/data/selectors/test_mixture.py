from collections import Counter

import pytest

from medix.data.selectors.mixture import MixtureSelector
from medix.data.stream import Stream
from tests.support.streams import manifest


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """Eight CT samples of data set a, half of source x and half of y, and two MRI samples of b, of source x."""
    folder = tmp_path_factory.mktemp("m")
    return Stream([
        manifest(folder, "a", [8], "CT_SCAN", source=lambda i: "xy"[i % 2]),
        manifest(folder, "b", [2], "MRI_SCAN", source=lambda i: "x"),
    ])  # fmt: skip


def test_weights_of_the_axes_are_multiplied(stream: Stream) -> None:
    """CT of x: 4 samples of weight 3; CT of y: 4 of weight 1; MRI of x: 2 of weight 2 * 3. In all 12 + 4 + 12."""
    selector = MixtureSelector(modality={"MRI_SCAN": 2}, source={"x": 3})
    selector.bind(stream)
    assert [part.label for part in selector.parts] == [("CT_SCAN", "x"), ("CT_SCAN", "y"), ("MRI_SCAN", "x")]
    assert selector.shares(0) == pytest.approx([12 / 28, 4 / 28, 12 / 28])
    found = Counter(selector.locate(i).shard for i in range(280))
    assert found == pytest.approx({0: 160, 1: 120}, abs=2)


def test_equal_shares_for_all_modalities(stream: Stream) -> None:
    selector = MixtureSelector(by=["modality"], exponent=0)
    selector.bind(stream)
    assert selector.shares(5) == [0.5, 0.5]


def test_without_weights_everything_is_one_part(stream: Stream) -> None:
    selector = MixtureSelector()
    selector.bind(stream)
    assert [len(part) for part in selector.parts] == [10]
    assert len({selector.locate(i) for i in range(10)}) == 10


def test_a_name_that_no_sample_has_is_refused_with_those_there_are(stream: Stream) -> None:
    with pytest.raises(ValueError, match=r"data\.selector\.source: no training sample has source z; available: x, y"):
        MixtureSelector(source={"z": 2}).bind(stream)


def test_an_unknown_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"data\.selector\.by: case; give modality, source, dataset"):
        MixtureSelector(by=["case"])


def test_settings_tell_mixtures_apart() -> None:
    assert MixtureSelector(modality={"X_RAY": 2}).settings() == MixtureSelector(modality={"X_RAY": 2}).settings()
    assert MixtureSelector(modality={"X_RAY": 2}).settings() != MixtureSelector(source={"X_RAY": 2}).settings()
