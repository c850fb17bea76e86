"""DeepSpeed ZeRO on two ranks: the trajectory of one process, resumed exactly, and checkpoints that everything reads.

The other strategies are compared with one process in ``test_ranks_training``.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning.pytorch.plugins.environments import LightningEnvironment
from safetensors.torch import load_file
from torch import Tensor

from medix.modules.adamw_8bit import AdamW8bit
from medix.modules.zero_strategy import ZeroStrategy, _deepspeed, check_optimizer
from medix.rollout.serving.weight_folder import from_plain, read
from tests.support.rank_fits import OFFLOADED, fit, prepare, skipped_updates, spec, zero
from tests.support.ranks import run_on_ranks
from tests.support.rollout_servers import Request, serving
from tests.support.runs import MANIFESTS, merged, write_spec

BF16 = ("--trainer.precision", "bf16-mixed")
ONE_STEP = ("--model.max_steps", "1")
MADE_UP = {"max_mismatch": 100.0}
"""What an engine needs whose log-probabilities are not the policy's."""


class Runs:
    """All runs of this file: of one process, then of two ranks started once, and of one again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        prepare(folder, "qwen3_vl_moe")
        self.full = self._with(spec(folder, "full", 2, gradient_checkpointing=True), loss=_with_reference())
        self._validated(self.full)
        lora = spec(folder, "lora", 2, optimizer="AdamW", lora={"rank": 2}, freeze_vision=True)
        self.lora = self._with(lora, loss=_with_reference())
        self.experts = spec(folder, "experts", 2, architecture="qwen3_vl_moe", freeze_vision=True)
        self.published: list[dict[str, Tensor]] = []
        self.infinite = spec(folder, "infinite", 2, update="my_rewards.NotFiniteOnOneRank")
        alone = [(self.full, "one", "--model.max_steps", "3"), (self.lora, "one-lora"), (self.experts, "one-moe")]
        self._run(1, [fit(*words) for words in (*alone, (self.infinite, "one-infinite"))])
        with serving() as server:
            server.others["/update_weights"] = self._keep
            self._run(2, self._of_two_ranks(server.url), {8: 143, 11: 138, -1: 2})
            self.said_by_two = self.said.output
        after = [
            fit(self.full, "zero3", "--model.max_steps", "3"),
            self._measure("validate", "alone"),
            self._measure("test", "alone"),
            ["export", "--checkpoint", "served/checkpoints/step-000001.ckpt", "--output", "exported"],
        ]
        self._run(1, after)

    def _of_two_ranks(self, url: str) -> list[list[str]]:
        full, lora = self.full, self.lora
        served = {"class_path": "medix.rollout.ServedEngine", "init_args": {"base_url": url}}
        engine = "tests.support.adapter_engine.AdapterEngine"
        alone = {"class_path": engine, "init_args": {"publish_adapter_only": True}}
        narrow = spec(self.folder, "narrow", 1, optimizer="AdamW8bit")
        return [
            fit(full, "zero2", "--trainer.strategy", "deepspeed_stage_2", "--trainer.devices", "2"),
            fit(full, "zero3", *zero(3)),
            fit(full, "offloaded", *zero(3, *OFFLOADED, *ONE_STEP)),
            fit(full, "offloaded", *zero(3)),
            fit(full, "grown", *zero(2), "--ckpt_path", "one/checkpoints/step-000001.ckpt"),
            fit(self.experts, "moe2", *zero(2)),
            fit(self.experts, "moe3", *zero(3)),
            fit(lora, "zero2-straight", *zero(2)),
            *[fit(lora, "zero2-resumed", *zero(2))] * 2,
            fit(lora, "zero3-straight", *zero(3, *BF16)),
            *[fit(lora, "zero3-resumed", *zero(3, *BF16))] * 2,
            fit(self._with(lora, "served", engine=served, **MADE_UP), "served", *zero(3, *ONE_STEP)),
            fit(self._with(lora, "alone", engine=alone, **MADE_UP), "adapters", *zero(3, *ONE_STEP)),
            *(fit(self.infinite, f"infinite{stage}", *zero(stage)) for stage in (2, 3)),
            fit(self.infinite, "infinite-bf16", *zero(2, *BF16)),
            self._measure("validate", "two", *zero(3)),
            self._measure("test", "two", *zero(2)),
            fit(narrow, "narrow", *zero(2)),  # the last one: it ends the process group
        ]

    def _run(self, ranks: int, commands: list[list[str]], statuses: dict[int, int] | None = None) -> None:
        expected = [0] * len(commands)
        for place, status in (statuses or {}).items():
            expected[place] = status
        self.said = run_on_ranks(self.folder, commands, ranks)
        assert self.said.status[-len(commands) :] == expected, self.said.output[-6000:]

    def _keep(self, request: Request) -> None:
        files = request.body["update_info"]["files"]
        self.published.append(dict(read(from_plain(files))))
        Request._answers(request)

    def _with(self, file: str, name: str = "", **model: Any) -> str:
        """A spec with other parts of the model; an engine keeps its sampling."""
        made = yaml.safe_load(Path(file).read_text())
        if "engine" in model:
            sampling = {"init_args": {"sampling": made["model"]["engine"]["init_args"]["sampling"]}}
            model["engine"] = merged(model["engine"], sampling)
        made["model"] |= model
        return str(write_spec(self.folder, made, f"{name or Path(file).stem}.yaml"))

    def _validated(self, file: str) -> None:
        """Validate and save after every step, with a dry run before the first."""
        made = yaml.safe_load(Path(file).read_text())
        *others, _ = made["trainer"]["callbacks"]
        arguments = {"SaveCheckpoint": {"every_n_steps": 1}, "JudgeValidation": {"every_n_steps": 1}, "DryRun": {}}
        named = [{"class_path": f"medix.callbacks.{name}", "init_args": given} for name, given in arguments.items()]
        kept = [one for one in others if one["class_path"] != "medix.callbacks.SaveCheckpoint"]
        made["trainer"]["callbacks"] = kept + named
        write_spec(self.folder, made, Path(file).name)

    def _measure(self, command: str, run: str, *words: str) -> list[str]:
        checkpoint = str(self.folder / "zero3" / "checkpoints" / "step-000002.ckpt")
        split = [f"--data.test=[{MANIFESTS / 'tiny_val-x_ray.yaml'}]"] if command == "test" else []
        where = ["--trainer.default_root_dir", run, "--ckpt_path", checkpoint]
        return [command, "--config", self.full, *where, *split, *words]

    def saved(self, run: str, step: int = 2) -> dict[str, Any]:
        path = self.folder / run / "checkpoints" / f"step-{step:06d}.ckpt"
        found: dict[str, Any] = torch.load(path, weights_only=True)
        return found

    def rows(self, run: str, name: str) -> dict[str, str]:
        """Completions by sample."""
        lines = (self.folder / run / "completions" / f"{name}.jsonl").read_text().splitlines()
        return {row["id"]: row["completion"] for row in map(json.loads, lines)}


def _with_reference() -> dict[str, Any]:
    """A loss whose divergence from the reference policy moves the weights from the second update on."""
    coefficient = {"class_path": "medix.losses.FixedCoefficient", "init_args": {"value": 1.0}}
    divergence = {"estimator": "k3", "coefficient": coefficient}
    return {"class_path": "medix.losses.DAPOLoss", "init_args": {"reference_kl": divergence}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("zero"))


def close(found: dict[str, Tensor], expected: dict[str, Tensor], difference: float) -> None:
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=difference, msg=name)


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Weights and state of the optimizer bit for bit."""
    close(found["state_dict"], expected["state_dict"], 0.0)
    (state,), (other,) = found["optimizer_states"], expected["optimizer_states"]
    assert state["state"].keys() == other["state"].keys()
    for index, entry in other["state"].items():
        close(state["state"][index], entry, 0.0)


@pytest.mark.parametrize("run", ["zero2", "zero3", "offloaded", "grown"])
def test_two_ranks_learn_what_one_learns(runs: Runs, run: str) -> None:
    """With clipping, momentum, a reference policy, gradient checkpointing, unequal micro-batches, a dry run, and a
    prompt without an image on one rank; the last begins with the first step of one process.
    """
    one, two = runs.saved("one"), runs.saved(run)
    close(two["state_dict"], one["state_dict"], 1e-6)
    (state,), (expected,) = two["optimizer_states"], one["optimizer_states"]
    assert state["param_groups"] == expected["param_groups"]
    for index, entry in expected["state"].items():
        close(state["state"][index], entry, 1e-4)


@pytest.mark.parametrize("run", ["moe2", "moe3"])
def test_experts_beside_a_frozen_tower_learn_what_one_process_learns(runs: Runs, run: str) -> None:
    found = runs.saved(run)["state_dict"]
    close(found, runs.saved("one-moe")["state_dict"], 1e-6)
    assert any("experts" in name for name in found)
    assert not any("visual" in name for name in found)


def test_adapters_learn_what_one_process_learns_beside_their_own_reference(runs: Runs) -> None:
    close(runs.saved("zero2-straight")["state_dict"], runs.saved("one-lora")["state_dict"], 1e-6)


@pytest.mark.parametrize(("run", "signal"), [("zero2", "SIGTERM"), ("zero3", "SIGUSR1")])
def test_a_signal_in_a_step_is_heard_after_it_and_the_resumed_run_is_the_straight_one(
    runs: Runs, run: str, signal: str
) -> None:
    """Stage 2 in float32, in an update; stage 3 in bf16-mixed, whose float32 weights and moments are saved."""
    assert f"stopped by {signal} at step 1; the same command goes on" in runs.said_by_two
    straight, early = runs.saved(f"{run}-straight"), runs.saved(f"{run}-resumed", 1)
    same(runs.saved(f"{run}-resumed"), straight)
    name = next(name for name in early["state_dict"] if "lora_A" in name)
    assert not torch.equal(early["state_dict"][name], straight["state_dict"][name])
    assert early["state_dict"][name].dtype == torch.float32


def test_all_weights_go_on_bit_for_bit_offloaded_or_not(runs: Runs) -> None:
    """One step with weights and state in main memory, and one without."""
    same(runs.saved("offloaded"), runs.saved("zero3"))


def test_one_rank_goes_on_from_two(runs: Runs) -> None:
    """Without DeepSpeed; its optimizer takes the momentum that two ranks held in parts."""
    close(runs.saved("zero3", 3)["state_dict"], runs.saved("one", 3)["state_dict"], 1e-6)


def test_validations_of_a_fit_and_its_best_checkpoint_are_those_of_one_process(runs: Runs) -> None:
    for step in range(3):
        rows = [runs.rows(run, f"val-step-{step:06d}") for run in ("one", "zero2", "zero3")]
        assert len(rows[0]) == 6
        assert rows[0] == rows[1] == rows[2]
    values = []
    for run in ("zero2", "zero3"):
        folder = runs.folder / run / "checkpoints"
        best = json.loads((folder / "best.json").read_text())
        assert (folder / "best.ckpt").resolve().name == f"step-{best['step']:06d}.ckpt"
        values.append((best["step"], pytest.approx(best["value"], abs=1e-6)))
    assert values[0] == values[1]


@pytest.mark.parametrize(("command", "rows"), [("validate", 6), ("test", 8)])
def test_two_ranks_and_one_process_measure_a_checkpoint_alike(runs: Runs, command: str, rows: int) -> None:
    """By ``validate`` with stage 3, and by ``test`` with stage 2."""
    alone, two = (runs.rows(run, f"{command}-step-000002") for run in ("alone", "two"))
    assert len(alone) == rows
    assert two == alone


@pytest.mark.parametrize("run", ["infinite2", "infinite3", "infinite-bf16"])
def test_updates_whose_loss_or_gradient_one_rank_cannot_compute_are_skipped_by_both(runs: Runs, run: str) -> None:
    """DeepSpeed goes by the gradient's norm in float32, and looks for infinities in bfloat16."""
    assert skipped_updates(runs.folder / run) == {1: 2.0, 2: 0.0}
    found = runs.saved(run)["state_dict"]
    close(found, runs.saved("one-infinite")["state_dict"], 0.01 if run == "infinite-bf16" else 1e-6)


def test_every_rank_has_the_adapters_alone_that_are_saved(runs: Runs) -> None:
    """Whole, though each rank holds parts of them; before the first step and after it."""
    trained = {
        name.removeprefix("policy.model.").replace(".default.", "."): weight
        for name, weight in runs.saved("adapters", 1)["state_dict"].items()
    }
    for rank in (0, 1):
        first, last = (torch.load(runs.folder / f"adapter-{rank}-{number}.pt") for number in (1, 2))
        close(last, trained, 0.0)
        assert not any(torch.equal(first[name], weight) for name, weight in trained.items() if "lora_B" in name)


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


@pytest.mark.parametrize(("key", "argument"), [("stage", "stage"), ("offload_param", "offload_parameters")])
def test_a_key_that_has_an_argument_of_its_own_is_refused(key: str, argument: str) -> None:
    """It would overrule the argument, which doctor and checkpoints go by."""
    with pytest.raises(ValueError, match=rf"zero_optimization: {key} has .* set trainer\.strategy\.{argument}$"):
        ZeroStrategy(zero_optimization={key: 1})


@pytest.mark.parametrize(
    ("given", "told"),
    [({"reduce_bucket": 3000}, "reduce_bucket: 3000: Extra inputs"), ({"overlap_comm": "no way"}, "overlap_comm: 'no")],
)
def test_a_key_that_deepspeed_does_not_take_is_named(given: dict[str, Any], told: str) -> None:
    strategy = ZeroStrategy(zero_optimization=given)
    strategy.parallel_devices = [torch.device("cpu")]
    strategy.cluster_environment = LightningEnvironment()
    with pytest.raises(ValueError, match=rf"^trainer\.strategy\.zero_optimization: {told}.* or leave it out$"):
        strategy.check(torch.optim.AdamW)


@pytest.mark.parametrize("create", [torch.optim.Adafactor, torch.optim.Muon, AdamW8bit])
def test_an_optimizer_that_looks_at_more_than_one_number_is_refused(create: Any) -> None:
    """At means of rows and columns, at whole matrices, at blocks of 256 numbers."""
    told = rf"model\.optimizer: {create.__name__} steps a part of a weight otherwise.*torch\.optim\.AdamW"
    with pytest.raises(ValueError, match=told):
        check_optimizer(create, torch.device("cpu"))


@pytest.mark.parametrize("create", [torch.optim.AdamW, torch.optim.SGD, torch.optim.NAdam])
def test_an_optimizer_that_treats_each_number_alone_is_not(create: Any) -> None:
    check_optimizer(create, torch.device("cpu"))


def test_a_fit_refuses_the_optimizer_before_it_reads_weights(runs: Runs) -> None:
    assert "medix: error: model.optimizer: AdamW8bit steps a part" in runs.said_by_two


def test_deepspeed_that_was_imported_for_other_devices_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import deepspeed

    monkeypatch.setattr(deepspeed.accelerator.get_accelerator(), "device_name", lambda: "cuda")
    with pytest.raises(ValueError, match=r"imported for cuda, and trainer.accelerator is cpu; set DS_ACCELERATOR=cpu"):
        _deepspeed(torch.device("cpu"))
