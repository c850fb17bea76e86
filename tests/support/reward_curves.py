"""How the reward of a tiny problem rises with one engine and with another, and whether that is the same rise."""

import json
import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from scipy import stats

from medix.files.atomic_file import write_atomically
from medix.modules.update import Update
from medix.policy.tiny import TinySize
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import RolloutEngine, Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.signal import KeepScored
from tests.support.group_rl_runs import fit, make

SIZE = TinySize(width=64, vision_width=64, context=4096)
"""Heads of 32: attention of vLLM on a CPU knows no smaller ones."""
STEPS = 6
SEEDS = (1, 2, 3, 4, 5)
PROMPTS = 8
SAMPLING = Sampling(completions_per_prompt=16, max_completion_tokens=8)
LEVEL = 0.999
"""Of the interval for a difference: of a thousand comparisons of an engine with itself one fails."""


def letter(text: str) -> float:
    """What is rewarded: three times an e."""
    return min(3, text.count("e")) / 3


@dataclass(frozen=True)
class Curves:
    """Mean rewards by seed and step.

    Attributes:
        rows: of each seed the mean reward of each step.
        mismatches: of each seed and step how far log-probabilities of engine and policy lie apart, on average.
    """

    rows: tuple[tuple[float, ...], ...]
    mismatches: tuple[tuple[float, ...], ...]

    @property
    def areas(self) -> list[float]:
        """Of each seed the mean over all steps, the one before any update too: what is compared."""
        return [statistics.mean(row) for row in self.rows]

    @property
    def mean(self) -> list[float]:
        """Of each step the mean over the seeds."""
        return [round(statistics.mean(column), 3) for column in zip(*self.rows, strict=True)]

    @property
    def rise(self) -> float:
        """From the first step, before any update, to the last."""
        return self.mean[-1] - self.mean[0]


def curves(engine: RolloutEngine, policy: VisionLanguagePolicy, folder: Path, seeds: Sequence[int] = SEEDS) -> Curves:
    """Train from the present weights with each seed; they are put back behind every run."""
    before = {name: weight.clone() for name, weight in policy.state_dict().items()}
    rows, mismatches = [], []
    for seed in seeds:
        engine.sampling = replace(SAMPLING, seed=seed)
        module = make(
            Path(policy.name), letter, policy=policy, engine=engine, group_filter=KeepScored(), max_steps=STEPS,
            update=Update(prompts_per_update=PROMPTS), prompts_per_step=PROMPTS,
            optimizer=lambda parameters: torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.0),
        )  # fmt: skip
        module.max_mismatch = math.inf  # what stale weights do to a curve is to be seen, not stopped
        records, _ = fit(module, folder)
        totals = [[total for group in record.scored for total in group.totals] for record in records]
        rows.append(tuple(statistics.mean(step) for step in totals))
        mismatches.append(tuple(record.metrics["mismatch"] for record in records))
        policy.load_state_dict(before)
    return Curves(tuple(rows), tuple(mismatches))


def local_curves(policy: VisionLanguagePolicy, factory: pytest.TempPathFactory) -> Curves:
    """Those of the policy's own engine, which every other engine is compared with.

    They are computed once, for all workers of a test run.

    Args:
        policy: of ``SIZE``, with the weights that ``build_tiny`` gives.
        factory: its folder, or the one that workers share, holds them.
    """
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    path = shared / "local_curves.json"
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            write_atomically(path, json.dumps(asdict(curves(LocalEngine(SAMPLING), policy, shared / "local_curves"))))
    found = json.loads(path.read_text())
    return Curves(*(tuple(map(tuple, found[name])) for name in ("rows", "mismatches")))


def difference(one: Curves, other: Curves) -> tuple[float, float]:
    """The interval for how much higher the mean of the first is, by Welch's t over the seeds."""
    found = stats.ttest_ind(one.areas, other.areas, equal_var=False).confidence_interval(LEVEL)
    return float(found.low), float(found.high)


def shown(**found: Curves) -> str:
    """The curves beside each other, and the difference of the last to the first."""
    *_, last = found.values()
    low, high = difference(last, next(iter(found.values())))
    means = "; ".join(f"{name} {each.mean}" for name, each in found.items())
    return f"{means}; difference of the means {low:.3f} to {high:.3f}"


def assert_same_rise(one: Curves, other: Curves) -> None:
    """The difference is within sampling noise, and the noise is small beside the rise."""
    low, high = difference(one, other)
    assert low < 0 < high, shown(other=other, one=one)
    assert high - low < other.rise, shown(other=other, one=one)
