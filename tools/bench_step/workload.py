"""The model, prompts and rewards that all sides of the benchmark use."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medix.policy.tiny import TinySize, build_tiny
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent
from medix.rewards.format import FormatReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.types import Sample

SIZE = TinySize(
    width=512, depth=8, heads=8, hidden=1536, vision_width=256, vision_depth=6, image_side=1024, vocabulary=1024,
    initializer_range=0.02, context=4096,
)  # fmt: skip
"""A Qwen3-VL of 32 million parameters."""

TOKEN_SIDE = 32
"""Pixels of the square that becomes one token: two by two patches of 16."""

TEMPERATURE = 1.0
LEARNING_RATE = 1e-6


@dataclass(frozen=True)
class Shape:
    """One size of step.

    Attributes:
        name: for tables.
        image: width and height in tokens.
        words: number of words of the question.
        group_size: completions per prompt, G.
        completion_tokens: tokens of every completion, T.
        prompts: prompts per step.
    """

    name: str
    image: tuple[int, int]
    words: int
    group_size: int
    completion_tokens: int
    prompts: int


SHAPES = (
    Shape("P≈510 G=5 T=100", (21, 22), 30, 5, 100, 2),
    Shape("P≈1000 G=8 T=128", (31, 31), 26, 8, 128, 1),
    Shape("P≈2000 G=8 T=128", (44, 44), 36, 8, 128, 1),
)


def build(folder: Path, size: TinySize = SIZE) -> Path:
    """Write a model with random weights, and its processor, to disk."""
    return build_tiny("qwen3_vl", folder, size)


def samples(shape: Shape, seed: int = 0) -> list[Sample]:
    """Noise images with a long question."""
    words = ("Is", "the", "left", "lung", "normal", "or", "is", "there", "a", "mass", "of", "5", "mm", "in", "it")
    question = " ".join(words[index % len(words)] for index in range(shape.words)) + "?"
    return [
        Sample(
            id=f"{shape.name}/{number}",
            question=question,
            reference="normal",
            modality="CT_SCAN",
            images=(_noise(shape.image, seed + number),),
        )
        for number in range(shape.prompts)
    ]


def _noise(tokens: tuple[int, int], seed: int) -> bytes:
    width, height = (TOKEN_SIDE * side for side in tokens)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format="PNG")
    return target.getvalue()


def pictures(sample: Sample) -> list[Image.Image]:
    """The images of a sample as TRL expects them."""
    return [Image.open(io.BytesIO(image)).convert("RGB") for image in sample.images]


class Letters(RewardComponent):
    """The share of lower-case letters, which varies between texts of an untrained policy, so groups have spread."""

    def score(self, batch: RewardBatch) -> ComponentScores:
        """One value per completion."""
        return ComponentScores.of([share(text) for text in batch.completions])


def share(text: str) -> float:
    """The share of lower-case letters in a text."""
    return sum(letter.islower() for letter in text) / max(1, len(text))


def suite() -> RewardSuite:
    """The reward suite of both trainers."""
    return RewardSuite({"format": Weighted(FormatReward(), 0.1), "letters": Weighted(Letters(), 0.9)})


def median(values: Sequence[float]) -> float:
    """The median of the values."""
    return float(np.median(values))
