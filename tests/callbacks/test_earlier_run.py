"""What another training has left in the folder of a run."""

from pathlib import Path

import pytest
import torch

from medix.callbacks.earlier_run import set_earlier_run_aside
from medix.callbacks.save_checkpoint import checkpoints

ASIDE = ("spec.yaml", "spec.from-step-000002.yaml", "report.json", "report.html", "validation.json", "test.json")
FILES = (
    *ASIDE,
    "completions/train.rank0.jsonl",
    "logs/version_0/metrics.csv",
    "logs/version_1/metrics.csv",
    "mine.txt",
)


@pytest.mark.parametrize("given", [None, "run/checkpoints/step-000002.ckpt", "other/step-000002.ckpt"])
@pytest.mark.parametrize("has_checkpoint", [True, False])
def test_it_is_set_aside_where_training_goes_on_from_a_checkpoint_of_elsewhere(
    tmp_path: Path, given: str | None, has_checkpoint: bool
) -> None:
    run, held, other = tmp_path / "run", "run/checkpoints/step-000002.ckpt", "other/step-000002.ckpt"
    for name in FILES:
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text(name)
    for number, name in enumerate((held, other)):
        (tmp_path / name).parent.mkdir()
        if has_checkpoint or name == other:
            torch.save(torch.tensor(float(number)), tmp_path / name)
    path = None if given is None else tmp_path / given
    is_other = has_checkpoint and given == other
    assert set_earlier_run_aside(run, checkpoints(run / "checkpoints"), path, [run / "logs/version_1"]) == is_other
    moved = {"completions/train.rank0.jsonl": "superseded-completions/train.rank0.jsonl"}
    moved |= {"logs/version_0/metrics.csv": "logs/superseded-version_0/metrics.csv"}
    moved |= {name: f"superseded-{name}" for name in ASIDE}
    for name in FILES:
        assert (run / (moved.get(name, name) if is_other else name)).read_text() == name
        assert (run / name).exists() == (not is_other or name not in moved)
