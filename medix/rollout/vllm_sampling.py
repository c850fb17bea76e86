"""Prompts and sampling settings as vLLM takes them, and its outputs as completions. Nothing here needs vLLM to import.

The log-probabilities that come back are those of the policy only if vLLM runs with ``LOGPROBS_MODE`` and
``LOGITS_PROCESSOR``.
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
"""Added to the score of a token that must not be sampled; its probability is then exactly zero in float32."""

LOGPROBS_MODE = "processed_logits"
LOGITS_PROCESSOR = "medix.rollout.full_softmax:FullSoftmax"
"""With the mode above: log-probabilities among all tokens but the banned, at the temperature, for any nucleus."""

TEMPERATURES = (0.01, 2.0)
"""Beside 0: vLLM raises lower ones without saying so in its outputs, and refuses higher ones."""


@dataclass(frozen=True)
class PlacedImage:
    """An image of a prompt: where its placeholders stand, and its tensors alone.

    Attributes:
        start: first of its placeholders among the prompt's tokens.
        length: how many they are.
        tensors: as ``ImageLayout.split`` gives them.
        digest: of the tensors.
    """

    start: int
    length: int
    tensors: Mapping[str, Tensor]
    digest: str

    def item(self, dtype: torch.dtype | None = None) -> Any:
        """The image as vLLM's models take it (``MultiModalKwargsItem``).

        Args:
            dtype: of floating tensors; None leaves them.
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
            trailing = {"pixel_values": 3}  # channel, height, width; a mask has none of the first
            tensors = {
                name: value.reshape(-1, *value.shape[-trailing.get(name, 2) :]) for name, value in tensors.items()
            }
            count = torch.tensor([len(tensors["pixel_values"])])
            fields = {name: flat("image", count) for name in tensors} | {"num_patches": alone}
            tensors["num_patches"] = count
        [item] = MultiModalKwargsItems.from_hf_inputs(BatchFeature(tensors), fields)["image"]
        return item


class VLLMSampling:
    """What is asked of vLLM, for the prompts of one rollout.

    vLLM gets token ids with the placeholders of images expanded, and the very tensors that the policy is trained on:
    nothing is tokenised or scaled a second time, so that prompts cannot differ.

    Args:
        policy: names the tokens that end a completion, those that are banned, and the placeholder; needs no weights.
        sampling: how completions are drawn.
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
        """Completions to ask for: one where all of them are the same."""
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
            "logprobs": 0,  # of the token that was sampled alone
            "ignore_eos": True,  # the policy's own tokens end a completion, not those a tokenizer names
            "stop_token_ids": list(self.policy.eos_token_ids),
            "stop": list(sampling.stop),
            "include_stop_str_in_output": True,
            "detokenize": bool(sampling.stop),
        }
        if self.policy.banned_token_ids:
            settings["logit_bias"] = dict.fromkeys(self.policy.banned_token_ids, NEVER)
        return settings

    def images(self, prompt: Prompt) -> list[PlacedImage]:
        """The images of a prompt, each with the stretch of placeholders that its vectors replace.

        Where a family cuts an image into parts, or adds crops, each of them counts as an image.

        Raises:
            RolloutError: stretches and images are not as many, or no layout fits the tensors.
        """
        if not prompt.inputs:
            return []
        layout = _layout(prompt)
        tensors = layout.split({name: prompt.inputs[name] for name in layout.names})
        stretches = _stretches(prompt.token_ids, self.policy.image_token_id)
        if len(stretches) != len(tensors):
            raise RolloutError(
                f"the prompt of sample {prompt.sample.id!r} has placeholders for {len(stretches)} images and tensors "
                f"of {len(tensors)}; render it again with the policy's own processor"
            )
        named = zip(stretches, tensors, digests(tensors), strict=True)
        return [PlacedImage(start, length, image, digest) for (start, length), image, digest in named]

    def engine_input(self, prompt: Prompt, salt: str = "", dtype: torch.dtype | None = None) -> Any:
        """The prompt as vLLM's engine takes it behind its own preprocessing.

        Args:
            prompt: what is completed.
            salt: names the weights; what was computed with others is not found in a cache.
            dtype: of the engine's weights; None leaves images as they are.
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
        """A completion, its text decoded as ``LocalEngine`` does.

        Args:
            token_ids: T tokens, the one that ended it included.
            logprobs: of each of them.
            finish_reason: ``stop`` or ``length``.
        """
        text = str(self.policy.processor.tokenizer.decode(list(token_ids), skip_special_tokens=True))
        text = text[: self.sampling.after_stop(text)]
        return Completion(text, tuple(token_ids), tuple(logprobs), FinishReason(finish_reason))


def seed_of(prompt: Prompt, sampling: Sampling) -> int:
    """What decides the tokens of a group: a function of the seed and the prompt's place in the data.

    vLLM counts on from it for the completions of a group; 48 bits leave room for that, and JSON keeps them everywhere.
    """
    return int.from_bytes(hashlib.sha256(f"{sampling.seed}/{prompt.place}".encode()).digest()[:6], "big")


def _layout(prompt: Prompt) -> ImageLayout:
    names = prompt.inputs.keys()
    fitting = [layout for layout in LAYOUTS if layout.names <= names]
    if not fitting:
        raise RolloutError(
            f"the images of sample {prompt.sample.id!r} come as {', '.join(sorted(names))}, which is not known how to "
            "give to vLLM; take medix.rollout.LocalEngine"
        )
    return max(fitting, key=lambda layout: len(layout.names))


def _stretches(tokens: Sequence[int], placeholder: int) -> list[tuple[int, int]]:
    """Start and length of each unbroken row of a token."""
    found: list[tuple[int, int]] = []
    for place, token in enumerate(tokens):
        if token != placeholder:
            continue
        if found and sum(found[-1]) == place:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((place, 1))
    return found
