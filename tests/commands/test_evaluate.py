"""``python -m medix eval`` from files to tables."""

import json
from pathlib import Path

import pytest

from medix.__main__ import main as medix
from medix.reporting.record import record_group, write_records
from tests.support.fake_training import MODALITIES, CountingJudge, FakeSuite, make_group, make_sample, write


def main(words: list[str]) -> int:
    return medix(["eval", *words])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    suite = FakeSuite(CountingJudge())
    paths = (tmp_path / "before.jsonl", tmp_path / "after.jsonl")
    for path, limit in zip(paths, (2, 8), strict=True):
        groups = [
            make_group(make_sample(i, "X_RAY", case=f"p{i}"), [write("X_RAY", "lung" if i < limit else "heart")])
            for i in range(10)
        ]
        records = [r for g in suite.score_groups(groups) for r in record_group(g, MODALITIES, step=1, split="val")]
        write_records(path, records)
    return paths


def test_compare_prints_and_writes_both_formats(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["compare", *map(str, files), "--min-images", "1"]
    assert main([*words, "--json", str(tmp_path / "c.json"), "--markdown", str(tmp_path / "c.md")]) == 0
    assert "Accuracy" in capsys.readouterr().out
    data = json.loads((tmp_path / "c.json").read_text())
    assert data["slices"][0]["measures"]["accuracy"]["gain"]["estimate"] == pytest.approx(0.6)
    assert data["names"] == ["before", "after"]
    assert (tmp_path / "c.md").read_text().startswith("# after against before")


def test_show_prints_one_file(files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(files[1]), "--json", str(tmp_path / "s.json")]) == 0
    assert "X_RAY" in capsys.readouterr().out
    assert json.loads((tmp_path / "s.json").read_text())["accuracy"] == 0.8


def test_a_file_that_is_not_there_is_one_line_and_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(tmp_path / "absent.jsonl")]) == 2
    assert "absent.jsonl" in capsys.readouterr().err


def test_a_file_without_completions_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    assert main(["show", str(tmp_path / "empty.jsonl")]) == 2
    assert "holds no completion" in capsys.readouterr().err
