"""Entries of runs in a shared folder: the living keep what is theirs, the dead do not."""

import platform
from pathlib import Path

import pytest

from medix.rollout.serving.run_lock import RunLock


def entered(folder: Path, *names: str, dies: bool = True) -> RunLock:
    """A run that has written some folders; the kernel gives the lock of one that dies back."""
    run = RunLock(folder)
    for name in names:
        run.add(name)
        (folder / name).mkdir(parents=True, exist_ok=True)
    if dies:
        assert run._entry is not None
        run._entry.close()
    return run


def test_two_runs_that_live_leave_each_other_alone(tmp_path: Path) -> None:
    first, second = (entered(tmp_path, name, dies=False) for name in ("a", "b"))
    assert second.removed == []
    first.close()
    second.close()
    assert RunLock(tmp_path).removed == [], "a run that ended by itself removed what it wanted to be removed"
    assert (tmp_path / "a").exists()


def test_a_run_of_another_machine_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(platform, "node", lambda: "elsewhere")
        entered(tmp_path, "theirs")
    entered(tmp_path, "ours")
    assert RunLock(tmp_path).removed == ["ours"]
    assert (tmp_path / "theirs").exists()


@pytest.mark.parametrize("name", ["..", ".", "", "../beside", "/beside"])
def test_an_entry_that_names_something_outside_the_folder_removes_nothing(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    (tmp_path / "beside").mkdir()
    folder.mkdir()
    run = RunLock(folder)
    assert run._entry is not None
    run.add(name)
    run._entry.close()
    assert RunLock(folder).removed == []
    assert (tmp_path / "beside").exists()
    assert folder.exists()


def test_without_locks_nothing_is_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    entered(tmp_path, "left")
    monkeypatch.setattr("fcntl.flock", unsupported)
    run = RunLock(tmp_path)
    run.add("mine")
    run.close()
    assert run.removed == []
    assert (tmp_path / "left").exists()
    assert len(list(tmp_path.glob("*.alive"))) == 1, "the one that was there"
