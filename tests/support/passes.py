"""Log-probabilities and gradients of the plain and the shared pass, side by side."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from medix.policy.plain_pass import PlainPass
from medix.policy.shared_prefix import SharedPass
from medix.policy.vision_language import VisionLanguagePolicy
from medix.types import Prompt, RolloutGroup
from tests.support.tiny import loaded, mixed_prompts, picture, render, sample, written
from tests.support.tolerances import GRADIENT, LOGPROBS

Result = tuple[Tensor, dict[str, Tensor]]
LONG = 120
"""Tokens of a long completion: several times the window of the tiny Gemma 3."""


def groupings(policy: VisionLanguagePolicy) -> dict[str, list[RolloutGroup]]:
    """Groups of all sorts; most prompts are used by several."""
    text, one, two, long = mixed_prompts(policy)
    eight = render(policy, sample("eight", "Which is normal?", *(picture(seed) for seed in range(8))))
    return {
        "text only": [written(policy, text, (4, 2))],
        "two images": [written(policy, two, (6, 2, 4))],
        "all of one token": [written(policy, one, (1, 1, 1))],
        "one completion": [written(policy, one, (5,)), written(policy, text, (1,))],
        "one very long completion": [written(policy, one, (3, LONG, 1))],
        "eight images": [written(policy, eight, (3, 2))],
        "mixed": [written(policy, p, n, seed=len(n)) for p, n in ((one, (4, 1)), (text, (2,)), (long, (3, 5, 2)))],
        "text between images": [written(policy, p, (2, 3)) for p in (text, two, text, one)],
    }


def plain(policy: VisionLanguagePolicy) -> PlainPass:
    return PlainPass(policy._family, policy._chosen_logprobs)


def shared(policy: VisionLanguagePolicy) -> SharedPass:
    return SharedPass(policy._family, policy._chosen_logprobs)


def result(policy: VisionLanguagePolicy, run: Callable[[], Sequence[Tensor]]) -> Result:
    """Rows of some passes, and the gradient of a sum in which each token has another factor.

    A backward pass follows each part at once, as in an update.
    """
    policy.zero_grad()
    rows: list[Tensor] = []
    for part in run():
        each = torch.arange(part.numel(), dtype=part.dtype).view_as(part) + 31 * len(rows)
        (part * torch.cos(each)).sum().backward()
        rows += list(part.detach())
    flat = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return flat, {n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None}


def assert_equal(found: Result, expected: Result, absolute: float = LOGPROBS, relative: float = GRADIENT) -> None:
    """Log-probabilities to ``absolute``; gradients to ``relative`` of the norm of all of them."""
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=absolute)
    assert found[1].keys() == expected[1].keys()
    norm = torch.stack([gradient.float().norm() for gradient in expected[1].values()]).norm()
    assert norm > 0
    for name, gradient in expected[1].items():
        difference = (found[1][name] - gradient).float().norm()
        assert difference <= relative * norm, f"{name}: {difference / norm:.2g} of the norm of the gradient"


def wake(policy: VisionLanguagePolicy) -> None:
    """Adapters start as zero; give both halves weights, so that both get a gradient."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1, generator=generator)


def one_prompt(folder: Path, **arguments: object) -> tuple[VisionLanguagePolicy, Prompt]:
    """A policy and a prompt with an image."""
    policy = loaded(folder, **arguments)
    return policy, mixed_prompts(policy)[1]
