"""The best checkpoint, and its name in a folder."""

import json
from pathlib import Path
from typing import Literal

import pytest
import torch

from medix.callbacks.best_checkpoint import BestCheckpoint

OLD = {"suite": {"rewards": "old", "judge": "a"}}


def chosen(*values: float, mode: Literal["max", "min"] = "max") -> BestCheckpoint:
    """Of steps 1, 2, …"""
    best = BestCheckpoint("val/reward", mode)
    for step, value in enumerate(values, start=1):
        best.compare(value, step, OLD)
    return best


@pytest.mark.parametrize(("mode", "step"), [("max", 2), ("min", 3)])
def test_of_equal_values_the_first_is_the_best(mode: Literal["max", "min"], step: int) -> None:
    best = chosen(0.5, 0.9, 0.1, 0.9, 0.1, mode=mode)
    assert (best.step, best.value) == (step, 0.9 if mode == "max" else 0.1)


@pytest.mark.parametrize(
    ("monitor", "mode", "suite", "why"),
    [
        ("val/reward", "max", {"judge": "a"}, ""),
        ("val/reward", "max", {"rewards": "new"}, "other rewards"),
        ("val/accuracy", "max", {}, "another monitor"),
        ("val/accuracy", "min", {}, "another monitor and another mode"),
    ],
)
def test_a_value_that_means_something_else_is_forgotten_and_told_with_what_it_meant(
    monitor: str, mode: Literal["max", "min"], suite: dict[str, str], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    best = BestCheckpoint(monitor, mode)
    best.load_state_dict(chosen(0.5499999999999999).state_dict())
    best.forget_other_kind({"suite": OLD["suite"] | suite})
    assert (best.step, best.value) == ((None, None) if why else (1, 0.5499999999999999))
    assert ("chosen anew: that of step 1 (val/reward = 0.55) was chosen with" in caplog.text) == bool(why)
    assert f"was chosen with {why}" in caplog.text or not why


def test_a_worse_value_is_the_best_where_the_better_one_meant_something_else() -> None:
    best = chosen(0.9)
    best.compare(0.1, 2, {"suite": {"rewards": "new", "judge": "a"}})
    assert (best.step, best.value, best.chosen_by["suite"]["rewards"]) == (2, 0.1, "new")


def test_a_best_that_is_not_here_is_forgotten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    best = chosen(0.5, 0.9)
    best.forget_unless_in(tmp_path, [1, 2])
    assert (best.step, caplog.text) == (2, "")
    best.forget_unless_in(tmp_path, [1, 3])
    assert (best.step, best.value) == (None, None)
    assert f"that of step 2 (val/reward = 0.9), which training has had so far, is not in {tmp_path}" in caplog.text


@pytest.mark.parametrize("has_links", [True, False])
def test_a_folder_names_the_best_until_its_checkpoint_is_gone(
    tmp_path: Path, has_links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(self: Path, target: str) -> None:
        raise OSError("no links here")

    if not has_links:
        monkeypatch.setattr(Path, "symlink_to", no_links)
    for step in (1, 2):
        torch.save({"step": step}, tmp_path / f"step-{step:06d}.ckpt")
    for best, value in ((chosen(0.5), 0.5), (chosen(0.5, 0.9), 0.9)):
        best.point_to(tmp_path)
        facts = json.loads((tmp_path / "best.json").read_text())
        assert facts == {"step": best.step, "monitor": "val/reward", "mode": "max", "value": value}
        assert torch.load(tmp_path / "best.ckpt", weights_only=True) == {"step": best.step}
        assert (tmp_path / "best.ckpt").is_symlink() == has_links
    (tmp_path / "step-000002.ckpt").unlink()
    best.point_to(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-000001.ckpt"]


def test_the_state_of_a_checkpoint_of_an_earlier_version_is_read() -> None:
    """It does not say what the value means, which is then not compared."""
    best = BestCheckpoint("val/accuracy", "max")
    best.load_state_dict({"best_value": 0.5, "best_step": 2})
    best.forget_other_kind(OLD)
    assert best.state_dict() == {"best_value": 0.5, "best_step": 2, "chosen_by": {}}
