"""The policy that a task starts from: that of the demo, with some supervised steps on the pictures of the task."""

import json
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from medix.data.manifest import read_manifests
from medix.data.prompting import Prompting
from medix.data.stream import Stream
from medix.policy.vision_language import VisionLanguagePolicy
from medix.types import Sample
from tools.bench_learning.task import TEMPLATE, Task
from tools.warm_start import Targets, loss_of

BATCH = 8
PICTURES = 96
"""Their features are computed once: the vision tower is frozen, because every print looks as it did alone."""
CLEAR = 0.25
"""Share of the steps with right targets; the others are right as often as those of the demo's policy."""
PEAK = 1e-3


def warm(task: Task, train: Path, target: Path) -> None:
    """Write the policy of a task.

    Args:
        task: says how many steps.
        train: manifests of the training data.
        target: folder to write.
    """
    torch.manual_seed(1)
    stream = Stream(read_manifests([str(train)]), seed=1)
    samples = [stream[number] for number in range(min(PICTURES, len(stream)))]
    with tempfile.TemporaryDirectory() as scratch:
        start = Path(scratch) / "policy"
        shutil.copytree(task.policy, start)
        allow(start, 1 << 22)
        policy = VisionLanguagePolicy(str(start), shared_prefix=False, freeze_vision=True)
        policy.load()
        _teach(policy, samples, task.warm_steps)
        policy.hugging_face.to(torch.bfloat16).save_pretrained(target)
        policy.processor.save_pretrained(target)


def allow(folder: Path, pixels: int) -> None:
    """Let the processor of a policy pass pictures of so many pixels without reducing them."""
    path = folder / "processor_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    settings["image_processor"]["size"]["longest_edge"] = pixels
    path.write_text(json.dumps(settings, indent=2), encoding="utf-8")


def _teach(policy: VisionLanguagePolicy, samples: Sequence[Sample], steps: int) -> None:
    prompting = Prompting(template=TEMPLATE)
    prompts = [prompting.render(sample, policy.processor, number) for number, sample in enumerate(samples)]
    right, uncertain = Targets(samples, 1.0, 1.0, 0.0, 1), Targets(samples, 0.5, 0.45, 0.0, 1)
    trained = [weight for weight in policy.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=PEAK, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK, total_steps=steps, pct_start=0.05)
    draw = random.Random(1)
    for step in range(steps):
        targets = right if step < CLEAR * steps else uncertain
        chosen = draw.choices(range(len(samples)), k=min(BATCH, len(samples)))
        loss = loss_of(policy, [prompts[i] for i in chosen], [targets.draw(samples[i]) for i in chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
