"""vLLM beside the policy: sleep and wake, publish, and its rate."""

import time
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import fmean

import torch

from medix.policy.tiny import TinySize, build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import Sampling
from medix.serving.vllm_install import why_absent
from medix.types import RolloutGroup
from tools.accelerator_check.groups import groups
from tools.accelerator_check.part import AbsentError, Case, Numbers, Part
from tools.accelerator_check.shapes import UntrainedPolicy, write
from tools.bench_step.workload import Shape

SHAPE = Shape("colocated", (2, 2), 12, 1, 1, 2)
LARGE = Shape("rate", (16, 16), 26, 1, 1, 32)


class Colocated(Part):
    """An engine whose weights change between rollouts."""

    def cases(self) -> Iterator[Case]:
        """Whether it is right, and how fast it is."""
        for dtype in ("float32", "bfloat16"):
            yield f"sleep, wake, publish {dtype}", partial(self._published, dtype)
        yield "rate of the 2B shape", self._rate

    def _require(self) -> None:
        if reason := why_absent():
            raise AbsentError(reason)

    def _engine(self, policy: VisionLanguagePolicy, sampling: Sampling, eager: bool) -> ColocatedEngine:
        engine = ColocatedEngine(
            sampling, max_context=1024, max_rows=256, enforce_eager=eager,
            cache_gigabytes=0.2 if self.device == "cpu" else None,
        )  # fmt: skip
        engine.bind(policy)
        return engine

    def _published(self, dtype: str) -> Numbers:
        self._require()
        folder = self.folder / "model"
        if not folder.exists():  # heads of 32: some attentions of vLLM know no smaller ones
            build_tiny("qwen3_vl", folder, TinySize(width=64, vision_width=64))
        policy = VisionLanguagePolicy(str(folder), dtype="bfloat16" if dtype == "bfloat16" else "float32")
        policy.load()
        policy.to(self.device)
        prompts = [group.prompt for group in groups(policy, SHAPE)]
        engine = self._engine(policy, Sampling(8, 16), eager=True)
        try:
            before = mismatch(policy, engine.rollout(prompts))
            kept = self._free()
            with torch.no_grad():
                for weight in policy.parameters():
                    weight.mul_(1.1)
            engine.publish(policy)
            after = mismatch(policy, engine.rollout(prompts))
        finally:
            engine.close()
        if not max(before, after) <= policy.rounding:
            raise RuntimeError(
                f"log-probabilities of vLLM differ from the policy's by {before:.2g} on average, and by {after:.2g} "
                f"after an update; allowed are {policy.rounding:g}"
            )
        return {"mismatch_before": before, "mismatch_after": after} | kept

    def _free(self) -> Numbers:
        """Memory of the device that is free while the engine sleeps."""
        if self.device != "cuda":
            return {}
        free, total = torch.cuda.mem_get_info()
        return {"gigabytes_free_asleep": round(free / 1e9, 1), "gigabytes": round(total / 1e9, 1)}

    def _rate(self) -> Numbers:
        self._require()
        if self.device == "cpu":
            raise AbsentError("the rate is measured on an accelerator only")
        policy = UntrainedPolicy(str(write(self.folder / "2B", "qwen3_vl", "2B")), dtype="bfloat16")
        policy.load()
        policy.hugging_face.save_pretrained(policy.name)  # vLLM reads weights before it gets others
        policy.to(self.device)
        prompts = [group.prompt for group in groups(policy, LARGE)]
        engine = self._engine(policy, Sampling(8, 256), eager=False)
        try:
            start = time.monotonic()
            engine.rollout(prompts)
            first, start = time.monotonic() - start, time.monotonic()
            drawn = engine.rollout(prompts)  # wakes up
            seconds, start = time.monotonic() - start, time.monotonic()
            engine.publish(policy)
            published = time.monotonic() - start
        finally:
            engine.close()
        tokens = sum(len(completion.token_ids) for group in drawn for completion in group.completions)
        numbers = {"first_rollout": first, "rollout": seconds, "publish": published, "tokens_per_s": tokens / seconds}
        return {name: round(number, 2) for name, number in numbers.items()}


def mismatch(policy: VisionLanguagePolicy, drawn: Sequence[RolloutGroup]) -> float:
    """Mean difference of the engine's log-probabilities from the policy's."""
    with torch.no_grad():
        rows = policy.logprobs(drawn)
    completions = [completion for group in drawn for completion in group.completions]
    differences: list[float] = [
        abs(known - ours)
        for completion, row in zip(completions, rows.tolist(), strict=True)
        for known, ours in zip(completion.logprobs, row, strict=False)
    ]
    return fmean(differences)
