from pathlib import Path

import pytest

from tests.commands.conftest import SAID, shards


def test_counts_samples_and_contact_sheets(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards(["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), "--name", "mine", *SAID])
    capsys.readouterr()
    assert shards(["show", str(tmp_path / "out"), "--samples", "1", "--images", str(tmp_path / "sheets")]) == 0
    printed = capsys.readouterr().out
    assert "question:  q0" in printed
    assert "question:  q2" not in printed
    assert "text only, 0 images" in printed
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == ["ct_scan.png", "mri_scan.png"]
