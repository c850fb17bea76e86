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


def test_a_narrow_terminal_loses_nothing_of_a_name(
    jsonl_rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "a_data_set_of_a_long_name_in_one_word"
    shards(["build", "--jsonl", str(jsonl_rows), "--output", str(tmp_path / "out"), "--name", name, *SAID])
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "40")
    assert shards(["show", str(tmp_path / "out"), "--samples", "0"]) == 0
    table = capsys.readouterr().out.partition("samples  ")[2]
    cells = [line.split("\N{BOX DRAWINGS LIGHT VERTICAL}") for line in table.splitlines()]
    assert name in "".join(row[2].strip() for row in cells if len(row) > 3)
