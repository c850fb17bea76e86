"""What a killed run is compared in."""

import json
from pathlib import Path

import pytest
import torch

from tools.soak.moment import Moment
from tools.soak.trial import Setting, Trial

MOMENT = Moment("update", 1, 0.5, "SIGTERM", None)


def finished(
    folder: Path, weight: float = 1.0, ids: tuple[str, ...] = ("a", "b"), extra: str = "", state: str = "Finished"
) -> Path:
    """A folder as a run leaves it."""
    for name in ("run/checkpoints", "run/completions", "tmp"):
        (folder / name).mkdir(parents=True)
    saved = {"state_dict": {"w": torch.tensor([weight])}, "optimizer_states": [{"step": 3}], "medix": {"step": 3}}
    torch.save(saved, folder / "run" / "checkpoints" / "step-000003.ckpt")
    lines = [json.dumps({"step": 1, "dataset": "d", "id": name}) for name in ids]
    (folder / "run" / "completions" / "train.rank0.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "run" / "report.html").write_text(f"<p>{state} &middot; 3 of 3 steps")
    if extra:
        (folder / extra).touch()
    return folder


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(Setting("local", 1), tmp_path, steps=3, seed=0)


def test_equal_runs_have_no_fault(trial: Trial, tmp_path: Path) -> None:
    trial._compare(finished(tmp_path / "one", extra="run/checkpoints/step-000001.ckpt"), finished(tmp_path / "other"))
    assert trial.outcome.faults == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight": 1.0 + 2**-23}, "state_dict of the last checkpoint differs"),
        ({"ids": ("a",)}, "recorded prompts differ"),
        ({"ids": ("a", "b", "b")}, "recorded prompts differ"),
        ({"extra": "run/checkpoints/.step-000002.ckpt.part"}, "files left or missing"),
        ({"state": "Running"}, "report does not say that it has finished"),
        ({"extra": "tmp/pymp-1"}, "left in the temporary folder"),
    ],
)
def test_each_difference_is_a_fault(trial: Trial, tmp_path: Path, changes: dict[str, object], words: str) -> None:
    trial._compare(finished(tmp_path / "one", **changes), finished(tmp_path / "other"))  # type: ignore[arg-type]
    (fault,) = trial.outcome.faults
    assert words in fault
    assert fault.startswith("local, 1 process, one: ")


def test_vllm_is_held_to_its_prompts_alone(tmp_path: Path) -> None:
    trial = Trial(Setting("vllm", 1), tmp_path, steps=3, seed=0)
    trial._compare(finished(tmp_path / "one", weight=2.0), finished(tmp_path / "other"))
    assert trial.outcome.faults == []


@pytest.mark.parametrize(
    ("statuses", "is_fault"), [([143], False), ([143, 143], False), ([1], True), ([-15], True), ([0], True)]
)
def test_a_scheduler_sees_that_the_run_was_stopped(
    trial: Trial, tmp_path: Path, statuses: list[int], is_fault: bool
) -> None:
    trial._check_end(tmp_path, MOMENT, statuses, "its last words")
    assert bool(trial.outcome.faults) == is_fault


def test_a_signal_after_the_last_step_may_end_with_0(trial: Trial, tmp_path: Path) -> None:
    trial._check_end(finished(tmp_path / "run-0"), MOMENT, [143, 0], "its last words")
    trial._check_end(finished(tmp_path / "run-1"), MOMENT, [-15, 0], "its last words")
    assert trial.outcome.faults == []
