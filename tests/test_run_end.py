"""The mark of a run that has ended, and a run that is killed between its last checkpoint and its end."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from medix.policy.tiny import build_tiny
from medix.run_end import has_ended, note_end
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


def test_a_run_has_ended_at_the_step_that_is_noted_and_no_other(tmp_path: Path) -> None:
    assert not has_ended(tmp_path, 4)
    note_end(tmp_path, 4)
    assert has_ended(tmp_path, 4)
    assert not has_ended(tmp_path, 6)
    note_end(tmp_path, 6)
    assert has_ended(tmp_path, 6)
    assert not has_ended(tmp_path, 4)


@pytest.mark.parametrize("text", ["", "{", "4", "[]", '{"step": "4"}'])
def test_a_mark_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    note_end(tmp_path, 4)
    (mark,) = tmp_path.iterdir()
    mark.write_text(text)
    assert not has_ended(tmp_path, 4)


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
