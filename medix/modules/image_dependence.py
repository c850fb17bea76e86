"""How much of the likelihood of an answer needs its images, and advantages weighted by it."""

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from medix.data.exchange import ImageFacts
from medix.data.prompt_errors import UnusablePromptError
from medix.modules.training_group import TokenLogprobs
from medix.types import Completion, Prompt, RolloutGroup, Sample


class ImageDependence:
    """Compares how likely each answer is with its own images and with those of another case.

    The share of an answer's likelihood that needs its images is 1 - min(1, p' / p), where p is the probability of the
    answer, given the question, the images and the completion before it, and p' the same with the images of another
    sample of the step: 0 for an answer that is as likely without them, near 1 for one that only they make likely. The
    tokens of an answer are those after ``<answer>``, up to and including ``</answer>``.

    The signal is that of PAPO (arXiv:2507.06448), which corrupts the images and raises the divergence by a term of the
    loss. Here it is measured, and may weight advantages: what a completion without its images would earn as well then
    moves the policy less, whether it was right or wrong. Costs each step one pass without gradient with the exchanged
    images, one with the images themselves over the groups of the first update, and rendering the prompts again.

    No share is known for a text-only sample, for a completion without exactly one ``<answer>``, and where no other case
    among this rank's groups of the step has as many images and none of its own; their advantages stay as they are.

    Logged: ``train/image_share``, the mean over the completions for which it is known.

    Args:
        weight: an advantage is multiplied by 1 - weight * (1 - share); 0 measures only.
    """

    def __init__(self, weight: float = 0.0) -> None:
        if not 0 <= weight <= 1:
            raise ValueError(f"model.image_dependence.weight: {weight} is not a share; give a number from 0 to 1")
        self.weight = weight

    def weigh(
        self, advantages: Float[Tensor, "prompt completion"], shares: Float[Tensor, "prompt completion"]
    ) -> Float[Tensor, "prompt completion"]:
        """Advantages with the weight of their shares; a share of NaN changes nothing."""
        return advantages * (1 - self.weight * (1 - shares)).nan_to_num(1.0)


def exchanged(groups: Sequence[RolloutGroup], render: Callable[[Sample, int], Prompt]) -> list[RolloutGroup | None]:
    """Each group with the images of the next one that is of another case, has as many and shares none.

    Args:
        groups: of one step on this rank.
        render: makes the prompt of a sample at a position in the order of the data.

    Returns:
        One per group; None without images, or without such another group.
    """
    return [_with_images(group, [*groups[place + 1 :], *groups[:place]], render) for place, group in enumerate(groups)]


def image_shares(
    groups: Sequence[RolloutGroup],
    own: Sequence[TokenLogprobs],
    others: Sequence[TokenLogprobs | None],
    decode: Callable[[Sequence[int]], str],
) -> Float[Tensor, "prompt completion"]:
    """The share of each answer's likelihood that needs its images, in float64; NaN where it is not known.

    Args:
        groups: completions.
        own: their log-probabilities with their own images.
        others: the same with exchanged images; None for a group without.
        decode: text of token ids, with special tokens.
    """
    return torch.tensor(
        [
            [
                math.nan if other is None else _share(completion, row, other[index], decode)
                for index, (completion, row) in enumerate(zip(group.completions, rows, strict=True))
            ]
            for group, rows, other in zip(groups, own, others, strict=True)
        ],
        dtype=torch.float64,
    )


def _with_images(
    group: RolloutGroup, others: Sequence[RolloutGroup], render: Callable[[Sample, int], Prompt]
) -> RolloutGroup | None:
    sample = group.prompt.sample
    samples, facts = [other.prompt.sample for other in others], ImageFacts.of(sample)
    partner = next((one for one in samples if ImageFacts.of(one).can_lend(facts)), None)
    if not sample.images or partner is None:
        return None
    try:
        prompt = render(replace(sample, images=partner.images), group.prompt.index)
    except UnusablePromptError:  # such as larger images than those that the question left room for
        return None
    return replace(group, prompt=prompt)


def _share(completion: Completion, own: Tensor, other: Tensor, decode: Callable[[Sequence[int]], str]) -> float:
    start, stop = _answer(completion, decode)
    if start == stop:
        return math.nan
    gain = float((other[start:stop].double() - own[start:stop].double()).sum())
    return -math.expm1(min(0.0, gain))


def _answer(completion: Completion, decode: Callable[[Sequence[int]], str]) -> tuple[int, int]:
    """First token of the answer, and the first one after its closing tag; equal without exactly one answer."""
    ids = completion.token_ids
    if completion.text.count("<answer>") != 1:
        return 0, 0
    start, stop = (_length_with(mark, ids, decode) for mark in ("<answer>", "</answer>"))
    return (start, stop) if start <= stop <= len(ids) else (0, 0)


def _length_with(mark: str, ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> int:
    """The fewest tokens whose text has a mark in it; one more than there are if none has."""
    lengths: Any = range(len(ids) + 1)
    return bisect_left(lengths, True, key=lambda length: mark in decode(ids[:length]))
