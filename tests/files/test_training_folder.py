"""The folder that relative paths of a run's spec count from."""

import sys
from pathlib import Path

import pytest

from medix.files.training_folder import in_training_folder


@pytest.mark.parametrize(
    ("root", "home"), [("runs/one", "."), ("one", "runs"), ("elsewhere/one", "start"), (None, "runs/one")]
)
def test_it_follows_from_the_relative_root_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: str | None, home: str
) -> None:
    for name in ("runs/one", "start"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "start")
    before = list(sys.path)
    with in_training_folder(tmp_path / "runs" / "one", {"trainer": {"default_root_dir": root}}):
        assert Path.cwd() == (tmp_path / home).resolve()
        assert sys.path[0] == str((tmp_path / home).resolve())
    assert Path.cwd() == tmp_path / "start"
    assert sys.path == before


def test_an_absolute_root_leaves_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with in_training_folder(tmp_path / "run", {"trainer": {"default_root_dir": str(tmp_path / "run")}}):
        assert Path.cwd() == tmp_path
