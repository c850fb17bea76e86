"""The plain pass: one row per completion, the prompt and its images in each."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from medix.policy.family import Family
from medix.policy.images import repeat_images
from medix.types import RolloutGroup

Chosen = Callable[[Tensor, Tensor, float], Tensor]
"""Hidden states, the token that each predicts, temperature → log-probabilities of the tokens."""


class PlainPass:
    """Log-probabilities with any model; the shared pass is compared with these.

    Args:
        family: the model.
        chosen: applies its head to hidden states.
    """

    def __init__(self, family: Family, chosen: Chosen) -> None:
        self.family = family
        self._chosen = chosen

    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float) -> Float[Tensor, "row time"]:
        """As ``Policy.logprobs``. A group is a batch: its rows have one prompt, so that none is left-padded."""
        parts = [self._of_group(group, temperature) for group in groups]
        width = max(part.shape[1] for part in parts)
        return torch.cat([nn.functional.pad(part, (0, width - part.shape[1])) for part in parts])

    def _of_group(self, group: RolloutGroup, temperature: float) -> Float[Tensor, "row time"]:
        family, device = self.family, self.family.device
        prompt = torch.tensor(group.prompt.token_ids, device=device)
        tokens, written = _right_padded([completion.token_ids for completion in group.completions], device)
        rows, width = tokens.shape
        # The last token of a row predicts nothing that is needed.
        input_ids = torch.cat([prompt.expand(rows, -1), tokens[:, :-1]], dim=1)
        images = family.image_inputs(group.prompt)
        positions, following = family.prompt_positions(prompt[None], images, None)
        steps = following[:, None] + torch.arange(width - 1, device=device)
        # Padding follows every token of its row, so that causal attention needs no mask.
        hidden = family.hidden(
            input_ids,
            positions=torch.cat([positions, steps.expand(*positions.shape[:-1], -1)], dim=-1),
            images=repeat_images(images, rows),
        )
        chosen = self._chosen(hidden[:, len(prompt) - 1 :][written], tokens[written], temperature)
        return chosen.new_zeros(rows, width).masked_scatter(written, chosen)


def _right_padded(
    rows: Sequence[Sequence[int]], device: torch.device
) -> tuple[Int[Tensor, "row time"], Bool[Tensor, "row time"]]:
    """Token ids right-padded with 0, and True on tokens."""
    width = max(len(row) for row in rows)
    tokens = torch.tensor([[*row, *([0] * (width - len(row)))] for row in rows], device=device)
    lengths = torch.tensor([len(row) for row in rows], device=device)
    return tokens, torch.arange(width, device=device) < lengths[:, None]
