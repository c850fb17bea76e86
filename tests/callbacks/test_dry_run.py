"""The longest samples before the first step."""

import logging
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from medix.callbacks import dry_run, pass_memory
from medix.callbacks.dry_run import DryRun, DryRunError
from medix.data.datamodule import ShardDataModule
from medix.data.mixture import Mixture
from medix.data.prompting import Prompting
from medix.losses.base import GroupLoss
from medix.losses.coefficient import FixedCoefficient
from medix.losses.dapo import DAPOLoss
from medix.losses.grpo import GRPOLoss
from medix.losses.reference_kl import ReferenceKL
from medix.modules.group_rl import GroupRLModule
from medix.modules.microbatch import token_count
from medix.modules.training_group import TrainingGroup
from medix.modules.update import Update
from medix.policy.lora import LoRA
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.format import FormatReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.signal import KeepScored
from tests.support.runs import MANIFESTS


def fit(
    folder: Path,
    policy: Path,
    *callbacks: Callback,
    loss: GroupLoss | None = None,
    lora: LoRA | None = None,
    prompts: int = 2,
    completions: tuple[int, int] = (3, 6),
    **update: Any,
) -> GroupRLModule:
    torch.manual_seed(3)
    number, length = completions
    module = GroupRLModule(
        policy=VisionLanguagePolicy(str(policy), lora=lora),
        engine=LocalEngine(Sampling(completions_per_prompt=number, max_completion_tokens=length)),
        rewards=RewardSuite({"format": Weighted(FormatReward(), 1.0)}),
        loss=loss or DAPOLoss(),
        update=Update(prompts_per_update=prompts, **update),
        group_filter=KeepScored(),
        prompting=Prompting(template="short"),
        prompts_per_step=prompts,
        max_steps=1,
    )
    data = ShardDataModule(train=[str(MANIFESTS / "tiny_train-*.yaml")], mixture=Mixture(total=20))
    Trainer(
        default_root_dir=folder, accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=list(callbacks),
    ).fit(module, datamodule=data)  # fmt: skip
    return module


def test_ranks_of_a_machine_share_what_is_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dry_run, "available", lambda: 601)
    assert dry_run._available_to_each(2) == 300


def test_the_dry_run_passes_as_much_at_once_as_the_step_after_it(tmp_path: Path, tiny_policy: Path) -> None:
    class Noted(Callback):
        """Tokens of passes with gradient, before the first step and in it."""

        def __init__(self) -> None:
            self.passed: list[list[int]] = [[], []]
            self.is_step = False

        def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
            plain = pl_module.policy.logprobs

            def logprobs(groups: Any, temperature: float = 1.0) -> torch.Tensor:
                if torch.is_grad_enabled():
                    self.passed[self.is_step].append(token_count(groups, shares_prompts=True))
                rows: torch.Tensor = plain(groups, temperature)
                return rows

            pl_module.policy.logprobs = logprobs

        def on_train_batch_start(self, *_: Any) -> None:
            self.is_step = True

    noted = Noted()
    fit(tmp_path, tiny_policy, DryRun(samples=20), noted, prompts=6)
    dry, step = noted.passed
    assert len(dry) == len(step) == 1
    assert dry[0] >= step[0] > dry[0] / 2


def test_nothing_is_learnt_and_nothing_is_drawn(tmp_path: Path, tiny_policy: Path) -> None:
    class State(Callback):
        """What a step begins with."""

        def on_train_batch_start(self, trainer: Trainer, pl_module: Any, *given: Any) -> None:
            self.weights = {name: value.clone() for name, value in pl_module.policy.state_dict().items()}
            self.random = torch.get_rng_state()
            self.gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
            self.position = trainer.datamodule.position  # type: ignore[attr-defined]

    with_it, without = State(), State()
    fit(tmp_path, tiny_policy, DryRun(), with_it)
    fit(tmp_path, tiny_policy, without)
    assert torch.equal(with_it.random, without.random)
    assert not with_it.gradients
    assert with_it.position == without.position
    assert all(torch.equal(value, without.weights[name]) for name, value in with_it.weights.items())


def test_it_passes_the_longest_prompt_with_completions_of_the_limit_and_says_what_they_take(
    tmp_path: Path, tiny_policy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    passed: list[list[TrainingGroup]] = []
    plain = Update.accumulate

    def noted(self: Update, module: Any, groups: Any) -> dict[str, float]:
        passed.append(list(groups))
        return plain(self, module, groups)

    monkeypatch.setattr(Update, "accumulate", noted)
    with caplog.at_level(logging.INFO, "medix.callbacks.dry_run"):
        module = fit(tmp_path, tiny_policy, DryRun(samples=20))
    (first, second), _ = passed
    lengths = [len(completion.token_ids) for one in (first, second) for completion in one.rollout.completions]
    assert lengths == [6] * 6
    assert not {t for c in first.rollout.completions for t in c.token_ids} & set(module.policy.banned_token_ids)
    dataset = module.trainer.datamodule.loaders["train"].dataset  # type: ignore[attr-defined]
    P = max(len(dataset[index].token_ids) for index in range(20))
    assert len(first.rollout.prompt.token_ids) == P
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("dry run")]
    assert f"{2 * P + 36} tokens at a time fit (2 groups, with a prompt of {P} tokens and 3 completions of 6)" in line
    assert "weights 0.00 GB + gradients 0.00 GB + optimiser state 0.00 GB" in line


def with_divergence() -> GRPOLoss:
    return GRPOLoss(reference_kl=ReferenceKL("k3", FixedCoefficient(0.1)))


def test_a_frozen_reference_policy_is_read_before_the_pass_and_named(
    tmp_path: Path, tiny_policy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Weights in float32, no share of them left out: the second model takes as much as the first."""
    read: list[int] = []
    plain = Update.accumulate

    def noted(self: Update, module: Any, groups: Any) -> dict[str, float]:
        read.append(sum(p.nbytes for p in module.policy._reference.frozen.parameters()))
        return plain(self, module, groups)

    monkeypatch.setattr(Update, "accumulate", noted)
    with caplog.at_level(logging.INFO, "medix.callbacks.dry_run"):
        module = fit(tmp_path, tiny_policy, DryRun(), loss=with_divergence())
    assert read[0] == pass_memory._reference_bytes(module) == sum(p.nbytes for p in module.policy.parameters())
    assert "optimiser state 0.00 GB + frozen reference policy 0.00 GB = 0.00 GB" in caplog.text


def test_adapters_need_no_second_model(
    tmp_path: Path, tiny_policy: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unwanted(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(dry_run, "_read_reference", unwanted)
    with caplog.at_level(logging.INFO, "medix.callbacks.dry_run"):
        fit(tmp_path, tiny_policy, DryRun(), loss=with_divergence(), lora=LoRA(rank=2))
    assert "dry run" in caplog.text
    assert "frozen reference" not in caplog.text


# Faults.


def test_too_little_memory_stops_the_run_before_its_first_step(
    tmp_path: Path, tiny_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass asks for more than the machine has; the limit of the process is as before afterwards."""

    def greedy(self: Update, module: Any, groups: Any) -> dict[str, float]:
        size = dry_run.available()
        torch.empty(2 * size, dtype=torch.uint8).fill_(1)
        raise AssertionError("there was room for twice the memory of the machine")

    monkeypatch.setattr(Update, "accumulate", greedy)
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(DryRunError, match=r"do not fit on cpu: weights .* GB = .* GB") as found:
        fit(tmp_path, tiny_policy, DryRun())
    assert "3 completions of 6" in str(found.value)
    assert "In this order: lower model.update.tokens_per_microbatch (16384); set model.policy.grad" in str(found.value)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_frozen_reference_policy_that_has_no_room_is_not_read(
    tmp_path: Path, tiny_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dry_run, "available", lambda: 1000)
    read: list[Any] = []
    monkeypatch.setattr(VisionLanguagePolicy, "reference_logprobs", lambda *given: read.append(given))
    with pytest.raises(DryRunError, match=r"adapters .*whose reference policy needs no second model") as found:
        fit(tmp_path, tiny_policy, DryRun(), loss=with_divergence())
    assert "1000 are available" in str(found.value.__cause__)
    assert not read


def test_another_error_is_not_taken_for_memory(
    tmp_path: Path, tiny_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Update, module: Any, groups: Any) -> dict[str, float]:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Update, "accumulate", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        fit(tmp_path, tiny_policy, DryRun())


def test_no_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"DryRun\.samples: 0"):
        DryRun(samples=0)
