from pathlib import Path

import pytest

from medix.data import slice_sizes as module
from medix.data.mixture import Mixture
from medix.data.slice_sizes import slice_sizes
from medix.data.stream import Stream
from tests.support.streams import manifest


def test_distinct_samples_are_counted(tmp_path: Path) -> None:
    """Three of five CT samples (of x, y, x), each twice, and two MRI samples of x."""
    stream = Stream(
        [
            manifest(tmp_path, "a", [5], "CT_SCAN", source=lambda i: "xyyxx"[i]),
            manifest(tmp_path, "b", [2], "MRI_SCAN", "a", source=lambda i: "x"),
        ],
        mixture=Mixture(limit={"CT_SCAN": 3}, repeat={"CT_SCAN": 2}),
    )
    assert slice_sizes(stream) == {
        ("", ""): 5, ("modality", "CT_SCAN"): 3, ("modality", "MRI_SCAN"): 2, ("dataset", "a"): 5,
        ("source", "x"): 4, ("source", "y"): 1,
    }  # fmt: skip


@pytest.mark.parametrize("what", ["no sources", "no index", "large"])
def test_sources_that_are_not_known_are_left_out(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream([manifest(tmp_path, "a", [2, 2], source=None if what == "no sources" else lambda i: "x")])
    if what == "no index":
        (tmp_path / "a.index.jsonl").unlink()
    if what == "large":
        monkeypatch.setattr(module, "MAX_SAMPLES", 3)
    assert slice_sizes(stream) == {("", ""): 4, ("modality", "CT_SCAN"): 4, ("dataset", "a"): 4}
