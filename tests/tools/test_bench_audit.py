"""The benchmark of the audit, on a few images."""

import json
from pathlib import Path

import pytest

from medix.data.sources.phantoms import PhantomSource
from tools.bench_audit import CHANGES, main


def test_recall_false_alarms_and_times_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, sample in enumerate(PhantomSource(6)):
        (tmp_path / f"{number}.png").write_bytes(sample.images[0])
    words = ["--pictures", str(tmp_path), "--copies", "2", "--count", "200", "--json", str(tmp_path / "found.json")]
    assert main(words) == 0
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["images"], found["pairs"], found["reported"]) == (6, 15, 0)
    assert set(found["recall"]) == set(CHANGES)
    assert (found["recall"]["JPEG 90"], found["recall"]["mirrored"], found["recall"]["5 % of each side cropped"]) == (
        1,
        1,
        0,
    )
    assert found["search"]["candidates"] == found["search"]["candidates of all pairs"] >= 200  # each is near itself
    assert "0 of 15 pairs of 6 images" in capsys.readouterr().out


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["--pictures", str(tmp_path)])
