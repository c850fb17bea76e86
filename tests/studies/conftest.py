"""One finished run for all files of this folder; each works on a copy."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.finished_runs import RUN, finished_run


@pytest.fixture(scope="session")
def made_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that a run was trained in; only to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    finished_run(folder)
    return folder


@pytest.fixture
def run(made_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the run in a copy of that folder, which is the working directory. It had one thread, as here."""
    shutil.copytree(made_run, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path / "copy" / RUN
    torch.set_num_threads(threads)
