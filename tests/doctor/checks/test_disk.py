"""Disk space for checkpoints and published weights."""

import shutil
import tempfile
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch

from medix.doctor.checks.disk import DiskCheck
from medix.doctor.findings import Finding, State, UnavailableError
from medix.policy.tiny import build_tiny
from medix.rollout.served import ServedEngine
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


def served(folder: Path, policy: Path, dtype: str, channel: dict[str, Any]) -> list[Finding]:
    """No server is there, at a port that nobody has."""
    init = {"base_url": "http://127.0.0.1:1", "sampling": {"completions_per_prompt": 3}}
    init["weights"] = {"class_path": "medix.rollout.serving.channel.FolderChannel", "init_args": channel}
    engine = {"class_path": "medix.rollout.served.ServedEngine", "init_args": init}
    model = {"engine": engine, "policy": {"init_args": {"dtype": dtype}}}
    return look(DiskCheck(), subject(folder, policy, trainer={"callbacks": []}, model=model))


@pytest.mark.parametrize("folder", [None, "weights"])
def test_published_weights_exist_twice(
    tmp_path: Path, policy: Path, monkeypatch: pytest.MonkeyPatch, folder: str | None
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: USAGE(0, 0, 2 * TRAINED * 4 - 1))
    (found,) = problems(served(tmp_path, policy, "float32", {"folder": folder and str(tmp_path / folder)}))
    told = "weights published in the dtype of the policy, since that of the servers is not known"
    assert f"{told}, 2 versions x {TRAINED:,} x 4 bytes" in found.found
    assert found.found.startswith(tempfile.gettempdir() if folder is None else str(tmp_path / folder))
    assert "weights.init_args.folder" in found.remedy


@pytest.mark.parametrize(
    ("of_policy", "of_servers", "width", "whose"),
    [
        ("float32", torch.bfloat16, 2, "servers"),
        ("float32", torch.float32, 4, "policy"),
        ("bfloat16", torch.float32, 2, "policy"),
        ("bfloat16", torch.bfloat16, 2, "policy"),
    ],
)
def test_published_weights_have_the_narrower_dtype_of_policy_and_servers(
    tmp_path: Path,
    policy: Path,
    monkeypatch: pytest.MonkeyPatch,
    of_policy: str,
    of_servers: torch.dtype,
    width: int,
    whose: str,
) -> None:
    monkeypatch.setattr(ServedEngine, "dtype_of_servers", lambda self: of_servers)
    _, found = served(tmp_path, policy, of_policy, {})
    assert f"in the dtype of the {whose}, 2 versions x {TRAINED:,} x {width} bytes = " in found.found


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
