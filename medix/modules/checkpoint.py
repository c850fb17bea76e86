"""What a checkpoint holds beside weights and optimiser, so that a stopped run continues as if it had not stopped."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import nn

from medix import __version__
from medix.batching import Batching
from medix.distributed import gather_to_first, rank, world_size
from medix.losses.base import GroupLoss
from medix.losses.reward_kl import RewardKL
from medix.modules.random_states import random_states
from medix.modules.rollouts import Rollouts
from medix.numerics.processor import processor
from medix.policy.base import Policy
from medix.reporting.measured_with import OF_REWARDS
from medix.rollout.buffer import GroupBuffer, Render
from medix.rollout.engine import RolloutEngine

KEY = "medix"
"""Key of our state in a Lightning checkpoint."""


@dataclass(frozen=True)
class RunState:
    """Everything that changes during training, except weights, optimiser and counters."""

    engine: RolloutEngine
    buffer: GroupBuffer
    rollouts: Rollouts
    loss: GroupLoss
    reward_kl: RewardKL | None

    def state_dict(self) -> dict[str, Any]:
        """The state of all ranks, on rank 0, which writes it; every rank must call it."""
        own = {
            "buffer": self.buffer.state_dict(),
            "rollouts": self.rollouts.state_dict(),
            "random": random_states(),
        }
        return {
            "engine": self.engine.state_dict(),
            "ranks": gather_to_first(own),
            "loss": self.loss.state_dict(),
            "reward_kl": None if self.reward_kl is None else self.reward_kl.state_dict(),
        }

    def load_state_dict(self, saved: dict[str, Any], render: Render) -> dict[str, Any]:
        """The inverse of ``state_dict``, for the present number of ranks.

        Args:
            saved: what ``state_dict`` returned.
            render: renders the prompts of saved groups again.

        Returns:
            The random states of this rank, to be restored once the data loaders have started.
        """
        self.engine.load_state_dict(saved["engine"])
        own = own_part(saved["ranks"], rank(), world_size())
        self.buffer.load_state_dict(own["buffer"], render=render)
        self.rollouts.load_state_dict(own["rollouts"], render=render)
        self.loss.load_state_dict(saved["loss"])
        if self.reward_kl is not None:
            self.reward_kl.load_state_dict(saved["reward_kl"])
        states: dict[str, Any] = own["random"]
        return states


def own_part(parts: Sequence[dict[str, Any]], rank: int, ranks: int) -> dict[str, Any]:
    """Select a rank's share of the groups and random states that all ranks of a run saved.

    With the same number of ranks, each takes its own. Otherwise the groups are distributed again, in the order of the
    data, as prompts are; a rank that existed before keeps its random states, and a new one is seeded from its index and
    the states of rank 0.

    Args:
        parts: ``buffer``, ``rollouts`` and ``random`` of every rank that wrote the checkpoint.
        rank: this rank.
        ranks: the present number of ranks.
    """
    if len(parts) == ranks:
        own: dict[str, Any] = parts[rank]
        return own
    waiting, ahead = (_in_order(parts, name) for name in ("buffer", "rollouts"))
    if rank < len(parts):
        states = parts[rank]["random"]
    else:
        digest = hashlib.sha256(parts[0]["random"]["torch"].numpy().tobytes() + str(rank).encode()).digest()
        states = {"seed": int.from_bytes(digest[:8], "big") >> 1}
    return {
        "buffer": {"groups": waiting[rank::ranks]},
        "rollouts": {"groups": ahead[rank::ranks]},
        "random": states,
    }


def _in_order(parts: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The groups of all ranks in the order of the data."""
    groups = [group for part in parts for group in part.get(name, {"groups": []})["groups"]]
    return sorted(groups, key=lambda group: int(group["index"]))


class SpecMismatchError(ValueError):
    """A checkpoint was written by another spec."""


def check_fingerprint(saved: dict[str, Any], present: dict[str, Any], path_hint: str = "the checkpoint") -> None:
    """Refuse a checkpoint that this spec cannot continue.

    Args:
        saved: the fingerprint in the checkpoint.
        present: the fingerprint of this run.
        path_hint: what the message calls the checkpoint.

    Raises:
        SpecMismatchError: names every key that differs, both values and the remedy.
    """
    differing = [key for key in present if saved.get(key) != present[key]]
    if differing:
        lines = "\n".join(
            f"  {key}: {saved.get(key)!r} in {path_hint}, {present[key]!r} in this spec" for key in differing
        )
        raise SpecMismatchError(
            f"{path_hint} was written by another spec:\n{lines}\n"
            "Give the spec it was trained with (spec.yaml beside it), or start afresh in another "
            "trainer.default_root_dir"
        )


def checked(checkpoint: dict[str, Any], present: dict[str, Any], module: nn.Module) -> dict[str, Any]:
    """Our part of a Lightning checkpoint.

    Args:
        checkpoint: the whole.
        present: the fingerprint of this run.
        module: the module that loads it.

    Raises:
        SpecMismatchError: it was written by another program or by another spec, or lacks trained weights.
    """
    if KEY not in checkpoint:
        raise SpecMismatchError("the checkpoint holds no medix state: it was not written by medix fit")
    saved: dict[str, Any] = checkpoint[KEY]
    check_fingerprint(saved["fingerprint"], present)
    if "state_dict" in checkpoint:
        _check_trained_weights(checkpoint["state_dict"], module)
    return saved


def restore_renamed(datamodule: Any, checkpoint: dict[str, Any]) -> None:
    """Restore a data module whose class has another name than the one that wrote the checkpoint.

    Lightning finds the state of a data module by the name of its class, and without one it restores nothing.
    """
    name, present = checkpoint[KEY].get("datamodule", "ShardDataModule"), type(datamodule).__qualname__
    if name != present and name in checkpoint and present not in checkpoint:
        datamodule.load_state_dict(checkpoint[name])


def resumed(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """What a resumed run compares with its own spec once optimizer and schedule exist.

    The state of the schedule is taken out of the checkpoint: that of another class cannot be loaded.

    Returns:
        ``optimizer``, ``schedule`` and ``suite``; None, None and empty in checkpoints that did not record them.
    """
    saved = checkpoint[KEY]
    schedules = checkpoint.get("lr_schedulers") or [None]
    if saved.get("optimizer"):
        checkpoint["lr_schedulers"] = []
    return {"optimizer": saved.get("optimizer"), "schedule": schedules[0], "suite": saved.get("suite", {})}


def scores_differ(saved: Mapping[str, str], present: Mapping[str, str]) -> bool:
    """Whether completions would get other rewards than they had; False where it is unknown."""
    return any(name in saved and name in present and saved[name] != present[name] for name in OF_REWARDS)


def template_differs(checkpoint: Mapping[str, Any], suite: Mapping[str, str]) -> bool:
    """Whether the text of the prompt template is another than that of the run; False where it is unknown."""
    saved = checkpoint.get(KEY, {}).get("suite", {}).get("template")
    return saved is not None and saved != suite.get("template")


def _check_trained_weights(weights: Iterable[str], module: nn.Module) -> None:
    missing = {name for name, parameter in module.named_parameters() if parameter.requires_grad} - set(weights)
    if missing:
        raise SpecMismatchError(
            f"the checkpoint lacks {len(missing)} trained weights of this policy, among them {sorted(missing)[:3]}; "
            "give the policy it was trained with"
        )


def without_frozen(weights: dict[str, Any], module: nn.Module) -> dict[str, Any]:
    """The state dict without frozen weights, which are loaded from the policy's name."""
    everything = module.named_parameters(remove_duplicate=False)  # tied weights have two names
    frozen = {name for name, parameter in everything if not parameter.requires_grad}
    return {name: value for name, value in weights.items() if name not in frozen}


def fingerprint(
    policy: Policy,
    loss: GroupLoss,
    reward_kl: RewardKL | None,
    batching: Batching,
    modalities: Iterable[str],
) -> dict[str, Any]:
    """The settings that must be equal for a checkpoint to be continued."""
    return {
        "policy": policy.fingerprint(),
        "loss": type(loss).__name__,
        "reward_kl": None if reward_kl is None else type(reward_kl).__name__,
        "completions_per_prompt": batching.completions_per_prompt,
        "prompts_per_step": batching.prompts_per_step,
        "modalities": list(modalities),
    }


def header() -> dict[str, Any]:
    """Versions of the packages that write a checkpoint, and the processor that computed it."""
    return {
        "medix": __version__,
        "torch": str(torch.__version__),
        "transformers": transformers.__version__,
        "processor": processor(),
        "use": "research use, not for clinical decisions",
    }
