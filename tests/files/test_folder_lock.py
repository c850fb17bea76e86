"""Two runs at once in one folder are refused, and a lock outlives no process."""

import os
import signal
from pathlib import Path

import pytest

from medix.files.folder_lock import held


def test_a_folder_is_held_by_one_run_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "mine"
    with held(folder):
        with pytest.raises(ValueError, match=r"default_root_dir: .*mine: another fit is writing"), held(folder):
            pass
        assert list(folder.iterdir()) == []
        (folder / "spec.yaml").touch()
    with held(folder):
        pass
    assert os.listdir(folder) == ["spec.yaml"]
    with held(tmp_path / "empty"):
        pass
    assert not (tmp_path / "empty").exists()


def test_a_forked_child_that_outlives_its_run_does_not_hold_the_folder(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with held(tmp_path / "run"):
        child = os.fork()
        if child == 0:
            os.write(writer, b"alive")
            signal.pause()
            os._exit(0)
        assert os.read(reader, 5) == b"alive"
    os.close(reader)
    os.close(writer)
    try:
        with held(tmp_path / "run"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
