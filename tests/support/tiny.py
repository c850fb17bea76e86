"""Prompts for tiny policies, rendered without the data package."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from medix.policy.vision_language import VisionLanguagePolicy
from medix.types import Completion, FinishReason, Prompt, RolloutGroup, Sample

ARCHITECTURES = ("qwen3_vl", "qwen3_vl_moe", "qwen2_5_vl", "gemma3", "smolvlm")


def picture(seed: int, width: int = 64, height: int = 64) -> bytes:
    """A PNG of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format="PNG")
    return target.getvalue()


def sample(name: str, question: str, *images: bytes) -> Sample:
    return Sample(
        id=name,
        question=question,
        reference="left",
        modality="CT_SCAN" if images else None,
        images=images,
        source="tiny",
    )


def render(policy: VisionLanguagePolicy, sample: Sample, index: int = -1) -> Prompt:
    """What the data package does, in its shortest form."""
    content = [{"type": "image"} for _ in sample.images] + [{"type": "text", "text": sample.question}]
    text = policy.processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    images = [Image.open(io.BytesIO(image)).convert("RGB") for image in sample.images]
    made = policy.processor(text=[text], images=images or None, return_tensors="pt", add_special_tokens=False)
    ids = tuple(made["input_ids"][0].tolist())
    inputs = {key: value for key, value in made.items() if key.startswith(("pixel_", "image_"))}
    return Prompt(sample=sample, token_ids=ids, inputs=inputs, index=index)


def mixed_prompts(policy: VisionLanguagePolicy) -> list[Prompt]:
    """Text only, one image, two images of different shape, and a long question: four different lengths."""
    samples = [
        sample("text", "Is a fracture seen?"),
        sample("one", "What is shown in the left lung?", picture(1)),
        sample("two", "Which image is brighter?", picture(2), picture(3, 96, 64)),
        sample("long", "The chest X-ray shows no pleural effusion. " * 3 + "Is it normal?", picture(4, 64, 96)),
    ]
    return [render(policy, each, index) for index, each in enumerate(samples)]


def loaded(folder: Path, **arguments: Any) -> VisionLanguagePolicy:
    """A policy with its weights."""
    policy = VisionLanguagePolicy(str(folder), **arguments)
    policy.load()
    return policy


def written(policy: VisionLanguagePolicy, prompt: Prompt, lengths: Sequence[int], seed: int = 0) -> RolloutGroup:
    """A group with random completions of the given lengths, without banned tokens."""
    generator = torch.Generator().manual_seed(seed)
    free = [token for token in range(len(policy.processor.tokenizer)) if token not in policy.banned_token_ids]
    completions = []
    for length in lengths:
        picked = torch.randint(0, len(free), (length,), generator=generator).tolist()
        completions.append(Completion("", tuple(free[place] for place in picked), (0.0,) * length, FinishReason.LENGTH))
    return RolloutGroup(prompt, tuple(completions), 0)


def hugging_face_inputs(policy: VisionLanguagePolicy, prompt: Prompt) -> dict[str, torch.Tensor]:
    """What the processor gives for a prompt, for the model's own forward and generate."""
    ids = torch.tensor([prompt.token_ids])
    types = (ids == policy.image_token_id).int()
    name = {"gemma3": "token_type_ids", "smolvlm": None}.get(policy.config.model_type, "mm_token_type_ids")
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        **prompt.inputs,
        **({} if name is None else {name: types}),
    }
