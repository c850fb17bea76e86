"""Disk space for checkpoints and published weights."""

import shutil
import tempfile
from collections import namedtuple
from pathlib import Path

import pytest

from medix.doctor.checks.disk import DiskCheck
from medix.doctor.findings import State, UnavailableError
from medix.policy.tiny import build_tiny
from tests.support.doctoring import look, problems, subject

USAGE = namedtuple("USAGE", "total used free")  # what shutil returns
TRAINED = 141_760
NEEDED = 5 * TRAINED * (4 + 8)
"""Three that are kept, the best, one being written; AdamW keeps two numbers of four bytes for each weight."""


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))


@pytest.mark.parametrize(
    ("free", "state"),
    [(NEEDED - 1, State.PROBLEM), (NEEDED + 1, State.WARNING), (2 * NEEDED, State.OK)],
)
def test_free_disk_is_compared_with_all_checkpoints_that_exist_at_a_time(
    tmp_path: Path, policy: Path, monkeypatch: pytest.MonkeyPatch, free: int, state: State
) -> None:
    asked = []

    def usage(path: Path) -> object:
        asked.append(path)
        return USAGE(2 * free, free, free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    (found,) = look(DiskCheck(), subject(tmp_path, policy))
    assert found.state is state
    assert "5 checkpoints (SaveCheckpoint.keep 3" in found.found
    assert f"x {TRAINED:,} trained parameters x (4 + 8) bytes = {NEEDED / 2**20:.1f} MiB" in found.found
    assert asked == [tmp_path]  # the run's folder does not exist yet
    assert ("SaveCheckpoint.keep" in found.remedy) is (state is not State.OK)


@pytest.mark.parametrize("folder", [None, "weights"])
def test_published_weights_exist_twice(
    tmp_path: Path, policy: Path, monkeypatch: pytest.MonkeyPatch, folder: str | None
) -> None:
    channel = {"class_path": "medix.rollout.serving.channel.FolderChannel"}
    if folder is not None:
        channel["init_args"] = {"folder": str(tmp_path / folder)}  # type: ignore[assignment]
    init = {"base_url": "http://127.0.0.1:1", "sampling": {"completions_per_prompt": 3}, "weights": channel}
    engine = {"class_path": "medix.rollout.served.ServedEngine", "init_args": init}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: USAGE(0, 0, 2 * TRAINED * 2 - 1))
    (found,) = problems(
        look(DiskCheck(), subject(tmp_path, policy, trainer={"callbacks": []}, model={"engine": engine}))
    )
    assert f"2 versions x {TRAINED:,} x 2 bytes" in found.found
    assert found.found.startswith(tempfile.gettempdir() if folder is None else str(tmp_path / folder))
    assert "weights.init_args.folder" in found.remedy


def test_adapters_alone_take_little(tmp_path: Path, policy: Path) -> None:
    at = subject(tmp_path, policy, model={"policy": {"init_args": {"lora": {"rank": 2}}}})
    (found,) = look(DiskCheck(), at)
    assert found.state is State.OK
    assert f"x {at.model.adapters:,} trained parameters" in found.found


def test_a_run_without_checkpoints_is_a_warning(tmp_path: Path, policy: Path) -> None:
    (found,) = look(DiskCheck(), subject(tmp_path, policy, trainer={"callbacks": []}))
    assert found.state is State.WARNING
    assert "SaveCheckpoint" in found.remedy


def test_an_unavailable_policy_is_skipped(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError):
        problems(look(DiskCheck(), subject(tmp_path, Path("owner/model"))))
