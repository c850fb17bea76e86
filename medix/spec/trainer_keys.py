"""Keys and values of the trainer that training refuses, known without Lightning."""

from collections.abc import Mapping
from typing import Any

NOT_OURS = {
    "max_steps": "it counts optimiser calls, of which a step may make several; leave it out and set model.max_steps",
    "max_epochs": "model.max_steps ends a run; leave it out and set model.max_steps",
    "max_time": (
        "it ends a run in the middle of a step; leave it out, set model.max_steps, and for a limit of time run "
        "`timeout 8h python -m medix fit …`, whose SIGTERM saves the last finished step"
    ),
    "fast_dev_run": (
        "it ends a run after so many optimiser calls, without checkpoints and logs; leave it out, and for a trial set "
        "model.max_steps: 1, data.limit_val and a trainer.default_root_dir of its own"
    ),
    "overfit_batches": (
        "every step draws the next samples of the data, whatever it says; leave it out, and to train on few samples "
        "again and again name a split that has no others in data.train, and set model.max_steps"
    ),
    "gradient_clip_val": "an update clips its own gradient; leave it out and set model.update.max_grad_norm",
    "accumulate_grad_batches": (
        "an update accumulates by itself; leave it out and set model.update.prompts_per_update and "
        "model.update.tokens_per_microbatch"
    ),
}
"""Trainer keys that are refused, because steps here are not batches of a loader, each with the key to set."""

_OFF = {"accumulate_grad_batches": (1,), "fast_dev_run": (False,), "overfit_batches": (0,)}
"""Values that switch a key off."""

SUPPORTED = {
    "32-true": "weights and computation in float32",
    "bf16-mixed": "float32 weights, computation in bfloat16",
    "bf16-true": "weights and computation in bfloat16; adapters stay in float32",
}
"""Precisions by Lightning's name. Log-probabilities, advantages and losses are in float32 or wider in all of them."""

_ALIASES = {"None": "32-true", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed", "64": "64-true"}
_SCALED = "float16 gradients underflow, and an update clips and checks its gradients itself, without a loss scale"
REASONS = {
    "16-mixed": _SCALED,
    "16-true": _SCALED,
    "64-true": "no pass of a policy was tested in float64",
    "transformer-engine": "FP8 layers in place of those of the policy were not tested",
    "transformer-engine-float16": "FP8 layers in place of those of the policy were not tested",
}
"""Why other precisions are not supported."""


def check_trainer_keys(trainer: Mapping[str, Any]) -> None:
    """Refuse trainer keys that assume that a step is a batch of a loader and one optimiser call.

    Raises:
        ValueError: names the key and the one to set instead.
    """
    for key, remedy in NOT_OURS.items():
        if trainer.get(key) not in (None, -1, *_OFF.get(key, ())):
            raise ValueError(f"trainer.{key}: {trainer[key]}: {remedy}")


def check_precision_name(given: Any) -> None:
    """Refuse a precision that training does not support.

    Args:
        given: ``trainer.precision``.

    Raises:
        ValueError: names the key, the precision and what to give instead.
    """
    name = long_form(given)
    if name not in SUPPORTED:
        why = f": {REASONS[name]}" if name in REASONS else ""
        raise ValueError(f"trainer.precision: {given} is not supported{why}. {remedy(name)}")


def long_form(given: Any) -> str:
    """Lightning's full name of a precision: ``bf16-mixed`` for ``bf16``, ``32-true`` for ``32`` and None."""
    return _ALIASES.get(str(given), str(given))


def remedy(name: str) -> str:
    """What to give instead: the supported precision of the nearest range, and the others."""
    first = "32-true" if name.startswith("64") else "bf16-mixed"
    others = [f"{other} ({what})" for other, what in SUPPORTED.items() if other != first]
    return f"Set trainer.precision: {first} ({SUPPORTED[first]}), or {' or '.join(others)}"
