"""Temporary files of a server go with it, or with the next start."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from medix.serving.temporary_folder import temporary_folder


@pytest.fixture(autouse=True)
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files; its path is short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
        yield Path(folder)


def test_what_a_server_left_is_removed_with_it_and_compiled_kernels_stay(shared: Path) -> None:
    with temporary_folder() as variables:
        folder = Path(variables["TMPDIR"])
        assert folder.parent == shared
        (folder / "pymp-x").mkdir()
        (folder / "pymp-x" / "socket").touch()
        kernels = Path(variables["TORCHINDUCTOR_CACHE_DIR"])
        kernels.mkdir()
    assert list(shared.iterdir()) == [kernels]


def test_a_folder_of_a_command_that_was_killed_is_removed_and_that_of_a_live_one_is_not(shared: Path) -> None:
    dead, alive, other = (shared / name for name in ("medix-server-dead", "medix-server-alive", "another"))
    for folder in (dead, alive, other):
        (folder / "pymp-x").mkdir(parents=True)
    descriptor = os.open(alive, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with temporary_folder(), temporary_folder() as second:
        assert not dead.exists()
        assert Path(second["TMPDIR"]).is_dir()
        assert len(list(shared.glob("medix-server-*"))) == 3
    os.close(descriptor)
    assert sorted(shared.iterdir()) == [other, alive]


def test_where_paths_of_sockets_would_be_too_long_nothing_changes(
    shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = shared / ("x" * 60)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with temporary_folder() as variables:
        assert variables == {}
    assert list(long.iterdir()) == []
