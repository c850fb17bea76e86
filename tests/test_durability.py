"""What a run does when its folder, its judge or a shard goes wrong: it ends, says why, and the same command goes on."""

import csv
import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from medix.callbacks import save_checkpoint
from medix.policy.tiny import build_tiny
from tests.support.inside import Outcome, working_in
from tests.support.runs import MANIFESTS, small_spec, write_spec

FAULTS = '''\
"""Faults in the third of four steps; those that pass leave a mark."""

import hashlib
import shutil
from pathlib import Path

from lightning.pytorch import Callback

from medix.judge import Judge
from medix.types import Verdict


class Vanishes(Callback):
    def on_phase_start(self, trainer, module, name):
        if name == "update" and module.step == 2 and not Path("mark").exists():
            Path("mark").touch()
            shutil.rmtree(trainer.default_root_dir)


class Goes(Judge):
    """Says YES to half of the answers; is gone after the second step, until somebody removes the mark."""

    identity = "goes"

    def grade(self, questions):
        return [self._grade(question) for question in questions]

    def _grade(self, question):
        if Path("gone").exists():
            return Verdict(None, self.identity, reason="connection refused")
        return Verdict(float(hashlib.sha256(question.answer.encode()).digest()[0] % 2), self.identity)


class TakesTheJudge(Callback):
    def on_phase_start(self, trainer, module, name):
        if name == "rollout" and module.step == 2 and not Path("mark").exists():
            Path("mark").touch()
            Path("gone").touch()
'''


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("durability") / "policy")


class Run:
    """Fits in one folder."""

    def __init__(self, folder: Path, policy: Path) -> None:
        self.folder = folder
        self.policy = policy
        (folder / "faults.py").write_text(FAULTS)

    def fit(self, name: str, callback: str = "", **changes: Any) -> Outcome:
        """Four steps into a folder of this name."""
        spec = small_spec(self.folder, self.policy, **changes)
        spec["model"]["max_steps"] = 4
        spec["trainer"]["default_root_dir"] = name
        if callback:
            spec["trainer"]["callbacks"].append({"class_path": f"faults.{callback}"})
        with working_in(self.folder) as run:
            return run("fit", "--config", str(write_spec(self.folder, spec)))

    def weights(self, name: str) -> dict[str, Any]:
        """After the last step."""
        saved: dict[str, Any] = torch.load(self.folder / name / "checkpoints" / "step-000004.ckpt", weights_only=True)[
            "state_dict"
        ]
        return saved


@pytest.fixture
def run(tmp_path: Path, policy: Path) -> Run:
    return Run(tmp_path, policy)


def test_a_read_only_folder_ends_a_run_before_it_begins(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    make = os.mkdir

    def refuse(path: Any, *how: Any, **further: Any) -> None:
        if "kept" in str(path):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        make(path, *how, **further)

    monkeypatch.setattr(os, "mkdir", refuse)
    ended = run.fit("kept")
    assert ended.code == 2
    assert ended.err.rstrip().endswith("kept: Read-only file system; check the path and its permissions")
    assert "step 1" not in ended.out


def test_a_folder_that_vanishes_ends_the_run_with_the_file_that_is_missing_and_the_same_command_begins_again(
    run: Run,
) -> None:
    ended = run.fit("run", "Vanishes")
    assert ended.code == 2
    assert "run/logs/version_0/metrics.csv: No such file or directory; check the path" in ended.err
    assert run.fit("run", "Vanishes").code == 0
    assert run.weights("run")


def test_a_slow_folder_is_waited_for_and_told_once_and_nothing_is_lost(
    run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert run.fit("quick").code == 0
    clock, flush = [0.0], save_checkpoint.sync

    def flush_slowly(path: Path) -> None:
        flush(path)
        clock[0] += 95.0  # of a disk on which nothing else takes time

    monkeypatch.setattr(save_checkpoint, "sync", flush_slowly)
    monkeypatch.setattr(save_checkpoint, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    assert run.fit("slow").code == 0
    told = "slow/checkpoints: writing the checkpoint of step 2 took 95 s, and the steps since the last one 0 s. Nothing"
    assert caplog.text.count("writing the checkpoint of step") == caplog.text.count(told) == 1
    quick, slow = run.weights("quick"), run.weights("slow")
    assert all(torch.equal(weight, slow[name]) for name, weight in quick.items())


def test_a_judge_that_is_gone_ends_the_run_and_the_same_command_goes_on_to_the_same_weights(run: Run) -> None:
    rule = {"answer_rule": {"class_path": "medix.rewards.PublishedAnswer"}}
    reward = {"class_path": "medix.rewards.JudgeReward", "init_args": rule}
    components = {"half": {"reward": reward, "weight": 1.0}}
    changes = {"model": {"rewards": {"components": components}}, "judge": {"class_path": "faults.Goes"}}
    ended = run.fit("run", "TakesTheJudge", **changes)
    assert ended.code == 1
    assert "completions of this step are unscored" in ended.err
    assert "connection refused" in ended.err
    assert "step 2 is saved in run/checkpoints/step-000002.ckpt, from which the same command goes on" in ended.out
    (run.folder / "gone").unlink()
    assert run.fit("run", "TakesTheJudge", **changes).code == 0
    assert run.fit("straight", "TakesTheJudge", **changes).code == 0
    resumed, straight = run.weights("run"), run.weights("straight")
    assert all(torch.equal(weight, resumed[name]) for name, weight in straight.items())


def test_a_corrupt_shard_ends_the_run_with_its_name_or_is_left_out_and_counted(run: Run) -> None:
    for folder in ("manifests", "tiny"):
        shutil.copytree(MANIFESTS.parent / folder, run.folder / folder)
    shard = run.folder / "tiny" / "tiny_train-ct_scan-000001.tar"
    content = bytearray(shard.read_bytes())
    content[2000] ^= 1
    shard.write_bytes(content)
    data = {"train": [str(run.folder / "manifests" / "tiny_train-ct_scan.yaml")]}
    ended = run.fit("stops", data=data)
    assert ended.code == 2
    assert "tiny_train-ct_scan-000001.tar" in ended.err
    assert "`python -m medix shards verify` lists every damaged one" in ended.err
    ended = run.fit("skips", data={**data, "on_bad_shard": "skip"})
    assert ended.code == 0, ended.err
    with (run.folder / "skips" / "logs" / "version_0" / "metrics.csv").open() as file:
        left_out = [float(row["train/samples_of_bad_shards"]) for row in csv.DictReader(file)]
    assert len(left_out) == 4
    assert sum(left_out) > 0
