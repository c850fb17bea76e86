"""DeepSpeed ZeRO on two ranks: the trajectory of one process, resumed exactly, and checkpoints that everything reads.

The other strategies are compared with one process in ``test_ranks_training``.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from medix.modules.zero_strategy import ZeroStrategy, _check_optimizer, _deepspeed
from medix.rollout.serving.weight_folder import from_plain, read
from tests.support.rank_fits import fit, prepare, spec, zero
from tests.support.ranks import run_on_ranks
from tests.support.rollout_servers import Request, serving

BF16 = ("--trainer.precision", "bf16-mixed")
ONE_STEP = ("--model.max_steps", "1")
OFFLOADED = ("--trainer.strategy.offload_optimizer", "true", "--trainer.strategy.offload_parameters", "true")
VALIDATED = "--trainer.callbacks+=medix.callbacks.JudgeValidation"


class Runs:
    """All runs of this file: of two ranks started once, and then of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        prepare(folder)
        full = spec(folder, "full", 2, gradient_checkpointing=True)
        lora = spec(folder, "lora", 2, optimizer="AdamW", lora={"rank": 2}, freeze_vision=True)
        self.published: list[dict[str, Tensor]] = []
        with serving() as server:
            server.others["/update_weights"] = self._keep
            served = self._served(lora, server.url)
            two = [
                fit(full, "zero2", "--trainer.strategy", "deepspeed_stage_2", "--trainer.devices", "2"),
                fit(full, "zero3", *zero(3)),
                fit(full, "offloaded", *zero(3, *OFFLOADED)),
                fit(lora, "lora2", *zero(2)),
                *(fit(lora, "resumed2", *zero(2, *words)) for words in (ONE_STEP, ())),
                fit(lora, "lora3", *zero(3, *BF16)),
                *(fit(lora, "resumed3", *zero(3, *BF16, *words)) for words in (ONE_STEP, ())),
                fit(served, "served", *zero(3, *ONE_STEP)),
                self._validate(full, "two", *zero(3)),
            ]
            self.two = run_on_ranks(folder, two, 2)
        assert self.two.status == [0] * len(two), self.two.output[-6000:]
        one = [
            fit(full, "one"),
            fit(lora, "one-lora"),
            fit(full, "zero3", "--model.max_steps", "3"),
            self._validate(full, "alone"),
            ["export", "--checkpoint", "served/checkpoints/step-000001.ckpt", "--output", "exported"],
        ]
        self.one = run_on_ranks(folder, one, 1)
        assert self.one.status == [0] * len(one), self.one.output[-6000:]

    def _keep(self, request: Request) -> None:
        files = request.body["update_info"]["files"]
        self.published.append(dict(read(from_plain(files))))
        Request._answers(request)

    def _served(self, file: str, url: str) -> str:
        made = yaml.safe_load(Path(file).read_text())
        sampling = made["model"]["engine"]["init_args"]["sampling"]
        arguments = {"sampling": sampling, "base_url": url}
        made["model"]["engine"] = {"class_path": "medix.rollout.ServedEngine", "init_args": arguments}
        made["model"]["max_mismatch"] = 100.0  # the server makes its log-probabilities up
        path = self.folder / "served.yaml"
        path.write_text(yaml.safe_dump(made))
        return str(path)

    def _validate(self, file: str, run: str, *words: str) -> list[str]:
        checkpoint = str(self.folder / "zero3" / "checkpoints" / "step-000002.ckpt")
        words = ("--trainer.default_root_dir", run, "--ckpt_path", checkpoint, VALIDATED, *words)
        return ["validate", "--config", file, *words]

    def saved(self, run: str, step: int = 2) -> dict[str, Any]:
        path = self.folder / run / "checkpoints" / f"step-{step:06d}.ckpt"
        found: dict[str, Any] = torch.load(path, weights_only=True)
        return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("zero"))


def close(found: dict[str, Tensor], expected: dict[str, Tensor], difference: float) -> None:
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=difference, msg=name)


@pytest.mark.parametrize("run", ["zero2", "zero3", "offloaded"])
def test_two_ranks_learn_what_one_learns(runs: Runs, run: str) -> None:
    """With clipping, momentum, gradient checkpointing, unequal micro-batches, and a prompt without an image on one."""
    one, two = runs.saved("one"), runs.saved(run)
    close(two["state_dict"], one["state_dict"], 1e-6)
    (state,), (expected,) = two["optimizer_states"], one["optimizer_states"]
    assert state["param_groups"] == expected["param_groups"]
    for index, entry in expected["state"].items():
        close(state["state"][index], entry, 1e-4)


def test_adapters_beside_a_frozen_tower_learn_what_one_process_learns(runs: Runs) -> None:
    close(runs.saved("lora2")["state_dict"], runs.saved("one-lora")["state_dict"], 1e-6)


@pytest.mark.parametrize("run", ["2", "3"])
def test_a_resumed_run_is_the_straight_one_bit_for_bit(runs: Runs, run: str) -> None:
    """Stage 2 in float32; stage 3 in bf16-mixed, whose float32 weights and moments the checkpoint holds."""
    straight, resumed, early = runs.saved(f"lora{run}"), runs.saved(f"resumed{run}"), runs.saved(f"resumed{run}", 1)
    close(resumed["state_dict"], straight["state_dict"], 0.0)
    for index, entry in straight["optimizer_states"][0]["state"].items():
        close(resumed["optimizer_states"][0]["state"][index], entry, 0.0)
    name = next(name for name in early["state_dict"] if "lora_A" in name)
    assert not torch.equal(early["state_dict"][name], straight["state_dict"][name])
    assert early["state_dict"][name].dtype == torch.float32


def test_one_rank_goes_on_from_two(runs: Runs) -> None:
    """Without DeepSpeed; its optimizer takes the momentum that two ranks held in parts."""
    assert runs.saved("zero3", 3)["medix"]["step"] == 3


def test_two_ranks_and_one_process_validate_a_checkpoint_alike(runs: Runs) -> None:
    files = [runs.folder / run / "completions" / "validate-step-000002.jsonl" for run in ("alone", "two")]
    rows = [[json.loads(line) for line in file.read_text().splitlines()] for file in files]
    alone, two = ({row["id"]: row["completion"] for row in part} for part in rows)
    assert len(alone) == 6
    assert two == alone


def test_a_server_gets_the_weights_that_are_exported(runs: Runs) -> None:
    """Adapters merged, frozen weights too; before the first step and after it."""
    first, last = runs.published
    exported = load_file(runs.folder / "exported" / "model.safetensors")
    assert exported.keys() == last.keys()
    assert all(torch.equal(last[name], weight) for name, weight in exported.items())
    assert not all(torch.equal(first[name], weight) for name, weight in exported.items())


def test_offloaded_weights_need_the_stage_that_divides_them() -> None:
    with pytest.raises(ValueError, match=r"offload_parameters: stage 2 does not divide the weights"):
        ZeroStrategy(stage=2, offload_parameters=True)


def test_an_optimizer_that_looks_at_whole_matrices_is_refused() -> None:
    """Adafactor keeps means of rows and columns, which flat parts do not have."""
    with pytest.raises(ValueError, match=r"model\.optimizer: Adafactor keeps row_var of \(64, 1\)"):
        _check_optimizer(torch.optim.Adafactor, torch.device("cpu"))
    _check_optimizer(torch.optim.AdamW, torch.device("cpu"))


def test_deepspeed_that_was_imported_for_other_devices_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import deepspeed

    monkeypatch.setattr(deepspeed.accelerator.get_accelerator(), "device_name", lambda: "cuda")
    with pytest.raises(ValueError, match=r"imported for cuda, and trainer.accelerator is cpu; set DS_ACCELERATOR=cpu"):
        _deepspeed(torch.device("cpu"))
