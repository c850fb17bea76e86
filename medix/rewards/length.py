"""A penalty for completions near the token limit."""

from typing import ClassVar

from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored


class SoftOverlongPenalty(RewardComponent):
    """The soft overlong punishment of DAPO (arXiv:2503.14476, Eq. 13): 0, then linearly down to -1 at the limit.

    A completion of at most ``max_completion_tokens - buffer_tokens`` tokens gets 0; within the buffer it gets minus the
    fraction of the buffer that it uses; beyond the limit it gets -1. Use it under ``penalties`` of the suite.

    Args:
        max_completion_tokens: the limit, L_max.
        buffer_tokens: length of the buffer before the limit, L_cache.
    """

    plot_lower_bound: ClassVar[float] = -1.0  # type: ignore[misc]  # torchmetrics declares it Optional
    plot_upper_bound: ClassVar[float] = 0.0  # type: ignore[misc]

    def __init__(self, max_completion_tokens: int, buffer_tokens: int) -> None:
        super().__init__()
        if not 0 < buffer_tokens <= max_completion_tokens:
            raise ValueError(
                f"buffer_tokens: {buffer_tokens} must be from 1 to max_completion_tokens={max_completion_tokens}"
            )
        self.max_completion_tokens = max_completion_tokens
        self.buffer_tokens = buffer_tokens

    def score(self, batch: RewardBatch) -> ComponentScores:
        """A value from -1 to 0; unscored without a token count."""
        return ComponentScores.of([self._penalty(count) for count in batch.token_counts])

    def _penalty(self, count: int | None) -> float | Unscored:
        if count is None:
            return Unscored("the length penalty needs token_counts")
        excess = count - (self.max_completion_tokens - self.buffer_tokens)
        return -min(max(excess, 0) / self.buffer_tokens, 1.0)
