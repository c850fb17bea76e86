"""Inputs the tests of losses share."""

import json
from typing import Any

import torch
from torch import Tensor

from medix.advantages.grpo import GRPOAdvantage
from medix.losses.base import GroupLoss, LossInput, LossOutput
from medix.numerics.masking import prefix_mask
from tests.conftest import GOLDEN

RESULTS: dict[str, Any] = json.loads((GOLDEN / "group_rl.json").read_text())["results"]


def rows(
    ratios: list[list[float]], advantages: list[float], mask: list[list[bool]] | None = None, **extra: Any
) -> LossInput:
    """A whole batch whose tokens have these ratios to an old policy that gave each a log-probability of -1."""
    ratio = torch.tensor(ratios, dtype=torch.float64)
    policy = (ratio.log() - 1).requires_grad_()
    completion_mask = torch.ones_like(ratio, dtype=torch.bool) if mask is None else torch.tensor(mask)
    advantage = torch.tensor(advantages, dtype=torch.float64)
    return LossInput.from_batch(policy, torch.full_like(ratio, -1.0), advantage, completion_mask, **extra)


def golden_batch() -> LossInput:
    """The fixed batch of the golden file, with advantages of GRPO and gradient to the policy."""
    source = json.loads((GOLDEN / "group_rl.json").read_text())["input"]
    new, old, reference, rollout = (
        torch.tensor(source[name], dtype=torch.float64) for name in ("new", "old", "ref", "rollout")
    )
    advantages = GRPOAdvantage()(torch.tensor(source["rewards"], dtype=torch.float64).view(2, 4)).flatten()
    mask = prefix_mask(torch.tensor(source["lens"]), new.shape[1])
    return LossInput.from_batch(new.requires_grad_(), old, advantages, mask, reference, rollout)


def random_batch(lengths: list[int], seed: int) -> LossInput:
    """Completions of these lengths in float64, all log-probabilities present, some ratios beyond every clip."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(lengths), max(lengths) + 1)

    def draw(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    old = -draw(*shape).abs()
    policy = (old + 0.5 * draw(*shape)).requires_grad_()
    mask = prefix_mask(torch.tensor(lengths), shape[1])
    return LossInput.from_batch(policy, old, draw(shape[0]), mask, old + 0.3 * draw(*shape), old + 0.1 * draw(*shape))


def gradient(output: LossOutput, batch: LossInput) -> Tensor:
    """Gradient of the loss to the log-probabilities of the policy."""
    (found,) = torch.autograd.grad(output.loss, batch.policy_logprobs)
    return found


def measure(loss: GroupLoss, batch: LossInput) -> dict[str, float]:
    """The three numbers the golden file holds for a loss."""
    output = loss(batch)
    slope = gradient(output, batch)
    return {
        "loss": output.loss.item(),
        "grad_abs_sum": slope.abs().sum().item(),
        "grad_norm": slope.norm().item(),
    }
