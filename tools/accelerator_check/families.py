"""Shared against plain pass: every family of models, in the precisions and attentions of training."""

from collections.abc import Iterator
from functools import partial
from typing import Literal, get_args

import torch

from medix.policy.self_check import ALLOWED
from medix.policy.tiny import Architecture, build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from tools.accelerator_check.groups import groups
from tools.accelerator_check.part import AbsentError, Case, Numbers, Part
from tools.bench_step.workload import Shape

SHAPE = Shape("self-check", (2, 2), 12, 4, 8, 2)


class Families(Part):
    """Tiny models on the device, whose self-check runs with gradients."""

    def cases(self) -> Iterator[Case]:
        """bfloat16 before float32, and SDPA before FlexAttention, which is compiled."""
        dtypes: tuple[Literal["bfloat16", "float32"], ...] = ("bfloat16", "float32")
        for dtype in dtypes:
            for attention in ("sdpa", "flex_attention"):
                for family in get_args(Architecture):
                    yield f"{family} {dtype} {attention}", partial(self._compare, family, dtype, attention)

    def _compare(self, family: Architecture, dtype: Literal["bfloat16", "float32"], attention: str) -> Numbers:
        if attention == "flex_attention" and self.device == "cpu":
            raise AbsentError("FlexAttention needs a GPU")
        model = self.folder / family
        policy = VisionLanguagePolicy(
            str(model if model.exists() else build_tiny(family, model)), dtype=dtype, attention=attention
        )
        policy.load()
        policy.to(self.device)
        if not policy.shares_prompts:
            raise RuntimeError(f"{family} makes the plain pass under {attention}; see the warning")
        asked = groups(policy, SHAPE)
        shared = policy.logprobs(asked)  # compares values and gradients with the plain pass, or raises
        shared.mean().backward()  # type: ignore[no-untyped-call]
        gradients = [weight.grad for weight in policy.parameters() if weight.grad is not None]
        if not gradients or not all(bool(gradient.isfinite().all()) for gradient in gradients):
            raise RuntimeError("no gradient, or one that is not finite")
        policy.shared_prefix = False
        with torch.no_grad():
            plain = policy.logprobs(asked)
        difference, allowed = float((shared - plain).abs().mean()), ALLOWED[getattr(torch, dtype)].logprobs
        if not difference <= allowed:
            raise RuntimeError(f"log-probabilities differ by {difference:.2g} on average, allowed are {allowed:g}")
        return {"mean_difference": difference, "allowed": allowed}
