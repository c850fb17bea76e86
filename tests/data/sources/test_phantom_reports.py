from collections import Counter

import numpy as np
import pytest

from medix.data.sources.phantom_reports import REQUESTS, PhantomReportSource, report
from medix.judge.statement import statements
from tests.data.sources.test_phantoms import _pixels


def test_every_scene_of_every_modality_occurs_equally_often() -> None:
    """Five modalities, two sides, two levels, ring or none: in 120 samples each of the 40 three times."""
    cells = Counter((sample.modality, sample.reference) for sample in PhantomReportSource(120, seed=4, size=32))
    assert len(cells) == 40
    assert set(cells.values()) == {3}


def test_a_report_has_four_statements_and_says_what_is_drawn() -> None:
    assert statements(report(0, 1, has_ring=False)) == [
        "Spot on the left", "Spot in the lower half", "There is no ring", "Single spot",
    ]  # fmt: skip
    assert statements(report(1, 0, has_ring=True))[-1] == "Spot with ring"


def test_the_request_does_not_tell_the_report() -> None:
    requests = Counter(sample.question for sample in PhantomReportSource(160, seed=2, size=32))
    assert set(requests) == set(REQUESTS)


def test_the_spot_is_where_the_report_says() -> None:
    """The bright disc is the largest area above 0.9 on dark ultrasound; the ring's opposite corner is hollow."""
    axis = np.arange(64)
    for sample in PhantomReportSource(80, seed=3):
        if sample.modality != "ULTRASOUND" or "no ring" not in sample.reference:
            continue
        bright = _pixels(sample.images[0]) > 0.9 * 255
        x, y = (bright * axis).sum() / bright.sum(), (bright * axis[:, None]).sum() / bright.sum()
        assert ("left" if x < 32 else "right") in sample.reference
        assert ("upper" if y < 32 else "lower") in sample.reference


def test_reports_are_reproducible_and_say_that_they_are_phantoms() -> None:
    source = PhantomReportSource(5, split="val")
    assert list(source) == [PhantomReportSource(5, split="val")[number] for number in range(5)]
    assert source[0].source == "phantom:report"
    assert source[0].metadata["phantom"] == "true"
    assert source.fingerprint() != PhantomReportSource(5).fingerprint()
    with pytest.raises(IndexError, match="phantom 5 of 5"):
        source[5]
