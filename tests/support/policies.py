"""A policy of one matrix, for tests of arithmetic that need gradients but no vision-language model."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from medix.policy.base import Policy
from medix.types import Completion, FinishReason, Prompt, RolloutGroup, Sample

VOCABULARY = 7


class BigramPolicy(Policy):
    """The next token depends on the one before it, the first on the last of the prompt."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.scores = nn.Parameter(torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(seed)))
        self.passes = 0

    def load(self) -> None:
        pass

    @property
    def processor(self) -> Any:
        return None

    @property
    def banned_token_ids(self) -> tuple[int, ...]:
        return ()

    def fingerprint(self) -> dict[str, Any]:
        return {"name": "bigram", "seed": self.seed}

    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> Float[Tensor, "row time"]:
        self.passes += 1
        table = (self.scores / temperature).log_softmax(dim=-1)
        rows = [
            table[
                torch.tensor((group.prompt.token_ids[-1], *completion.token_ids[:-1])),
                torch.tensor(completion.token_ids),
            ]
            for group in groups
            for completion in group.completions
        ]
        width = max(len(row) for row in rows)
        return torch.stack([nn.functional.pad(row, (0, width - len(row))) for row in rows])

    def reference_logprobs(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> Float[Tensor, "row time"]:
        with torch.no_grad():
            return BigramPolicy(self.seed + 1).logprobs(groups, temperature)


def group(policy: BigramPolicy, lengths: Sequence[int], prompt: int = 3, seed: int = 0) -> RolloutGroup:
    """A group of completions of the given lengths, with the policy's own log-probabilities."""
    generator = torch.Generator().manual_seed(seed)
    sample = Sample(id=f"s{seed}", question="?", reference="a", modality=None)
    tokens = [tuple(torch.randint(0, VOCABULARY, (n,), generator=generator).tolist()) for n in lengths]
    empty = [Completion("", t, tuple(0.0 for _ in t), FinishReason.STOP) for t in tokens]
    made = RolloutGroup(Prompt(sample, tuple(range(prompt)), index=seed), tuple(empty), 0)
    with torch.no_grad():
        table = policy.logprobs([made]).tolist()
    completions = tuple(
        Completion("", t, tuple(row[: len(t)]), FinishReason.STOP) for t, row in zip(tokens, table, strict=True)
    )
    return RolloutGroup(made.prompt, completions, 0)
