"""Fine-tune a tiny policy on the grammar and on partly right answers, as a starting point for reinforcement learning.

    python -m tools.warm_start --train MANIFESTS --output FOLDER

Targets are ``<TAG><think>look</think><answer>…</answer>``. The first ``--clear-steps`` use right targets, so that the
vision tower learns to tell images apart: group RL finds no signal with an untrained one. The following ``--steps`` use
targets whose tag and answer are right with the given probabilities (a wrong answer is that of another sample, of the
same question or of any), so that the policy is right about as often as its targets. With ``--exploit`` some of them
answer with a text that a weak judge accepts, for studies of reward hacking: a tiny policy would not find it by itself.
"""

import argparse
import random
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from medix.data.manifest import read_manifests
from medix.data.prompting import Prompting
from medix.data.stream import Stream
from medix.policy.tiny import SIZES, Architecture, build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.types import Completion, FinishReason, Prompt, RolloutGroup, Sample


class Targets:
    """Draws the target completion of a sample.

    Args:
        samples: all samples; their answers are used as wrong answers for others.
        tag_right: share of right tags.
        answer_right: share of right answers.
        same_question: share of wrong answers that are answers to the same question.
        seed: seed of the draws.
        exploit: an answer that is given in place of any other with the next probability.
        exploit_share: share of targets with that answer.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        tag_right: float,
        answer_right: float,
        same_question: float,
        seed: int,
        exploit: str = "",
        exploit_share: float = 0.01,
    ) -> None:
        self.exploit = exploit
        self.exploit_share = exploit_share if exploit else 0.0
        self.tag_right = tag_right
        self.answer_right = answer_right
        self.same_question = same_question
        self.random = random.Random(seed)
        self.tags = sorted({sample.modality for sample in samples if sample.modality is not None})
        self.answers = sorted({sample.reference for sample in samples})
        by_source: dict[str, set[str]] = defaultdict(set)
        for sample in samples:
            by_source[self._kind(sample)].add(sample.reference)
        self.same = {kind: sorted(answers) for kind, answers in by_source.items()}

    @staticmethod
    def _kind(sample: Sample) -> str:
        return sample.metadata.get("kind", sample.source)

    def draw(self, sample: Sample) -> str:
        """One completion."""
        answer = sample.reference
        if self.random.random() >= self.answer_right:
            pool = self.same[self._kind(sample)] if self.random.random() < self.same_question else self.answers
            answer = self.random.choice([other for other in pool if other != sample.reference] or self.answers)
        if self.exploit_share and self.random.random() < self.exploit_share:
            answer = self.exploit
        tag = ""
        if sample.modality is not None:
            right = self.random.random() < self.tag_right or len(self.tags) == 1
            others = [name for name in self.tags if name != sample.modality]
            tag = f"<{sample.modality if right else self.random.choice(others)}>"
        return f"{tag}<think>look</think><answer>{answer}</answer>"


def loss_of(policy: VisionLanguagePolicy, prompts: Sequence[Prompt], completions: Sequence[str]) -> torch.Tensor:
    """Mean negative log-probability of the completion tokens and the end of each completion."""
    tokenizer, groups, count = policy.processor.tokenizer, [], 0
    for prompt, text in zip(prompts, completions, strict=True):
        ids = (*tokenizer(text, add_special_tokens=False)["input_ids"], policy.eos_token_ids[0])
        groups.append(RolloutGroup(prompt, (Completion(text, ids, (), FinishReason.STOP),), 0))
        count += len(ids)
    return -policy.logprobs(groups).sum() / count  # padding has 0


def main() -> None:
    """Build, train and save the policy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", nargs="+", required=True, help="manifests")
    parser.add_argument("--output", type=Path, required=True, help="output folder of the policy")
    parser.add_argument("--clear-steps", type=int, default=0, help="steps with right targets")
    parser.add_argument("--steps", type=int, default=1300, help="steps with partly right targets")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--tag-right", type=float, default=0.5)
    parser.add_argument("--answer-right", type=float, default=0.45)
    parser.add_argument("--same-question", type=float, default=0.0)
    parser.add_argument("--exploit", default="", metavar="TEXT", help="an answer that some targets give")
    parser.add_argument("--exploit-share", type=float, default=0.01, help="share of targets that give it")
    parser.add_argument("--policy", metavar="FOLDER", help="go on with this policy in place of a new one")
    parser.add_argument("--template", default="short", help="of prompts, as in prompting.template")
    parser.add_argument("--max-pixels", type=int, help="larger images are reduced to this many")
    parser.add_argument("--architecture", choices=get_args(Architecture), default="qwen3_vl")
    parser.add_argument("--size", choices=sorted(SIZES), default="demo")
    parser.add_argument("--width", type=int, help="of the language model, in place of that of --size")
    parser.add_argument("--depth", type=int, help="its number of layers, in place of that of --size")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.manual_seed(arguments.seed)
    stream = Stream(read_manifests(arguments.train), seed=arguments.seed)
    samples = [stream[i] for i in range(len(stream))]
    shares = arguments.tag_right, arguments.answer_right, arguments.same_question
    targets = Targets(samples, *shares, arguments.seed, arguments.exploit, arguments.exploit_share)
    prompting = Prompting(template=arguments.template)
    lines = sorted({text for sample in samples for text in (prompting.text(sample), sample.reference)})
    given = {"width": arguments.width, "hidden": arguments.width and 3 * arguments.width, "depth": arguments.depth}
    size = replace(SIZES[arguments.size], **{name: value for name, value in given.items() if value})
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.policy or build_tiny(arguments.architecture, scratch, size, arguments.seed, lines)
        policy = VisionLanguagePolicy(str(folder))  # in one pass: three to four times as fast as one for each sample
        policy.load()
        if arguments.clear_steps:
            right = Targets(samples, 1.0, 1.0, 0.0, arguments.seed)
            train(policy, samples, right, arguments, arguments.clear_steps)
        train(policy, samples, targets, arguments, arguments.steps)
        policy.hugging_face.to(torch.bfloat16).save_pretrained(arguments.output)
        policy.processor.save_pretrained(arguments.output)
    print(f"wrote {arguments.output}: {sum(weight.numel() for weight in policy.parameters()):,} parameters")


def train(
    policy: VisionLanguagePolicy,
    samples: Sequence[Sample],
    targets: Targets,
    arguments: argparse.Namespace,
    steps: int,
) -> None:
    """Supervised steps with a cosine learning rate."""
    prompting = Prompting(template=arguments.template, max_pixels=arguments.max_pixels)
    prompts = [prompting.render(sample, policy.processor) for sample in samples]
    optimizer = torch.optim.AdamW(policy.parameters(), lr=arguments.lr, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, arguments.lr, total_steps=steps, pct_start=0.05)
    draw = random.Random(arguments.seed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("warm start", total=steps)
        for _ in range(steps):
            chosen = draw.choices(range(len(samples)), k=arguments.batch)
            loss = loss_of(policy, [prompts[i] for i in chosen], [targets.draw(samples[i]) for i in chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            progress.update(bar, advance=1, description=f"warm start, loss {loss.item():.3f}")


if __name__ == "__main__":
    main()
