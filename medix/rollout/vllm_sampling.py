"""Conversion of prompts and sampling parameters for vLLM, and of its outputs to completions. Imports without vLLM.

The log-probabilities are those of training only if vLLM runs with ``LOGPROBS_MODE`` and ``LOGITS_PROCESSOR``.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import BatchFeature

from medix.policy.digest import digests
from medix.policy.image_layout import LAYOUTS, ImageLayout
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import RolloutError, Sampling
from medix.types import Completion, FinishReason, Prompt

NEVER = -1e30
"""Bias on the logits of banned tokens; their probability is then exactly zero in float32."""

LOGPROBS_MODE = "processed_logits"
LOGITS_PROCESSOR = "medix.rollout.full_softmax:FullSoftmax"
"""With the mode above: log-probabilities at the temperature over all tokens but the banned ones, for any nucleus."""

TEMPERATURES = (0.01, 2.0)
"""Supported range beside 0: vLLM silently raises lower temperatures and rejects higher ones."""


@dataclass(frozen=True)
class PlacedImage:
    """An image of a prompt: the position of its placeholders, and its tensors.

    Attributes:
        start: index of its first placeholder among the prompt's tokens.
        length: number of its placeholders.
        tensors: its tensors, as from ``ImageLayout.split``.
        digest: digest of the tensors.
    """

    start: int
    length: int
    tensors: Mapping[str, Tensor]
    digest: str

    def item(self, dtype: torch.dtype | None = None) -> Any:
        """The image as input of vLLM's models (``MultiModalKwargsItem``).

        Args:
            dtype: dtype of floating tensors; None keeps theirs.
        """
        from vllm.multimodal.inputs import MultiModalFieldConfig, MultiModalKwargsItems

        flat = MultiModalFieldConfig.flat_from_sizes
        alone = MultiModalFieldConfig.batched("image", keep_on_cpu=True)
        tensors = {name: value if dtype is None or not value.is_floating_point() else value.to(dtype)
                   for name, value in self.tensors.items()}  # fmt: skip
        if "image_grid_thw" in tensors:
            patches = tensors["image_grid_thw"].prod(dim=-1)
            fields = {"pixel_values": flat("image", patches), "image_grid_thw": alone}
        else:
            trailing = {"pixel_values": 3}  # channel, height, width; a mask has no channels
            tensors = {
                name: value.reshape(-1, *value.shape[-trailing.get(name, 2) :]) for name, value in tensors.items()
            }
            count = torch.tensor([len(tensors["pixel_values"])])
            fields = {name: flat("image", count) for name in tensors} | {"num_patches": alone}
            tensors["num_patches"] = count
        [item] = MultiModalKwargsItems.from_hf_inputs(BatchFeature(tensors), fields)["image"]
        return item


class VLLMSampling:
    """Requests to vLLM for the prompts of one rollout.

    vLLM gets token ids with image placeholders expanded, and the image tensors that the policy is trained on: nothing
    is tokenised or resized a second time, so that prompts cannot differ.

    Args:
        policy: for end, banned and placeholder tokens; needs no weights.
        sampling: sampling parameters.
    """

    def __init__(self, policy: VisionLanguagePolicy, sampling: Sampling) -> None:
        low, high = TEMPERATURES
        if sampling.temperature != 0 and not low <= sampling.temperature <= high:
            raise ValueError(
                f"sampling.temperature: vLLM samples at {low:g} to {high:g}, or greedily at 0, and not at "
                f"{sampling.temperature:g}; change it, or take medix.rollout.LocalEngine"
            )
        self.policy = policy
        self.sampling = sampling

    @property
    def count(self) -> int:
        """Number of completions to request: one if all would be equal."""
        return 1 if self.sampling.temperature == 0 else self.sampling.completions_per_prompt

    def settings(self, prompt: Prompt) -> dict[str, Any]:
        """Arguments of vLLM's ``SamplingParams``: plain data."""
        sampling = self.sampling
        settings: dict[str, Any] = {
            "n": self.count,
            "max_tokens": sampling.max_completion_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "seed": seed_of(prompt, sampling),
            "logprobs": 0,  # of the sampled token only
            "ignore_eos": True,  # the policy's own tokens end a completion, not those a tokenizer names
            "stop_token_ids": list(self.policy.eos_token_ids),
            "stop": list(sampling.stop),
            "include_stop_str_in_output": True,
            "detokenize": bool(sampling.stop),
            # stop texts are looked for in the text that the completion gets; see CompletionDecoder
            "skip_special_tokens": False,
            "spaces_between_special_tokens": False,
        }
        if self.policy.banned_token_ids:
            settings["logit_bias"] = dict.fromkeys(self.policy.banned_token_ids, NEVER)
        return settings

    def images(self, prompt: Prompt) -> list[PlacedImage]:
        """The images of a prompt, each with the run of placeholders that its features replace.

        If a family splits an image into tiles, or adds crops, each of them counts as an image.

        Raises:
            RolloutError: the numbers of runs and images differ, or no layout fits the tensors.
        """
        if not prompt.sample.images:  # some processors give token types for text alone
            return []
        layout = _layout(prompt)
        tensors = layout.split({name: prompt.inputs[name] for name in layout.names})
        runs = _placeholder_runs(prompt.token_ids, self.policy.image_token_id)
        if len(runs) != len(tensors):
            raise RolloutError(
                f"the prompt of sample {prompt.sample.id!r} has placeholders for {len(runs)} images and tensors "
                f"of {len(tensors)}; render it again with the policy's own processor"
            )
        named = zip(runs, tensors, digests(tensors), strict=True)
        return [PlacedImage(start, length, image, digest) for (start, length), image, digest in named]

    def engine_input(self, prompt: Prompt, salt: str = "", dtype: torch.dtype | None = None) -> Any:
        """The prompt as preprocessed input of vLLM's engine.

        Args:
            prompt: the prompt to complete.
            salt: identifies the weights, so that caches are not used across weights.
            dtype: dtype of the engine's weights; None keeps that of the images.
        """
        from vllm.inputs import mm_input, tokens_input
        from vllm.multimodal.inputs import MultiModalKwargsItems, PlaceholderRange

        tokens, images = list(prompt.token_ids), self.images(prompt)
        if not images:
            return tokens_input(tokens, cache_salt=salt or None)
        return mm_input(
            tokens,
            MultiModalKwargsItems({"image": [image.item(dtype) for image in images]}),
            {"image": [f"{salt}/{image.digest}" for image in images]},
            {"image": [PlaceholderRange(image.start, image.length) for image in images]},
            cache_salt=salt or None,
        )

    def completion(self, token_ids: Sequence[int], logprobs: Sequence[float], finish_reason: str) -> Completion:
        """A completion, its text decoded as in ``LocalEngine``.

        Args:
            token_ids: T tokens, including the end token.
            logprobs: log-probability of each token.
            finish_reason: ``stop`` or ``length``.
        """
        text = self.policy.text_of(token_ids)
        text = text[: self.sampling.after_stop(text)]
        return Completion(text, tuple(token_ids), tuple(logprobs), FinishReason(finish_reason))


def seed_of(prompt: Prompt, sampling: Sampling) -> int:
    """Seed of a group: a function of the sampling seed and the index of the prompt.

    vLLM adds 0, 1, … to it for the completions of a group; 48 bits leave room for that and are exact in JSON.
    """
    return int.from_bytes(hashlib.sha256(f"{sampling.seed}/{prompt.seed_key}".encode()).digest()[:6], "big")


def _layout(prompt: Prompt) -> ImageLayout:
    names = prompt.inputs.keys()
    fitting = [layout for layout in LAYOUTS if layout.names <= names]
    if not fitting:
        raise RolloutError(
            f"the images of sample {prompt.sample.id!r} come as {', '.join(sorted(names))}, which cannot be "
            "converted for vLLM; take medix.rollout.LocalEngine"
        )
    return max(fitting, key=lambda layout: len(layout.names))


def _placeholder_runs(tokens: Sequence[int], placeholder: int) -> list[tuple[int, int]]:
    """Start and length of each run of a token."""
    found: list[tuple[int, int]] = []
    for index, token in enumerate(tokens):
        if token != placeholder:
            continue
        if found and sum(found[-1]) == index:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((index, 1))
    return found
