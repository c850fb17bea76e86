"""Fits of the demo, in this process."""

import json
from pathlib import Path
from typing import Any

import torch
import yaml

from medix.__main__ import main as medix
from medix.modules import checkpoint_file
from tools.accelerator_check.part import Numbers
from tools.accelerator_check.process import ROOT

POLICY = ROOT / "data_shards" / "demo_policy"


class Demo:
    """The recipe ``demo`` on the device, on phantoms of its own.

    Its rewards need no encoder, so that the check needs fewer packages.

    Args:
        folder: for runs and data.
        device: ``cpu``, or the accelerator.
        tiny: so few prompts and tokens that a step takes a moment on a CPU.
    """

    def __init__(self, folder: Path, device: str, tiny: bool) -> None:
        self.folder = folder
        self.device = device
        self.steps = 1 if tiny else 10
        self.tiny = tiny
        self.data = folder / "data"

    def fit(self, name: str, steps: int, *words: str) -> dict[str, torch.Tensor]:
        """Train up to a number of steps, going on from where the run of this name is.

        Args:
            name: of the run.
            steps: at which it ends.
            words: further ones of the command line.

        Returns:
            The trained weights.
        """
        self._run("fit", *self._words(name, steps), *words)
        weights: dict[str, torch.Tensor] = checkpoint_file.read(self.checkpoint(name, steps))["state_dict"]
        if not all(bool(weight.isfinite().all()) for weight in weights.values()):
            raise RuntimeError(f"the weights of {name} are not finite")
        return weights

    def checkpoint(self, name: str, steps: int) -> Path:
        """The file of a run at a step."""
        return self.folder / name / "checkpoints" / f"step-{steps:06d}.ckpt"

    def result(self, name: str) -> Numbers:
        """What a run reports of the held-out phantoms."""
        report = json.loads((self.folder / name / "report.json").read_text())
        return {f"reward_{when}": round(report[when]["reward"], 3) for when in ("before", "after")}

    def _words(self, name: str, steps: int) -> list[str]:
        self._prepare()
        count, size, tokens = ("2", "2", "8") if self.tiny else ("24", "8", "24")
        sampling = "--model.engine.init_args.sampling"
        return [
            "--config", str(ROOT / "specs" / "demo.yaml"),
            "--trainer.default_root_dir", str(self.folder / name),
            "--trainer.accelerator", "cpu" if self.device == "cpu" else "auto",
            "--trainer.devices", "1",
            "--model.policy.init_args.name", str(POLICY),
            "--model.rewards", str(self.folder / "rewards.yaml"),
            "--model.prompts_per_step", count,
            "--model.update.prompts_per_update", count,
            f"{sampling}.completions_per_prompt", size,
            f"{sampling}.max_completion_tokens", tokens,
            "--model.max_steps", str(steps),
            "--data.train", f"[{self.data / 'train'}]",
            "--data.val", f"[{self.data / 'val'}]",
            "--data.limit_val", "2" if self.tiny else "50",
        ]  # fmt: skip

    def _prepare(self) -> None:
        """Write data and rewards, once."""
        if self.data.exists():
            return
        for split, count in (("train", "8"), ("val", "4")) if self.tiny else (("train", "500"), ("val", "50")):
            words = ["--phantoms", count, "--split", split, "--seed", "1", "--name", split, "--dataset", "phantoms"]
            self._run("shards", "build", *words, "--output", str(self.data / split))
        components: dict[str, Any] = {
            name: {"reward": {"class_path": f"medix.rewards.{reward}"}, "weight": weight}
            for name, reward, weight in (
                ("format", "FormatReward", 0.1), ("modality", "ModalityReward", 0.1), ("judge", "JudgeReward", 0.8),
            )
        }  # fmt: skip
        (self.folder / "rewards.yaml").write_text(yaml.safe_dump({"components": components}))

    def _run(self, *words: str) -> None:
        status = medix(list(words))
        if status:
            raise RuntimeError(f"medix {' '.join(words)} ended with status {status}")


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> Numbers:
    """How far the weights of two runs are from each other."""
    if one.keys() != other.keys():
        raise RuntimeError(f"the runs have different weights: {sorted(one.keys() ^ other.keys())[:3]}")
    largest = max(float((weight.float() - other[name].float()).abs().max()) for name, weight in one.items())
    return {"bit_equal": all(torch.equal(weight, other[name]) for name, weight in one.items()), "largest": largest}
