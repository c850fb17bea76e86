"""The mark of a run that has ended, and a run that is killed between its last checkpoint and its end."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from medix.policy.tiny import build_tiny
from medix.run_end import forget_end, has_ended, note_end
from tests.support.runs import medix, small_spec, write_spec

KILLER = '''\
"""Ends the process once in a hook behind the last checkpoint, as a power cut would."""

import os
import signal
from pathlib import Path

from lightning.pytorch import Callback


class Kills(Callback):
    def __init__(self, hook: str) -> None:
        setattr(self, hook, self.kill)

    def kill(self, trainer, module) -> None:
        if not Path("killed").exists():
            Path("killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
'''


def saved(folder: Path, step: int, weight: float) -> Path:
    path = folder / f"step-{step:06d}.ckpt"
    torch.save({"weight": torch.tensor(weight)}, path)
    return path


def test_a_run_has_ended_at_the_checkpoint_that_is_noted_and_no_other(tmp_path: Path) -> None:
    four, six = saved(tmp_path, 4, 1.0), saved(tmp_path, 6, 1.0)
    assert not has_ended(four)
    note_end(four)
    assert has_ended(four)
    assert not has_ended(six)
    note_end(six)
    assert has_ended(six)
    assert not has_ended(four)
    forget_end(tmp_path)
    assert not has_ended(six)
    forget_end(tmp_path)


def test_the_end_of_one_training_is_not_that_of_another_at_the_same_step(tmp_path: Path) -> None:
    """A copy of a run has ended; a checkpoint of the same name and size with other weights has not."""
    note_end(saved(tmp_path, 4, 1.0))
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert has_ended(tmp_path / "copy" / "step-000004.ckpt")
    assert not has_ended(saved(tmp_path, 4, 2.0))


@pytest.mark.parametrize("text", ["", "{", "4", "[]", '{"step": 4}', "[" * 100_000, "\0"])
def test_a_mark_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    path = saved(tmp_path, 4, 1.0)
    note_end(path)
    (tmp_path / "ended.json").write_text(text)
    assert not has_ended(path)


def test_a_checkpoint_that_is_a_folder_has_no_end(tmp_path: Path) -> None:
    (tmp_path / "step-000004.ckpt").mkdir()
    note_end(tmp_path / "step-000004.ckpt")
    assert not has_ended(tmp_path / "step-000004.ckpt")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("run_end") / "policy")


@pytest.mark.parametrize(
    ("hook", "at_end", "reports"),
    [("on_train_end", True, True), ("on_train_end", False, True), ("on_fit_end", False, True), ("on_train_end", 0, 0)],
)
def test_the_same_command_writes_what_a_kill_behind_the_last_checkpoint_has_left_out(
    tmp_path: Path, policy: Path, hook: str, at_end: bool, reports: bool
) -> None:
    """Groups that wait are recorded at the end alone, the report of a last step without validation as well."""
    (tmp_path / "killer.py").write_text(KILLER)
    changes = {"prompts_per_rollout": 5, "max_steps": 3}
    spec = small_spec(tmp_path, policy, model=changes, trainer={"default_root_dir": "run"})
    callbacks: list[dict[str, Any]] = spec["trainer"]["callbacks"]
    callbacks.insert(0, {"class_path": "killer.Kills", "init_args": {"hook": hook}})
    validation = {"every_n_steps": 2, "at_start": False, "at_end": bool(at_end), "judge": None}
    callbacks.append({"class_path": "medix.callbacks.JudgeValidation", "init_args": validation})
    if reports:
        callbacks.append({"class_path": "medix.callbacks.WriteReport"})
    words = ("fit", "--config", str(write_spec(tmp_path, spec)))
    run, killed = tmp_path / "run", medix(tmp_path, *words, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (run / "checkpoints" / "step-000003.ckpt").is_file()
    again = medix(tmp_path, *words).stdout
    assert "going on from step 3 of 3" in again
    records = [json.loads(line) for line in (run / "completions" / "train.rank0.jsonl").read_text().splitlines()]
    assert len({(one["dataset"], one["id"], one["index"]) for one in records}) == len(records)
    assert len(records) % 15 == 0, "every group of every batch that was sampled is recorded"
    said = medix(tmp_path, *words).stdout
    assert (
        f"the run in run is complete: step-000003.ckpt is at model.max_steps = 3. {'Its' if reports else 'Raise'}"
        in said
    )
    assert ("Its report is run/report.html. Raise model.max_steps" in said) == bool(reports)
    assert (run / "report.html").is_file() == bool(reports)
    if reports:
        assert "Finished &middot; 3 of 3 steps" in (run / "report.html").read_text()
        assert "Finished: 3 of 3 steps." in (run / "report.md").read_text()


def test_an_end_is_not_taken_for_that_of_another_training_that_goes_on_from_an_earlier_checkpoint(
    tmp_path: Path, policy: Path
) -> None:
    """It is killed behind its own last checkpoint, which has the name of the first one's."""
    (tmp_path / "killer.py").write_text(KILLER)
    changes = {"prompts_per_rollout": 5, "max_steps": 3}
    spec = small_spec(tmp_path, policy, model=changes, trainer={"default_root_dir": "run"})
    spec["trainer"]["callbacks"].insert(0, {"class_path": "killer.Kills", "init_args": {"hook": "on_train_end"}})
    spec["trainer"]["callbacks"].append({"class_path": "medix.callbacks.WriteReport"})
    first = ("fit", "--config", str(write_spec(tmp_path, spec)))
    run = tmp_path / "run"
    again = (*first, "--ckpt_path", "run/checkpoints/step-000002.ckpt", "--model.optimizer.init_args.lr", "0.01")
    (tmp_path / "killed").touch()
    medix(tmp_path, *first)
    assert "is complete" in medix(tmp_path, *first).stdout
    before = json.loads((run / "report.json").read_text())["steps"]
    (tmp_path / "killed").unlink()
    assert medix(tmp_path, *again, check=False).returncode == -signal.SIGKILL
    assert "going on from step 3 of 3" in medix(tmp_path, *again).stdout
    after = json.loads((run / "report.json").read_text())
    assert (after["finished"], after["resumes"]) == (True, [2])
    assert (after["steps"][1], after["steps"][2] == before[2]) == (before[1], False)
    records = (run / "completions" / "train.rank0.jsonl").read_text().splitlines()
    assert len(records) % 15 == 0, "every group of every batch that was sampled is recorded"
    assert "is complete" in medix(tmp_path, *again).stdout
    beyond = medix(tmp_path, *first, "--model.max_steps", "2").stdout
    assert "is complete: step-000003.ckpt is beyond model.max_steps = 2. " in beyond
