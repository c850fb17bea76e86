"""The benchmark of shards: what it reads and how it compares."""

import json
from pathlib import Path

import pytest

from tools import bench_shards
from tools.bench_shards import Sides, compared, main
from tools.bench_shards_dicom import SYNTAXES


def test_all_sides_read_every_sample_and_the_file_holds_their_ratios(tmp_path: Path) -> None:
    """Of 20 samples a training loader drops the last four, which do not fill a batch of 16."""
    path = tmp_path / "shards.json"
    assert main(["--samples", "20", "--size", "32", "--rounds", "1", "--workers", "0", "--memory-samples", "30",
                 "--dicom-files", "1", "--dicom-size", "64", "--json", str(path)]) == 0  # fmt: skip
    found = json.loads(path.read_text())
    for row in (found["decoded"], found["prompts"]["0"]):
        assert {"ratio_raw", "ratio_webdataset", "ratio_raw_cpu", "ratio_webdataset_cpu"} <= row.keys()
        assert all(value > 0 for value in row.values())
    assert found["memory"]["samples"] == 30
    assert found["start"]["cpu_seconds"] > 0
    for syntax in SYNTAXES:
        assert set(found["dicom"][syntax]) == {"pydicom", "shown", "stored", "headers", "ratio_shown", "ratio_stored"}
        assert min(found["dicom"][syntax].values()) > 0


def test_ratios_are_those_of_the_fastest_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a warm-up, 100 samples take raw 4, 5 and 6 s, webdataset 8, 2 and 4 s, and medix 6, 2.5 and 8 s."""
    spans = {"raw": [1, 4, 5, 6], "webdataset": [1, 8, 2, 4], "medix": [1, 6, 2.5, 8]}
    now = 0.0

    def work(side: str) -> int:
        nonlocal now
        now += spans[side].pop(0)
        return 100

    monkeypatch.setattr(bench_shards.time, "perf_counter", lambda: now)
    monkeypatch.setattr(bench_shards, "cpu_seconds", lambda: now)
    found = compared(work, 3, 100)
    assert (found["raw_per_second"], found["webdataset_per_second"], found["medix_per_second"]) == (25, 50, 40)
    assert found["ratio_raw"] == found["ratio_raw_cpu"] == 40 / 25
    assert found["ratio_webdataset"] == found["ratio_webdataset_cpu"] == 40 / 50


def test_a_side_that_reads_too_little_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="medix read 70 of 100 samples"):
        compared(lambda side: 70 if side == Sides.names[-1] else 100, 1, 100)
