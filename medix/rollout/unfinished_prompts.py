"""Draws for prompts that are not read to their end. vLLM's model runner for CPUs needs this."""

from functools import wraps
from typing import Any

import numpy as np

_MARK = "holds_generators_back"


def hold_generators_back(runner: type) -> None:
    """Let a model runner of vLLM draw for unfinished prompts without the generators of their requests.

    A prompt that is read in parts (by the limit on tokens of one pass, or on images) has a row in every pass, and vLLM
    samples for it what it then throws away. The draw must be taken back, or the request's seed would give other tokens
    than it does for a prompt read at once. vLLM winds the generator back by an offset, which generators of a CPU do not
    have: they raise, and the engine is lost (vLLM 0.32). Here such a generator is put aside while its row is sampled.

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
