"""Kill at any moment, start again with the same command: the same trajectory, bit for bit on the CPU."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from medix.policy.tiny import build_tiny
from tests.support.inside import Outcome, working_in
from tests.support.runs import medix, small_spec, write_spec

KILLER = '''\
"""Ends the process as a power cut would: in the middle of the updates of a step."""

import os
import signal
from pathlib import Path

from lightning.pytorch import Callback


class KillOnce(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_phase_end(self, trainer, module, name, seconds) -> None:
        mark = Path("killed")
        if name == "old_logprobs" and module.step + 1 == self.step and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
'''


SELECTOR = {"class_path": "medix.data.SpreadSelector", "init_args": {"patience": 1, "by": ["modality"]}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Eight steps straight; and the same killed in step 6, whose last checkpoint is of step 4, and started again.

    LoRA dropout on, four updates a step, five prompts a rollout for four a step, so that groups wait in the buffer and
    are trained on by the weights after those that sampled them; the data (9 samples) end an epoch in every second
    rollout; draws depend on which groups had no spread.
    """
    folder = tmp_path_factory.mktemp("resume")
    policy = build_tiny("qwen3_vl", folder / "policy")
    made = []
    for name in ("straight", "killed"):
        run = folder / name
        run.mkdir()
        spec = small_spec(
            run,
            policy,
            model={
                "policy": {"init_args": {"lora": {"rank": 2, "dropout": 0.2}}},
                "update": {"prompts_per_update": 1},
                "prompts_per_rollout": 5,
                "max_steps": 8,
            },
            data={"mixture": {"total": 10}, "selector": SELECTOR},
        )
        spec["trainer"]["callbacks"][-1]["init_args"]["every_n_steps"] = 4
        spec["trainer"]["callbacks"].append(
            {"class_path": "killer.KillOnce", "init_args": {"step": 6 if name == "killed" else 0}}
        )
        (run / "killer.py").write_text(KILLER)
        made.append((run, write_spec(run, spec)))
    (straight, spec), (killed, other) = made
    medix(straight, "fit", "--config", str(spec), is_fresh=True)
    first = medix(killed, "fit", "--config", str(other), check=False, is_fresh=True)
    assert first.returncode == -signal.SIGKILL
    second = medix(killed, "fit", "--config", str(other), is_fresh=True)
    assert "going on from" in second.stdout
    assert "step-000004.ckpt" in second.stdout
    return straight / "run", killed / "run"


def inside(folder: Path, *words: str, code: int = 0) -> Outcome:
    """A command in this process: only runs whose random states are compared need one of their own."""
    with working_in(folder) as run:
        outcome = run(*words)
    assert outcome.code == code, outcome
    return outcome


def last(run: Path) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(run / "checkpoints" / "step-000008.ckpt", weights_only=True)
    return saved


def lines(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "completions" / "train.rank0.jsonl").read_text().splitlines()]


def same(one: Any, other: Any) -> bool:
    """Equal, tensors bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_weights_are_equal(runs: tuple[Path, Path]) -> None:
    straight, killed = map(last, runs)
    assert straight["state_dict"]
    assert all("lora" in name for name in straight["state_dict"]), "frozen weights do not belong in a checkpoint"
    assert same(straight["state_dict"], killed["state_dict"])


def test_weights_moved_at_all(runs: tuple[Path, Path]) -> None:
    early = torch.load(runs[0] / "checkpoints" / "step-000004.ckpt", weights_only=True)
    assert not same(early["state_dict"], last(runs[0])["state_dict"])


def test_optimiser_state_is_equal(runs: tuple[Path, Path]) -> None:
    straight, killed = map(last, runs)
    assert straight["optimizer_states"][0]["state"]
    assert same(straight["optimizer_states"], killed["optimizer_states"])


def test_samples_tokens_rewards_and_advantages_are_equal(runs: tuple[Path, Path]) -> None:
    straight, killed = map(lines, runs)
    assert [line["step"] for line in straight] == sorted(line["step"] for line in straight)
    assert {line["step"] for line in straight} == set(range(1, 9))
    for line in (*straight, *killed):
        if line["verdict"]:
            line["verdict"].pop("latency")
    assert straight == killed


def test_counters_buffer_position_and_random_states_are_equal(runs: tuple[Path, Path]) -> None:
    straight, killed = (last(run)["medix"] for run in runs)
    assert straight["step"] == 8
    assert straight["updates"] == 32
    assert straight["position"] > 2 * 10, "the case must pass the end of an epoch"
    for name in ("step", "updates", "position", "engine", "ranks", "loss"):
        assert same(straight[name], killed[name]), name


def test_the_state_of_the_selector_is_equal_and_not_the_first_one(runs: tuple[Path, Path]) -> None:
    straight, killed = (last(run)["ShardDataModule"]["selector state"] for run in runs)
    assert straight == killed
    assert straight["step"] == 8
    assert straight["flat"], "the case must have groups without spread"


def test_the_run_that_was_killed_had_surplus_groups_at_the_checkpoint_it_went_on_from(runs: tuple[Path, Path]) -> None:
    saved = torch.load(runs[1] / "checkpoints" / "step-000004.ckpt", weights_only=True)
    assert saved["medix"]["ranks"][0]["buffer"]["groups"]


def test_a_complete_run_is_left_as_it_is(runs: tuple[Path, Path]) -> None:
    run = runs[1]
    before = last(run)
    spec = run.parent / "spec.yaml"
    result = inside(run.parent, "fit", "--config", str(spec))
    assert "is complete" in result.out
    assert "model.max_steps = 8" in result.out
    assert same(before["state_dict"], last(run)["state_dict"])


def test_a_checkpoint_of_another_spec_is_refused_with_both_values(runs: tuple[Path, Path]) -> None:
    run = runs[1]
    words = ("--model.max_steps", "12", "--model.prompts_per_step", "2")
    result = inside(run.parent, "fit", "--config", str(run.parent / "spec.yaml"), *words, code=2)
    assert "prompts_per_step: 4 in the checkpoint, 2 in this spec" in result.err
    assert "trainer.default_root_dir" in result.err
    assert "Traceback" not in result.err
