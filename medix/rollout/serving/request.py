"""A prompt as a server of vLLM takes it."""

from typing import Any

import torch

from medix.rollout.serving.image_wire import wired
from medix.rollout.vllm_sampling import VLLMSampling
from medix.types import Prompt

_BYTES_PER_TOKEN = 2**10
"""What a server sends of a token at most: its number, its log-probability, the same again as an alternative."""
_BYTES_PER_PROMPT_TOKEN = 16


def request_of(prompt: Prompt, asked: VLLMSampling, version: str) -> dict[str, Any]:
    """What is posted for all completions of a prompt.

    Args:
        prompt: what is completed.
        asked: how.
        version: of the weights; what other weights made of the same prompt is not found under it in any cache.
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
    """Bytes that the completions of a prompt can take at most."""
    tokens = asked.count * asked.sampling.max_completion_tokens
    return 2**16 + _BYTES_PER_TOKEN * tokens + _BYTES_PER_PROMPT_TOKEN * len(prompt.token_ids)
