"""The benchmark of DICOM files, in small."""

import json
from pathlib import Path

from tools.bench_dicom import SYNTAXES, compared, main


def test_all_sides_are_measured_and_written(tmp_path: Path) -> None:
    assert main(["--files", "1", "--size", "64", "--rounds", "1", "--json", str(tmp_path / "out.json")]) == 0
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["files"] == 1
    for syntax in SYNTAXES:
        assert set(found[syntax]) == {"pydicom", "shown", "stored", "headers", "ratio_shown", "ratio_stored"}
        assert min(found[syntax].values()) > 0


def test_ratios_are_taken_within_a_round() -> None:
    sides = {name: lambda: sum(range(20_000)) for name in ("pydicom", "shown", "stored", "headers")}
    found = compared(sides, files=1, rounds=3)
    assert 0.05 < found["ratio_shown"] < 20
