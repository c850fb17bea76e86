"""The longest samples before the first step."""

import logging
import resource
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer

from medix.callbacks import dry_run
from medix.callbacks.dry_run import DryRun, DryRunError, longest
from medix.data.datamodule import ShardDataModule
from medix.data.mixture import Mixture
from medix.data.prompting import Prompting
from medix.losses.dapo import DAPOLoss
from medix.modules.group_rl import GroupRLModule
from medix.modules.update import TrainingGroup, Update
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.format import FormatReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.signal import KeepScored
from medix.types import Prompt, Sample
from tests.support.runs import MANIFESTS


def fit(folder: Path, policy: Path, *callbacks: Callback, **update: Any) -> GroupRLModule:
    torch.manual_seed(3)
    module = GroupRLModule(
        policy=VisionLanguagePolicy(str(policy)),
        engine=LocalEngine(Sampling(completions_per_prompt=3, max_completion_tokens=6)),
        rewards=RewardSuite({"format": Weighted(FormatReward(), 1.0)}),
        loss=DAPOLoss(),
        update=Update(prompts_per_update=2, **update),
        group_filter=KeepScored(),
        prompting=Prompting(template="short"),
        prompts_per_step=2,
        max_steps=1,
    )
    data = ShardDataModule(train=[str(MANIFESTS / "tiny_train-*.yaml")], mixture=Mixture(total=20))
    Trainer(
        default_root_dir=folder, accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, callbacks=list(callbacks),
    ).fit(module, datamodule=data)  # fmt: skip
    return module


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
    ((group,), _) = passed
    lengths = [len(completion.token_ids) for completion in group.rollout.completions]
    assert lengths == [6, 6, 6]
    assert not {t for c in group.rollout.completions for t in c.token_ids} & set(module.policy.banned_token_ids)
    dataset = module.trainer.datamodule.loaders["train"].dataset  # type: ignore[attr-defined]
    P = max(len(dataset[index].token_ids) for index in range(20))
    assert len(group.rollout.prompt.token_ids) == P
    (line,) = [record.getMessage() for record in caplog.records if record.getMessage().startswith("dry run")]
    assert f"a prompt of {P} tokens with 3 completions of 6 fits, {P + 18} tokens at a time" in line
    assert "weights 0.00 GB + gradients 0.00 GB + optimiser state 0.00 GB" in line


def test_too_little_memory_stops_the_run_before_its_first_step(
    tmp_path: Path, tiny_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass asks for more than the machine has; the limit of the process is as before afterwards."""

    def greedy(self: Update, module: Any, groups: Any) -> dict[str, float]:
        available = dry_run._available()
        assert available is not None
        torch.empty(2 * available, dtype=torch.uint8).fill_(1)
        raise AssertionError("there was room for twice the memory of the machine")

    monkeypatch.setattr(Update, "accumulate", greedy)
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(DryRunError, match=r"do not fit on cpu: weights .* GB = .* GB") as found:
        fit(tmp_path, tiny_policy, DryRun())
    assert "3 completions of 6" in str(found.value)
    assert "In this order: lower model.update.tokens_per_microbatch (16384); set model.policy.grad" in str(found.value)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_another_error_is_not_taken_for_memory(
    tmp_path: Path, tiny_policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Update, module: Any, groups: Any) -> dict[str, float]:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(Update, "accumulate", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        fit(tmp_path, tiny_policy, DryRun())


def test_parts_of_a_group_count_their_prompt_each(tmp_path: Path, tiny_policy: Path) -> None:
    class Noted(Callback):
        sizes: dry_run.Sizes

        def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
            prompt = longest(trainer.datamodule.loaders["train"].dataset, 20)  # type: ignore[attr-defined]
            assert prompt is not None
            self.sizes = dry_run.Sizes.of(pl_module, dry_run.training_group(pl_module, prompt))

    noted = Noted()
    fit(tmp_path, tiny_policy, noted, tokens_per_microbatch=1)
    assert noted.sizes.largest == noted.sizes.prompt + 6
    assert noted.sizes.state == 2 * noted.sizes.gradients == 2 * noted.sizes.weights > 0


def test_samples_that_cannot_be_rendered_are_left_to_the_loader() -> None:
    made = [Prompt(Sample("a", "?", "b", None), (1,) * length) for length in (3, 7, 5)]
    assert longest([made[0], ValueError("too long"), made[1], made[2]], 4) is made[1]
    assert longest([ValueError("too long")], 4) is None


def test_no_samples_is_refused() -> None:
    with pytest.raises(ValueError, match=r"DryRun\.samples: 0"):
        DryRun(samples=0)
