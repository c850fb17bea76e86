"""The precisions of a Lightning trainer that training supports."""

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from lightning.pytorch.plugins import HalfPrecision, MixedPrecision, Precision

from medix.spec.trainer_keys import REASONS, SUPPORTED, check_precision_name, remedy

_PLUGINS: tuple[type[Precision], ...] = (Precision, MixedPrecision, HalfPrecision)


def check_precision(given: Any, plugins: Any = None) -> None:
    """Refuse a precision that training does not support.

    Args:
        given: ``trainer.precision``.
        plugins: ``trainer.plugins``, one or several. None may be for the precision: exports and ``doctor`` read
            ``trainer.precision``.

    Raises:
        ValueError: names the key, the precision and what to give instead.
    """
    check_precision_name(given)
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
        why = f": {REASONS[name]}" if name in REASONS else ""
        raise ValueError(
            f"trainer.precision: the plugin {type(plugin).__name__} ({name}) is not supported{why}. {remedy(name)}; "
            "leave the plugin out of trainer.plugins"
        )


def keep_default_dtype(plugin: Precision) -> None:
    """Have ``bf16-true`` convert weights without changing torch's default dtype during steps.

    The default is global: rewards, judges in other threads, random numbers and temperatures would be rounded to eight
    bits as well. The passes of a policy take their dtype from its weights.
    """
    if isinstance(plugin, HalfPrecision):
        plugin.forward_context = nullcontext  # type: ignore[assignment,method-assign]
