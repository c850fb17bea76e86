"""Precisions of the trainer: a fit in each that is supported, and the others refused by name."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.plugins import DoublePrecision, HalfPrecision, MixedPrecision, Precision
from safetensors.torch import load_file
from torch import Tensor

from medix.callbacks.dry_run import DryRun
from medix.data.datamodule import ShardDataModule
from medix.data.mixture import Mixture
from medix.data.prompting import Prompting
from medix.losses.coefficient import FixedCoefficient
from medix.losses.grpo import GRPOLoss
from medix.losses.reference_kl import ReferenceKL
from medix.modules.group_rl import GroupRLModule
from medix.modules.precision import check_plugin, check_precision
from medix.modules.record import StepRecord
from medix.modules.update import Update
from medix.policy import vision_language
from medix.policy.export import export
from medix.policy.lora import LoRA
from medix.policy.self_check import ALLOWED
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.spec.trainer_keys import SUPPORTED, long_form
from tests.support.runs import MANIFESTS


@dataclass
class Seen:
    """What a fit did: each pass with the dtype that it computed in, and the records of its steps."""

    passes: list[tuple[str, torch.dtype]] = field(default_factory=list)
    returned: set[torch.dtype] = field(default_factory=set)
    compared: list[float] = field(default_factory=list)
    scored: set[tuple[bool, torch.dtype]] = field(default_factory=set)
    records: list[StepRecord] = field(default_factory=list)
    before: dict[str, Tensor] = field(default_factory=dict)
    module: GroupRLModule | None = None
    saved: Path = Path()


class Letters(RewardComponent):
    """Spreads gibberish; notes whether it is computed under autocast, and in which default dtype."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen = seen

    def score(self, batch: RewardBatch) -> ComponentScores:
        self.seen.scored.add((torch.is_autocast_enabled("cpu"), torch.get_default_dtype()))
        return ComponentScores.of([sum(c < "m" for c in text) % 4 / 3 for text in batch.completions])


class Watch(Callback):
    """Fills ``Seen``."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen

    def on_fit_start(self, trainer: Trainer, pl_module: Any) -> None:
        self.seen.before = {name: value.detach().clone() for name, value in pl_module.policy.named_parameters()}

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *rest: Any) -> None:
        if pl_module.finished_step is not None:
            self.seen.records.append(pl_module.finished_step)


def fitted(policy: Path, folder: Path, precision: Any, lora: LoRA | None = None) -> Seen:
    """One step with a dry run, a shared pass, its self-check and a reference policy."""
    seen = Seen()
    module = GroupRLModule(
        policy=VisionLanguagePolicy(str(policy), lora=lora),
        engine=LocalEngine(Sampling(completions_per_prompt=3, max_completion_tokens=5)),
        rewards=RewardSuite({"letters": Weighted(Letters(seen), 1.0)}),
        loss=GRPOLoss(reference_kl=ReferenceKL("k3", FixedCoefficient(0.01))),
        update=Update(prompts_per_update=2, old_logprobs="recompute"),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-2),
        prompting=Prompting(template="short"),
        prompts_per_step=2,
        max_steps=1,
    )
    with pytest.MonkeyPatch.context() as patch:
        forward, compare = VisionLanguagePolicy.forward, vision_language.compare

        def noted(self: VisionLanguagePolicy, groups: Any, temperature: float = 1.0) -> Tensor:
            who = "policy" if self is module.policy else "reference"
            seen.passes.append((who, self._precision))
            rows = forward(self, groups, temperature)
            seen.returned.add(rows.dtype)
            return rows

        def compared(*given: Any) -> None:
            seen.compared.append(given[4].logprobs)
            compare(*given)

        patch.setattr(VisionLanguagePolicy, "forward", noted)
        patch.setattr(vision_language, "compare", compared)
        trainer = Trainer(
            default_root_dir=folder, accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, precision=precision,
            callbacks=[DryRun(4), Watch(seen)],
        )  # fmt: skip
        data = ShardDataModule(train=[str(MANIFESTS / "tiny_train-*.yaml")], mixture=Mixture(total=20))
        trainer.fit(module, datamodule=data)
    seen.saved = folder / "one.ckpt"
    trainer.save_checkpoint(seen.saved)
    seen.module = module
    return seen


CASES = {
    "bf16-mixed": ("bf16-mixed", None),
    "bf16-true": ("bf16-true", None),
    "bf16-true, adapters": ("bf16-true", LoRA(rank=2)),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest, tiny_policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    precision, lora = CASES[request.param]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return request.param, fitted(tiny_policy, tmp_path_factory.mktemp("run"), precision, lora)


def test_trained_weights_move_and_have_the_dtype_of_the_precision(case: tuple[str, Seen], tmp_path: Path) -> None:
    """Float32 masters under bf16-mixed, bfloat16 weights under bf16-true, whose adapters stay float32."""
    name, seen = case
    assert seen.module is not None
    wanted = torch.bfloat16 if name == "bf16-true" else torch.float32
    trained = {n: p for n, p in seen.module.policy.named_parameters() if p.requires_grad}
    assert {p.dtype for p in trained.values()} == {wanted}
    moved = [float((p.detach() - seen.before[n]).abs().max()) for n, p in trained.items()]
    assert max(moved) > 1e-3
    saved = torch.load(seen.saved, weights_only=True)["state_dict"]
    assert {value.dtype for value in saved.values() if value.is_floating_point()} == {wanted}
    exported = load_file(export(seen.module.policy, tmp_path / "exported", "card") / "model.safetensors")
    assert {value.dtype for value in exported.values()} == {torch.float32 if name == "bf16-mixed" else torch.bfloat16}
    frozen = {p.dtype for n, p in seen.module.policy.named_parameters() if not p.requires_grad}
    assert frozen <= {torch.bfloat16}


def test_every_pass_is_made_in_the_precision_of_the_step_and_gives_float32(case: tuple[str, Seen]) -> None:
    """Dry run, self-check, old, reference and training pass, without an exception."""
    name, seen = case
    assert {dtype for _, dtype in seen.passes} == {torch.bfloat16}
    assert {who for who, _ in seen.passes} == ({"policy"} if "adapters" in name else {"policy", "reference"})
    assert seen.returned == {torch.float32}
    assert set(seen.compared) == {ALLOWED[torch.bfloat16].logprobs}


def test_on_policy_the_ratio_is_1_and_the_reference_is_the_policy(case: tuple[str, Seen]) -> None:
    """Old, reference and training pass compute the same: differences are of bfloat16, not of another model."""
    _, seen = case
    (record,) = seen.records
    assert record.metrics["ratio"] == pytest.approx(1.0, abs=1e-2)
    assert record.metrics["old_kl"] < 1e-3
    assert record.metrics["reference_kl"] < 1e-3
    assert record.metrics["skipped_updates"] == 0


def test_rewards_are_computed_outside_autocast_and_in_float32(case: tuple[str, Seen]) -> None:
    assert case[1].scored == {(False, torch.float32)}


def test_frequencies_of_rotary_embeddings_stay_float32(case: tuple[str, Seen]) -> None:
    _, seen = case
    assert seen.module is not None
    found = {n: b.dtype for n, b in seen.module.policy.named_buffers() if "inv_freq" in n}
    assert found
    assert set(found.values()) == {torch.float32}


# Refused.


@pytest.mark.parametrize(
    "given", ["16-mixed", "16-true", 16, "16", "64-true", 64, "64", "transformer-engine", "transformer-engine-float16"]
)
def test_other_precisions_are_refused_by_name_with_what_to_use(given: Any) -> None:
    with pytest.raises(ValueError, match=rf"trainer\.precision: {given} is not supported: \w+ .*Set trainer") as found:
        check_precision(given)
    assert all(name in str(found.value) for name in SUPPORTED)


def test_an_unknown_precision_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"trainer\.precision: fp8 is not supported\. Set trainer\.precision: bf16-m"):
        check_precision("fp8")


@pytest.mark.parametrize("given", [None, 32, "32", "32-true", "bf16", "bf16-mixed", "bf16-true"])
def test_supported_precisions_pass_in_every_spelling(given: Any) -> None:
    check_precision(given)
    assert long_form(given) in SUPPORTED


class Own(Precision):
    """A plugin of a user's."""

    precision = "32-true"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "make",
    [lambda: MixedPrecision("16-mixed", "cpu"), lambda: HalfPrecision("16-true"), DoublePrecision, Own],
    ids=["16-mixed", "16-true", "64-true", "own"],
)
def test_plugins_are_refused_like_the_key(make: Any) -> None:
    plugin = make()
    with pytest.raises(ValueError, match=rf"the plugin {type(plugin).__name__} \({plugin.precision}\) is not supp"):
        check_plugin(plugin)
    with pytest.raises(ValueError, match=r"leave the plugin out of trainer\.plugins"):
        check_precision(None, [plugin])


def test_supported_precisions_are_set_by_their_key_alone() -> None:
    """Exports and the doctor read the key."""
    for plugin in (Precision(), MixedPrecision("bf16-mixed", "cpu"), HalfPrecision("bf16-true")):
        check_plugin(plugin)
        with pytest.raises(ValueError, match=rf"leave it out, and set trainer\.precision: {plugin.precision}"):
            check_precision(None, plugin)


def test_a_trainer_built_by_hand_is_refused_before_weights_are_read(tiny_policy: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trainer\.precision: the plugin HalfPrecision \(16-true\)"):
        fitted(tiny_policy, tmp_path, "16-true")


@pytest.fixture(autouse=True)
def default_dtype() -> Iterator[None]:
    yield
    assert torch.get_default_dtype() == torch.float32
