"""Comparison of the shared with the plain pass on a few tokens, before the shared pass is used."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from medix.types import Completion, FinishReason, RolloutGroup

TOKENS = 8
"""Tokens of each completion that both passes are compared on."""


class SharedPrefixError(RuntimeError):
    """The shared pass differs from the plain pass by more than rounding."""


@dataclass(frozen=True)
class Allowed:
    """Largest differences between two passes that rounding may cause.

    Attributes:
        logprobs: mean absolute difference of log-probabilities.
        gradient: norm of the difference of gradients, relative to the norm of the plain pass's gradient.
    """

    logprobs: float
    gradient: float


ALLOWED = {
    torch.float64: Allowed(1e-9, 1e-7),
    torch.float32: Allowed(2e-4, 2e-3),
    torch.float16: Allowed(1e-2, 5e-2),
    torch.bfloat16: Allowed(5e-2, 2e-1),
}
"""By compute dtype."""

Logprobs = Callable[[Sequence[RolloutGroup]], Tensor]


def compare(
    shared: Logprobs,
    plain: Logprobs,
    group: RolloutGroup,
    weights: Sequence[nn.Parameter],
    allowed: Allowed,
    name: str,
) -> None:
    """Raise if the passes differ on a group, or if a completion depends on the others of its group.

    The second check is sharp in every dtype: masked tokens have a weight of exactly 0, so that they cannot change the
    rounding.

    Args:
        shared: log-probabilities of groups, each prompt passed once.
        plain: the same in the plain pass.
        group: a group as ``shortened`` returns it.
        weights: weights whose gradients are compared; if empty, only values are.
        allowed: largest differences.
        name: name of the model and its attention, for the error.

    Raises:
        SharedPrefixError: values or gradients differ by more than is allowed.
    """
    # One completion at a time: in the plain pass each repeats its prompt, which may be long.
    apart = [replace(group, completions=(completion,)) for completion in group.completions]
    rows = _read(shared([group]), group)
    found = _gradient(rows, weights, start=0)
    expected, gradient = rows.new_zeros(0), torch.zeros_like(found)
    for one in apart:
        row = _read(plain([one]), one)
        gradient += _gradient(row, weights, start=len(expected))
        expected = torch.cat([expected, row.detach()])
    difference = float((rows.detach() - expected).abs().mean())
    with torch.no_grad():
        changed = _read(shared([_others_changed(group)]), group)
    leak = float((changed - rows.detach())[-len(group.completions[-1].token_ids) :].abs().mean())
    relative = float((found - gradient).norm() / gradient.norm()) if gradient.any() or found.any() else 0.0
    # Negated <=, not >: NaN must fail.
    if not (difference <= allowed.logprobs and relative <= allowed.gradient and leak <= allowed.logprobs / 10):
        raise SharedPrefixError(
            f"policy.shared_prefix: {name} gives other results when completions share their prompt: "
            f"log-probabilities differ by {difference:.2g} on average ({allowed.logprobs:g} is allowed), gradients by "
            f"{relative:.2g} of their norm ({allowed.gradient:g}), and other tokens in the other completions change "
            f"those of the last by {leak:.2g} ({allowed.logprobs / 10:g}). Its attention may ignore the mask, or its "
            "positions. Set policy.shared_prefix: false, and please report the model"
        )


def shortened(group: RolloutGroup, banned: Sequence[int]) -> RolloutGroup:
    """A group to compare both passes on: the beginning of its first completion and two completions of prompt tokens.

    Args:
        group: any group.
        banned: image placeholders.
    """
    text = [token for token in group.prompt.token_ids if token not in set(banned)][-TOKENS:] or [0, 0]
    first = group.completions[0].token_ids[:TOKENS]
    rows = (first, tuple(text), tuple(reversed(text[:-1])) or (0,))
    completions = tuple(Completion("", row, (0.0,) * len(row), FinishReason.LENGTH) for row in rows)
    return replace(group, completions=completions)


def precision(weights: torch.dtype, device: torch.device) -> torch.dtype:
    """The coarsest dtype used in computations with weights of a dtype."""
    used = {weights}
    if torch.is_autocast_enabled(device.type):
        used.add(torch.get_autocast_dtype(device.type))
    if device.type == "cuda" and torch.get_float32_matmul_precision() != "highest":
        used.add(torch.float16)  # TF32 has the ten bits of float16
    return max(used, key=lambda dtype: torch.finfo(dtype).eps)


def _others_changed(group: RolloutGroup) -> RolloutGroup:
    """The group with other tokens in all completions but the last one of the row."""
    *others, last = group.completions
    changed = [replace(other, token_ids=(*other.token_ids[1:], other.token_ids[0])) for other in others]
    return replace(group, completions=(*changed, last))


def _read(table: Tensor, group: RolloutGroup) -> Tensor:
    """Log-probabilities of all tokens, concatenated."""
    return torch.cat([row[: len(c.token_ids)] for row, c in zip(table, group.completions, strict=True)]).double()


def _gradient(rows: Tensor, weights: Sequence[nn.Parameter], start: int) -> Tensor:
    """Gradient of a sum in which each token has another factor, so that errors do not cancel."""
    if not weights:
        return torch.zeros(1, dtype=torch.float64, device=rows.device)
    factors = torch.cos(math.e * torch.arange(start, start + len(rows), device=rows.device, dtype=rows.dtype))
    gradients = torch.autograd.grad((rows * factors).sum(), list(weights), allow_unused=True)
    flat = [
        torch.zeros(weight.numel(), dtype=torch.float64, device=rows.device)
        if gradient is None
        else gradient.double().flatten()
        for weight, gradient in zip(weights, gradients, strict=True)
    ]
    return torch.cat(flat)
