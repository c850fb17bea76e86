"""Fix for vLLM's CPU model runner: no random numbers are used up for partially prefilled prompts."""

from functools import wraps
from typing import Any

import numpy as np

_MARK = "holds_generators_back"


def hold_generators_back(runner: type) -> None:
    """Make a model runner of vLLM sample for unfinished prompts without the generators of their requests.

    A prompt that is prefilled in chunks (by the limit on tokens per pass, or on images) has a row in every pass, and
    vLLM samples a token for it that it discards. Its random number must not be used up, or the request's seed would
    give other tokens than for a prompt prefilled at once. vLLM rewinds the generator by an offset; generators on a CPU
    have none, raise, and the engine dies (vLLM 0.32). Here such a generator is removed while its row is sampled.

    Args:
        runner: ``vllm.v1.worker.cpu_model_runner.CPUModelRunner``; changed in place, once.
    """
    sample = runner.sample_tokens  # type: ignore[attr-defined]
    if hasattr(sample, _MARK):
        return

    @wraps(sample)
    def sample_tokens(self: Any, grammar_output: Any) -> Any:
        batch = self.input_batch
        unfinished = np.flatnonzero(self.discard_request_mask.np[: batch.num_reqs]).tolist()
        aside = {row: batch.generators.pop(row) for row in unfinished if row in batch.generators}
        try:
            return sample(self, grammar_output)
        finally:
            batch.generators.update(aside)

    setattr(sample_tokens, _MARK, True)
    runner.sample_tokens = sample_tokens  # type: ignore[attr-defined]
