"""A prompt as a request to a vLLM server."""

from typing import Any

import torch

from medix.rollout.serving.image_wire import wired
from medix.rollout.vllm_sampling import VLLMSampling
from medix.types import Prompt

_BYTES_PER_TOKEN = 2**10
"""Most that a server sends per token: its id, its log-probability, and both again as an alternative."""
_BYTES_PER_PROMPT_TOKEN = 16


def request_of(prompt: Prompt, asked: VLLMSampling, version: str) -> dict[str, Any]:
    """The body of the request for all completions of a prompt.

    Args:
        prompt: what is completed.
        asked: how completions are sampled.
        version: of the weights; part of every cache key, so that nothing cached with other weights is used.
    """
    content: dict[str, Any] = {
        "token_ids": list(prompt.token_ids),
        "sampling_params": asked.settings(prompt),
        "stream": True,
        "return_token_ids": True,
        "cache_salt": version,
    }
    images = asked.images(prompt)
    if images:
        dtype = getattr(torch, asked.policy.dtype)
        content["features"] = {
            "mm_hashes": {"image": [f"{version}/{image.digest}" for image in images]},
            "mm_placeholders": {"image": [{"offset": image.start, "length": image.length} for image in images]},
            "kwargs_data": {"image": [wired(image, dtype) for image in images]},
        }
    return content


def longest_answer(prompt: Prompt, asked: VLLMSampling) -> int:
    """Upper bound on the size of the answer, in bytes."""
    tokens = asked.count * asked.sampling.max_completion_tokens
    return 2**16 + _BYTES_PER_TOKEN * tokens + _BYTES_PER_PROMPT_TOKEN * len(prompt.token_ids)
