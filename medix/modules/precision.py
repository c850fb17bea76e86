"""The precisions of a Lightning trainer that training supports."""

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from lightning.pytorch.plugins import HalfPrecision, MixedPrecision, Precision

SUPPORTED = {
    "32-true": "weights and computation in float32",
    "bf16-mixed": "float32 weights, computation in bfloat16",
    "bf16-true": "weights and computation in bfloat16; adapters stay in float32",
}
"""By Lightning's name. Log-probabilities, advantages and losses are computed in float32 or wider in all of them."""

_ALIASES = {"None": "32-true", "32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed", "64": "64-true"}
_SCALED = "float16 gradients underflow, and an update clips and checks its gradients itself, without a loss scale"
_REASONS = {
    "16-mixed": _SCALED,
    "16-true": _SCALED,
    "64-true": "no pass of a policy was tested in float64",
    "transformer-engine": "FP8 layers in place of those of the policy were not tested",
    "transformer-engine-float16": "FP8 layers in place of those of the policy were not tested",
}
_PLUGINS: tuple[type[Precision], ...] = (Precision, MixedPrecision, HalfPrecision)


def long_form(given: Any) -> str:
    """Lightning's full name of a precision: ``bf16-mixed`` for ``bf16``, ``32-true`` for ``32`` and None."""
    return _ALIASES.get(str(given), str(given))


def check_precision(given: Any, plugins: Any = None) -> None:
    """Refuse a precision that training does not support.

    Args:
        given: ``trainer.precision``.
        plugins: ``trainer.plugins``, one or several. None may be for the precision: exports and ``doctor`` read
            ``trainer.precision``.

    Raises:
        ValueError: names the key, the precision and what to give instead.
    """
    name = long_form(given)
    if name not in SUPPORTED:
        why = f": {_REASONS[name]}" if name in _REASONS else ""
        raise ValueError(f"trainer.precision: {given} is not supported{why}. {_remedy(name)}")
    for plugin in plugins if isinstance(plugins, Iterable) and not isinstance(plugins, str) else [plugins]:
        if isinstance(plugin, Precision):
            check_plugin(plugin)
            raise ValueError(
                f"trainer.plugins: {type(plugin).__name__} sets the precision; leave it out, and set "
                f"trainer.precision: {plugin.precision}, which exports read"
            )


def check_plugin(plugin: Precision) -> None:
    """Refuse the precision of a trainer that is already built.

    Args:
        plugin: ``Trainer.precision_plugin``, or one of ``Trainer(plugins=…)``.

    Raises:
        ValueError: names the plugin, its precision and what to give instead.
    """
    name = str(plugin.precision)
    known = type(plugin) in _PLUGINS and name in SUPPORTED
    if not known or getattr(plugin, "scaler", None) is not None:
        why = f": {_REASONS[name]}" if name in _REASONS else ""
        raise ValueError(
            f"trainer.precision: the plugin {type(plugin).__name__} ({name}) is not supported{why}. {_remedy(name)}; "
            "leave the plugin out of trainer.plugins"
        )


def keep_default_dtype(plugin: Precision) -> None:
    """Have ``bf16-true`` convert weights without changing torch's default dtype during steps.

    The default is global: rewards, judges in other threads, random numbers and temperatures would be rounded to eight
    bits as well. The passes of a policy take their dtype from its weights.
    """
    if isinstance(plugin, HalfPrecision):
        plugin.forward_context = nullcontext  # type: ignore[assignment,method-assign]


def _remedy(name: str) -> str:
    """What to give instead: the supported precision of the nearest range, and the others."""
    first = "32-true" if name.startswith("64") else "bf16-mixed"
    others = [f"{other} ({what})" for other, what in SUPPORTED.items() if other != first]
    return f"Set trainer.precision: {first} ({SUPPORTED[first]}), or {' or '.join(others)}"
