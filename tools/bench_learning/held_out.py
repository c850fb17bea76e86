"""The held-out reward of a model, measured alike for both trainers."""

import math
from pathlib import Path
from typing import Any

from torch import nn

from medix.data.manifest import read_manifests
from medix.data.prompting import Prompting
from medix.data.stream import Stream
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.suite import RewardSuite
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from tools.bench_learning.curve import Point, Stopwatch, append
from tools.bench_learning.task import TEMPLATE, Task

SEED = 7
"""Of the held-out completions, the same in every validation of every run."""


class HeldOut:
    """Samples held-out rows with a copy of a model's weights, and scores them with the suite of training.

    Temperature 1, as in training: decoded greedily, the policy that the demo starts from is right on 86 % of the
    questions before the first step, and nothing would be left to learn.

    Args:
        task: says how many rows and completions.
        policy: folder of the policy, for its architecture and processor.
        data: manifests of the held-out rows.
    """

    def __init__(self, task: Task, policy: Path, data: Path) -> None:
        self.policy = VisionLanguagePolicy(str(policy))
        self.policy.load()
        self.policy.eval()
        self.suite = RewardSuite.from_spec(task.rewards)
        self.engine = LocalEngine(Sampling(task.completions, task.max_tokens, seed=SEED), rows_per_batch=256)
        self.engine.bind(self.policy)
        stream, prompting = Stream(read_manifests([str(data)]), seed=1), Prompting(template=TEMPLATE)
        rows = range(min(task.held_out, len(stream)))
        self.prompts = [prompting.render(stream[row], self.policy.processor, row) for row in rows]

    def reward(self, model: nn.Module) -> float:
        """Mean total; NaN if a completion could not be scored."""
        self.policy.hugging_face.load_state_dict(model.state_dict())
        self.engine.publish(self.policy)
        groups = self.suite.fresh().score_groups(self.engine.rollout(self.prompts))
        totals = [total for group in groups for total in group.totals]
        return math.fsum(totals) / len(totals)


class Watch:
    """Writes the curve of one run: validates before the first step, after every few, and after the last.

    Args:
        held_out: measures.
        file: for the points.
        every: steps between validations.
        last: the last step.
    """

    def __init__(self, held_out: HeldOut, file: Path, every: int, last: int) -> None:
        self.held_out = held_out
        self.file = file
        self.every = every
        self.last = last
        self.clock = Stopwatch()

    def start(self, model: nn.Module) -> None:
        """Validate before the first step, and start the clock."""
        append(self.file, Point(0, 0.0, 0.0, 0, self.held_out.reward(model)))
        self.clock.start()

    def finished(self, step: int, completions: int, model: Any) -> None:
        """Validate after a step if it is time; the clock stands meanwhile."""
        if step % self.every == 0 or step >= self.last:
            append(self.file, Point(step, *self.clock.stop(), completions, self.held_out.reward(model)))
            self.clock.start()
