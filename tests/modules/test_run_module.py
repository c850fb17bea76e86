"""What surrounds the steps of a run: optimizer, schedule, checkpoints, and what a resume changes."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from medix.losses.coefficient import FixedCoefficient
from medix.losses.dapo import DAPOLoss
from medix.losses.reference_kl import ReferenceKL
from medix.modules import run_module
from medix.modules.checkpoint import KEY, SpecMismatchError
from medix.modules.run_module import RunModule
from medix.policy.lora import LoRA
from medix.policy.vision_language import VisionLanguagePolicy
from medix.types import CompletionScores, Prompt, ScoredGroup
from tests.support import policies
from tests.support.group_rl_runs import fit, make


def test_the_reference_policy_and_the_rewards_are_no_part_of_module_or_checkpoint(
    tiny_policy: Path, tmp_path: Path
) -> None:
    kl = ReferenceKL("k3", FixedCoefficient(0.01))
    module = make(tiny_policy, loss=DAPOLoss(reference_kl=kl))
    (record,), trainer = fit(module, tmp_path)
    assert record.metrics["reference_kl"] >= 0
    assert all(name.startswith("policy.model.") for name, _ in module.named_parameters())
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    saved = torch.load(tmp_path / "one.ckpt", weights_only=True)
    assert saved["state_dict"].keys() == {f"policy.{name}" for name in module.policy.state_dict()}


@pytest.mark.parametrize(
    ("gathers_weights", "samples_elsewhere", "together"),
    [(False, False, True), (True, False, False), (True, True, True)],
)
def test_ranks_fail_together_in_rollouts_that_need_no_weights_of_the_others(
    gathers_weights: bool, samples_elsewhere: bool, together: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered = []

    @contextmanager
    def noted() -> Iterator[None]:
        entered.append(True)
        yield

    monkeypatch.setattr(run_module, "fail_together", noted)
    module = SimpleNamespace(
        policy=SimpleNamespace(sharding=SimpleNamespace(gathers_weights=gathers_weights)),
        engine=SimpleNamespace(samples_elsewhere=samples_elsewhere),
        abandonable=nullcontext,
    )
    with RunModule.sampling(module):  # type: ignore[arg-type]
        pass
    assert entered == [True] * together


def test_frozen_weights_stay_out_of_checkpoints_tied_names_included(tiny_policy: Path, tmp_path: Path) -> None:
    module = make(tiny_policy, policy=VisionLanguagePolicy(str(tiny_policy), lora=LoRA(rank=2)))
    _, trainer = fit(module, tmp_path)
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    saved = torch.load(tmp_path / "one.ckpt", weights_only=True)
    assert saved["state_dict"]
    assert all("lora" in name for name in saved["state_dict"])


def test_a_checkpoint_of_an_earlier_version_is_continued(tiny_policy: Path) -> None:
    """It says whether engine and policy agreed, and its buffer may hold groups that are too old by now."""
    module, resumed = make(tiny_policy), make(tiny_policy)
    module.policy.load()
    rows = [
        ScoredGroup(replace(policies.group(policies.BigramPolicy(), [2, 1], seed=seed), policy_version=seed), ())
        for seed in (0, 3, 4)
    ]
    module.buffer.extend(rows)
    module.engine.policy_version = 4
    saved = module._run_state.state_dict() | {"old_logprobs": {"agrees": True}}
    resumed._run_state.load_state_dict(saved, lambda sample, index: Prompt(sample, (0, 1, 2), index=index))
    resumed.collect([])
    assert [one.rollout.policy_version for one in resumed.buffer] == [3, 4]
    assert len(resumed._record.dropped) == 1


def test_the_learning_rate_follows_its_schedule_by_steps_not_updates(tiny_policy: Path, tmp_path: Path) -> None:
    module = make(
        tiny_policy,
        max_steps=3,
        lr_scheduler=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5),
    )
    records, _ = fit(module, tmp_path)
    assert [record.metrics["lr"] for record in records] == pytest.approx([1e-3, 5e-4, 2.5e-4])


def test_a_limit_on_optimiser_calls_is_refused_because_steps_are_counted(tiny_policy: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"trainer\.max_steps: 7 counts optimiser calls, of which a step makes 2; .*model\.max_steps"
    ):
        fit(make(tiny_policy), tmp_path, max_steps=7)


def test_a_foreign_checkpoint_is_refused(tiny_policy: Path) -> None:
    with pytest.raises(SpecMismatchError, match="not written by medix fit"):
        make(tiny_policy).on_load_checkpoint({"state_dict": {}})
    module = make(tiny_policy)
    with pytest.raises(SpecMismatchError, match=r"prompts_per_step: 8 in the checkpoint, 4 in this spec"):
        module.on_load_checkpoint({KEY: {"fingerprint": {**module.fingerprint(), "prompts_per_step": 8}}})


def test_groups_that_other_rewards_leave_without_signal_after_a_resume_are_counted(tiny_policy: Path) -> None:
    """Of two groups that wait, the texts of the first differ under the new rule, and those of the second do not."""
    module = make(tiny_policy, lambda text: float(text == "right"))
    for index, texts in enumerate((("right", "wrong", "wrong"), ("wrong", "wrong", "wrong"))):
        made = policies.group(policies.BigramPolicy(), [1, 1, 1], seed=index)
        completions = tuple(replace(one, text=text) for one, text in zip(made.completions, texts, strict=True))
        scores = tuple(CompletionScores(total, {}) for total in (1.0, 0.0, 0.5))
        module.buffer.extend([ScoredGroup(replace(made, completions=completions), scores)])
    module._trainer = SimpleNamespace(is_global_zero=False)  # type: ignore[assignment]
    module._resumed, module.suite = {"suite": {"rewards": "old"}}, {"rewards": "new"}
    module.on_train_start()
    assert [(group.key[1], group.totals) for group in module.buffer] == [(0, (1.0, 0.0, 0.0))]
    assert [group.key[1] for group in module._record.dropped] == [1]
