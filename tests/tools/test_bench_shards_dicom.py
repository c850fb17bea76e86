"""The row on DICOM files, in small."""

from tools.bench_shards_dicom import compared


def test_ratios_are_taken_within_a_round() -> None:
    sides = {name: lambda: sum(range(20_000)) for name in ("pydicom", "shown", "stored", "headers")}
    found = compared(sides, files=1, rounds=3)
    assert 0.05 < found["ratio_shown"] < 20
