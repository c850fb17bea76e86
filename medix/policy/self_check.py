"""The shared pass against the plain pass on a few tokens, before anything is trained with it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from medix.types import Completion, FinishReason, RolloutGroup

TOKENS = 8
"""Of each completion that both passes are compared on."""


class SharedPrefixError(RuntimeError):
    """The shared pass does not compute what the plain pass computes."""


@dataclass(frozen=True)
class Allowed:
    """How far two right passes may lie apart by rounding.

    Attributes:
        logprobs: mean absolute difference of log-probabilities.
        gradient: norm of the difference of gradients, relative to the gradient of the plain pass.
    """

    logprobs: float
    gradient: float


ALLOWED = {
    torch.float64: Allowed(1e-9, 1e-7),
    torch.float32: Allowed(2e-4, 2e-3),
    torch.float16: Allowed(1e-2, 5e-2),
    torch.bfloat16: Allowed(5e-2, 2e-1),
}
"""By the dtype that a model computes in."""

Logprobs = Callable[[Sequence[RolloutGroup]], Tensor]


def compare(
    shared: Logprobs,
    plain: Logprobs,
    group: RolloutGroup,
    weights: Sequence[nn.Parameter],
    allowed: Allowed,
    name: str,
) -> None:
    """Stop if both passes differ on a group, or if a completion notices what the others of its group say.

    The second is sharp in every dtype: what is not seen enters no sum, so that nothing is rounded otherwise.

    Args:
        shared: log-probabilities of groups, each prompt passed once.
        plain: the same in the plain pass.
        group: what ``shortened`` makes of a group.
        weights: whose gradients are compared; none compares values only.
        allowed: how far they may differ.
        name: of the model and its attention, for the error.

    Raises:
        SharedPrefixError: values or gradients differ by more than is allowed.
    """
    # One completion at a time: in the plain pass each brings its prompt, which may be long.
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
    # Not >: a difference that is not a number must not pass.
    if not (difference <= allowed.logprobs and relative <= allowed.gradient and leak <= allowed.logprobs / 10):
        raise SharedPrefixError(
            f"policy.shared_prefix: {name} computes something else when completions share their prompt: "
            f"log-probabilities differ by {difference:.2g} on average ({allowed.logprobs:g} is allowed), gradients by "
            f"{relative:.2g} of their norm ({allowed.gradient:g}), and other tokens in the other completions change "
            f"those of the last by {leak:.2g} ({allowed.logprobs / 10:g}). Its attention may ignore who sees whom, or "
            "its positions. Set policy.shared_prefix: false, and please report the model"
        )


def shortened(group: RolloutGroup, banned: Sequence[int]) -> RolloutGroup:
    """A group to compare both passes on, whatever was sampled: the beginning of its first completion and two made up.

    Args:
        group: any group.
        banned: ids that stand for parts of images.
    """
    text = [token for token in group.prompt.token_ids if token not in set(banned)][-TOKENS:] or [0, 0]
    first = group.completions[0].token_ids[:TOKENS]
    rows = (first, tuple(text), tuple(reversed(text[:-1])) or (0,))
    completions = tuple(Completion("", row, (0.0,) * len(row), FinishReason.LENGTH) for row in rows)
    return replace(group, completions=completions)


def precision(weights: torch.dtype, device: torch.device) -> torch.dtype:
    """The coarsest dtype that takes part where weights of a dtype are computed with."""
    taking_part = {weights}
    if torch.is_autocast_enabled(device.type):
        taking_part.add(torch.get_autocast_dtype(device.type))
    if device.type == "cuda" and torch.get_float32_matmul_precision() != "highest":
        taking_part.add(torch.float16)  # products of float32 then have ten bits
    return max(taking_part, key=lambda dtype: torch.finfo(dtype).eps)


def _others_changed(group: RolloutGroup) -> RolloutGroup:
    """Other tokens, as many, in all completions but the last, which has them before it in a row."""
    *others, last = group.completions
    changed = [replace(other, token_ids=(*other.token_ids[1:], other.token_ids[0])) for other in others]
    return replace(group, completions=(*changed, last))


def _read(table: Tensor, group: RolloutGroup) -> Tensor:
    """Log-probabilities of all tokens, one after the other."""
    return torch.cat([row[: len(c.token_ids)] for row, c in zip(table, group.completions, strict=True)]).double()


def _gradient(rows: Tensor, weights: Sequence[nn.Parameter], start: int) -> Tensor:
    """Of a sum in which each token has another factor, so that no two errors cancel."""
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
