"""A small run that has finished, with data of its own, to look at afterwards."""

import shutil
from pathlib import Path

from tests.support.runs import ROOT, medix, small_spec, write_spec

STEPS = 5

RUN = "runs/one"
"""Folder of the run, relative to where it was trained."""


def finished_run(folder: Path) -> Path:
    """Five steps with checkpoints after 2, 4 and 5: dropout on, groups that wait, relative paths. Its folder."""
    for name in ("manifests", "tiny"):
        shutil.copytree(ROOT / "data_shards" / name, folder / "data" / name)
    spec = small_spec(
        folder,
        trainer={"default_root_dir": RUN},
        model={
            "policy": {"init_args": {"lora": {"rank": 2, "dropout": 0.2}}},
            "prompts_per_rollout": 5,
            "max_steps": STEPS,
        },
        data={"train": ["data/manifests/tiny_train-*.yaml"], "val": ["data/manifests/tiny_val-*.yaml"]},
    )
    spec["trainer"]["callbacks"] += [
        {"class_path": "medix.callbacks.JudgeValidation", "init_args": {"every_n_steps": 3}},
        {"class_path": "medix.callbacks.WriteReport", "init_args": {"samples": 0}},
    ]
    medix(folder, "fit", "--config", str(write_spec(folder, spec)))
    return folder / RUN
