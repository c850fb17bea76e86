"""What both trainers learn: data, warm start, sizes."""

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from medix.data.build import Build, BuildPlan
from medix.data.manifest import DataStatement
from medix.data.sources.phantoms import PhantomSource
from medix.types import Sample

ROOT = Path(__file__).parents[2]
TEMPLATE = "short"
THRESHOLD = 0.80
LEARNING_RATE = 2e-4


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: for tables and keys.
        prints: a picture is this many times this many prints of the phantom; one print costs four image tokens.
        train: number of training samples.
        prompts: prompts of a step, which is one update.
        group_size: completions of each.
        max_tokens: of a completion.
        steps: of a run.
        every: steps between validations.
        held_out: rows of a validation.
        completions: of each row.
        warm_steps: supervised steps from the policy of the demo to the one that this task starts from; 0 for none.
        rewards: the suite.
        policy: folder of the policy that the warm start begins with.
    """

    name: str
    prints: int
    train: int
    prompts: int
    steps: int
    every: int
    held_out: int
    completions: int
    warm_steps: int = 0
    group_size: int = 8
    max_tokens: int = 24
    rewards: str = "rewards_offline"
    policy: Path = ROOT / "data_shards" / "demo_policy"


TASKS = {
    "demo": Task("demo", prints=1, train=2000, prompts=24, steps=24, every=3, held_out=200, completions=1),
    "images": Task(
        "images", prints=10, train=320, prompts=8, steps=24, every=4, held_out=32, completions=4, warm_steps=40
    ),
}


SMOKE = Task("smoke", prints=2, train=20, prompts=2, steps=2, every=1, held_out=2, completions=1, group_size=4,
             warm_steps=1)  # fmt: skip
"""For tests: learns nothing, and takes seconds."""


def named(name: str) -> Task:
    """The task of a name."""
    return {**TASKS, SMOKE.name: SMOKE}[name]


class SheetSource(PhantomSource):
    """Phantoms on a sheet of equal prints, which asks the same and costs as many tokens as one wants.

    Args:
        count: number of samples.
        split: as of phantoms.
        prints: in each direction.
    """

    def __init__(self, count: int, split: str, prints: int) -> None:
        super().__init__(count, seed=1, split=split)
        self.prints = prints

    def __getitem__(self, number: int) -> Sample:
        sample = super().__getitem__(number)
        return replace(sample, images=tuple(sheet(image, self.prints) for image in sample.images))


def sheet(picture: bytes, prints: int) -> bytes:
    """The picture, printed ``prints`` times beside and below each other."""
    if prints == 1:
        return picture
    one = Image.open(io.BytesIO(picture))
    whole, target = Image.new(one.mode, (prints * one.width, prints * one.height)), io.BytesIO()
    for place in range(prints**2):
        whole.paste(one, (place % prints * one.width, place // prints * one.height))
    whole.save(target, format="PNG")
    return target.getvalue()


def prepare(task: Task, folder: Path, warm: Callable[[Task, Path, Path], None]) -> Path:
    """Make data and warm start in a folder of the task, unless they are there.

    Args:
        task: to prepare.
        folder: for all tasks.
        warm: makes the policy of a task from its training data, in a folder.

    Returns:
        The folder of the task, with ``train``, ``val`` and ``policy``.
    """
    own = folder / task.name
    for split, count in (("train", task.train), ("val", task.held_out)):
        if not (own / split).exists():
            statement = DataStatement(split, "CC0-1.0", "generated pictures, of nobody", dataset="phantoms")
            Build(SheetSource(count, split, task.prints), BuildPlan(statement, own / split)).run()
    if not (own / "policy").exists():
        if task.warm_steps:
            warm(task, own / "train", own / "policy.part")
            (own / "policy.part").rename(own / "policy")
        else:
            shutil.copytree(task.policy, own / "policy")
    return own
