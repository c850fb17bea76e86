"""Fits that sample by vLLM: a policy that ends some of its completions, and what a run leaves behind."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from medix.modules import checkpoint_file
from medix.policy.export import export
from medix.policy.vision_language import VisionLanguagePolicy
from medix.reporting.record import CompletionRecord, read_records
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.types import Prompt, RolloutGroup
from tests.support.tiny import loaded, mixed_prompts

STOP = "</answer>"
GREEDY = Sampling(completions_per_prompt=1, max_completion_tokens=16, temperature=0)


def ending_policy(folder: Path, target: Path, share: float = 1 / 5) -> Path:
    """A policy that writes what the one in the folder does, with ``</answer>`` in place of about so many of its tokens.

    An untrained one of 400 tokens would hardly ever say it, and no stop text would stop anything.
    """
    policy = loaded(folder)
    token = policy.processor.tokenizer.convert_tokens_to_ids(STOP)
    local = LocalEngine(Sampling(completions_per_prompt=12, max_completion_tokens=8, temperature=0.7))
    local.bind(policy)
    groups = local.rollout(mixed_prompts(policy))
    optimizer = torch.optim.AdamW(policy.parameters(), lr=3e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        (-policy.logprobs([_mixed(one, token, share, generator) for one in groups], 1.0).mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return export(policy, target, "A tiny policy for tests.")


def _mixed(group: RolloutGroup, token: int, share: float, generator: torch.Generator) -> RolloutGroup:
    """The group with the token in other places each time."""
    completions = []
    for one in group.completions:
        draws = torch.rand(len(one.token_ids), generator=generator).tolist()
        ids = tuple(token if draw < share else id_ for draw, id_ in zip(draws, one.token_ids, strict=True))
        completions.append(replace(one, token_ids=ids))
    return replace(group, completions=tuple(completions))


def logged(run: Path) -> dict[int, dict[str, float]]:
    """Numbers of each step, from the log of a run and of those that went on from it."""
    found: dict[int, dict[str, float]] = {}
    for path in sorted(run.glob("logs/version_*/metrics.csv")):
        with path.open() as file:
            for row in csv.DictReader(file):
                numbers = {name: float(value) for name, value in row.items() if value}
                found[int(numbers.pop("step"))] = numbers
    return found


def recorded(run: Path) -> list[CompletionRecord]:
    """Every completion that was scored in training."""
    return list(read_records(run / "completions" / "train.rank0.jsonl"))


def versions(run: Path) -> dict[int, set[int]]:
    """Of each step the versions of the weights that wrote what it scored."""
    found: dict[int, set[int]] = {}
    for record in recorded(run):
        found.setdefault(record.step, set()).add(record.policy_version)
    return found


def after_step(name: Path, run: Path, step: int) -> VisionLanguagePolicy:
    """The policy that a checkpoint of a run holds."""
    policy = loaded(name)
    saved: dict[str, Any] = checkpoint_file.read(run / "checkpoints" / f"step-{step:06d}.ckpt")["state_dict"]
    weights = {key.removeprefix("policy."): value for key, value in saved.items() if key.startswith("policy.")}
    assert not policy.load_state_dict(weights, strict=False).unexpected_keys
    return policy


def greedy_tokens(policy: VisionLanguagePolicy, prompts: list[Prompt]) -> list[tuple[int, ...]]:
    """The most likely tokens, by the policy itself."""
    local = LocalEngine(GREEDY)
    local.bind(policy)
    return [group.completions[0].token_ids for group in local.rollout(prompts)]


def largest_difference(policy: VisionLanguagePolicy, groups: list[RolloutGroup], temperature: float) -> float:
    """Between log-probabilities that came with tokens and those that the policy gives them."""
    with torch.no_grad():
        again = policy.logprobs(groups, temperature)
    rows = [completion for group in groups for completion in group.completions]
    return max(
        float((row[: len(one.logprobs)] - torch.tensor(one.logprobs)).abs().max())
        for row, one in zip(again, rows, strict=True)
    )


def assert_stopped_and_left_out(run: Path) -> None:
    """Completions end with the first stop text; those that the limit cut are scored and not trained.

    How many tokens a step trained follows from its speed and its seconds.
    """
    records = recorded(run)
    for one in records:
        assert one.completion.count(STOP) <= 1
        if STOP in one.completion:
            assert one.completion.endswith(STOP)
            assert one.finish_reason == "stop"
    ended = [one for one in records if one.completion.endswith(STOP)]
    cut = [one for one in records if one.is_truncated and one.total is not None]
    assert all(one.advantage is None for one in cut)
    assert min(len(ended), len(cut)) > len(records) // 10, (len(ended), len(cut), len(records))
    for step, numbers in logged(run).items():
        trained = [one for one in records if one.step == step and one.advantage is not None]
        tokens = numbers["train/tokens_per_second"] * numbers["seconds/step"]
        assert abs(tokens - sum(one.tokens for one in trained)) < 0.5, step
