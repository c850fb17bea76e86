"""``python -m medix study report``."""

import json
from pathlib import Path

import pytest

from medix.__main__ import main
from tests.support.studies import open_study


def test_tables_are_printed_and_numbers_and_ratings_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database, _ = open_study(tmp_path)
    for place in range(4):
        database.save(0, place, "choice", "left")
    database.save(0, 0, "comment", "blurred")
    files = [word for kind in ("json", "ratings", "markdown") for word in (f"--{kind}", str(tmp_path / kind))]
    assert main(["study", "report", str(database.path), *files]) == 0  # also while it is served
    shown = capsys.readouterr().out
    assert "4 of 4" in shown
    assert "Note: 4 of 8 ratings are in" in " ".join(shown.split())
    data = json.loads((tmp_path / "json").read_text())
    assert [one["rated"] for one in data["raters"]] == [4, 0]
    rows = [json.loads(line) for line in (tmp_path / "ratings").read_text().splitlines()]
    assert [row["comment"] for row in rows] == ["blurred", "", "", ""]
    assert "secret-model-A" in rows[0]["first"]
    assert "## Agreement and position" in (tmp_path / "markdown").read_text()


def test_a_study_without_ratings_is_status_1_and_no_study_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_study(tmp_path)
    study = str(tmp_path / "study.db")
    assert main(["study", "report", study]) == 1
    assert "0 of 4" in capsys.readouterr().out
    assert main(["study", "report", study, "--json", study]) == 2
    assert main(["study", "report", str(tmp_path / "gone.db")]) == 2
    (tmp_path / "text.db").write_text("x" * 5000)
    assert main(["study", "report", str(tmp_path / "text.db")]) == 2
    assert capsys.readouterr().err.count("\n") == 3
