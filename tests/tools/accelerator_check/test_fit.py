"""The demo is continued bit for bit, and exported; a difference is a failure."""

from pathlib import Path

import pytest
import torch

from tests.tools.accelerator_check.tried import tried
from tools.accelerator_check.demo import Demo
from tools.accelerator_check.fit import Export, Fit


def test_a_continued_run_has_the_weights_of_a_straight_one(tmp_path: Path) -> None:
    rows = tried("fit.Fit", tmp_path)
    assert list(rows) == ["bf16-mixed", "32-true"]
    for row in rows.values():
        assert row.numbers["resume_bit_equal"]
        assert 0 <= row.numbers["reward_after"] <= 1


def test_an_exported_model_computes_what_was_trained(tmp_path: Path) -> None:
    assert tried("fit.Export", tmp_path)["export"].numbers["largest_difference"] <= 1e-4


@pytest.fixture
def weights(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """What fits return instead of training, by the name and step of the run."""
    found: dict[str, float] = {}
    monkeypatch.setattr(Demo, "fit", lambda _, name, steps, *words: {"w": torch.tensor([found[f"{name} {steps}"]])})
    monkeypatch.setattr(Demo, "result", lambda *_: {})
    return found


def test_a_difference_after_resuming_is_a_failure_on_a_cpu_and_stated_elsewhere(
    weights: dict[str, float], tmp_path: Path
) -> None:
    part = Fit(tmp_path, tiny=True)
    part.device = "cpu"
    weights |= {"32-true-straight 2": 1.0, "32-true-resumed 1": 0.5, "32-true-resumed 2": 1.25}
    with pytest.raises(RuntimeError, match=r"differs from the straight one by up to 0\.25"):
        part._resumed("32-true")
    part.device = "cuda"
    assert part._resumed("32-true") == {"resume_bit_equal": False, "resume_largest": 0.25}


def test_training_that_moves_nothing_is_a_failure(weights: dict[str, float], tmp_path: Path) -> None:
    weights |= {"32-true-straight 2": 1.0, "32-true-resumed 1": 1.0, "32-true-resumed 2": 1.0}
    with pytest.raises(RuntimeError, match="training moved no weight"):
        Fit(tmp_path, tiny=True)._resumed("32-true")


def test_an_export_that_differs_is_a_failure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of two passes, over the trained and over the exported model, the second gives something else."""
    passes = iter([torch.zeros(2), torch.tensor([0.0, 0.01])])
    monkeypatch.setattr(Export, "_logprobs", lambda *_: next(passes))
    with pytest.raises(RuntimeError, match=r"exported model differ by up to 0\.01"):
        Export(tmp_path, tiny=True)._export()
