"""One pass over the longest samples before the first step: memory that is too small shows at once, and says so."""

import logging
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from medix.modules.group_rl import GroupRLModule
from medix.modules.update import TrainingGroup
from medix.types import Completion, FinishReason, Prompt, RolloutGroup

_LOG = logging.getLogger(__name__)
_GB = 2**30
_STATE = 2  # numbers that Adam keeps per trained weight


class DryRunError(RuntimeError):
    """The longest samples do not fit into memory."""


class DryRun(Callback):
    """Passes a group of the longest prompt found, with completions of the full length, forward and backward.

    Nothing is learnt from it: no weight moves, no random number is drawn, the data stay where they are. What the
    optimiser will keep is set aside meanwhile. Without it, memory that is too small ends a run at whichever step the
    longest sample comes up. The rollout engine needs memory of its own, which it takes at its first rollout.

    Args:
        samples: prompts that are rendered to find the longest, at even distances over the training data.
    """

    def __init__(self, samples: int = 64) -> None:
        if samples < 1:
            raise ValueError(f"DryRun.samples: {samples} must be at least 1; leave the callback out for no dry run")
        self.samples = samples

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Run dry, once.

        Raises:
            DryRunError: memory did not suffice; with the arithmetic and what to change.
        """
        if not isinstance(pl_module, GroupRLModule):
            raise TypeError(f"DryRun passes groups through a GroupRLModule, got {type(pl_module).__name__}")
        prompt = longest(trainer.datamodule.loaders["train"].dataset, self.samples)  # type: ignore[attr-defined]
        if prompt is None:
            return  # no sample could be rendered: the loader says why, and what is to be done about it
        group = training_group(pl_module, prompt)
        sizes = Sizes.of(pl_module, group)
        devices = [pl_module.device] if pl_module.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), _no_more_than_there_is(pl_module.device):
            try:
                reserved = torch.empty(0 if pl_module.optimizers().state else sizes.state, dtype=torch.uint8,  # type: ignore[union-attr]
                                       device=pl_module.device)  # fmt: skip
                pl_module.update.accumulate(pl_module, [group])
                del reserved
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _says_memory(error):
                    raise
                raise DryRunError(sizes.complaint(pl_module)) from error
            finally:
                pl_module.optimizers().zero_grad()  # type: ignore[union-attr]
        _LOG.info("%s", sizes.told(pl_module.device))


@dataclass(frozen=True)
class Sizes:
    """What a pass holds, in bytes, and what it is made of, in tokens."""

    prompt: int
    group: int
    completion: int
    largest: int
    weights: int
    gradients: int
    state: int

    @classmethod
    def of(cls, module: GroupRLModule, group: TrainingGroup) -> "Sizes":
        """Of the pass over one group."""
        shares = module.policy.shares_prompts
        parts = module.update.microbatches([group], shares)
        trained = [parameter for parameter in module.policy.parameters() if parameter.requires_grad]
        gradients = sum(_bytes(parameter) for parameter in trained)
        return cls(
            prompt=len(group.rollout.prompt.token_ids),
            group=len(group.rollout.completions),
            completion=module.engine.sampling.max_completion_tokens,
            largest=max(_tokens(part, shares) for part in parts),
            weights=sum(_bytes(parameter) for parameter in module.policy.parameters()),
            gradients=gradients,
            state=_STATE * gradients,
        )

    def sum(self) -> str:
        """The arithmetic that is known before the pass."""
        return (
            f"weights {self.weights / _GB:.2f} GB + gradients {self.gradients / _GB:.2f} GB + optimiser state "
            f"{self.state / _GB:.2f} GB = {(self.weights + self.gradients + self.state) / _GB:.2f} GB"
        )

    def told(self, device: torch.device) -> str:
        """One line when it fits."""
        return (
            f"dry run: a prompt of {self.prompt} tokens with {self.group} completions of {self.completion} fits, "
            f"{self.largest} tokens at a time; {self.sum()}; {_peak(device)}"
        )

    def complaint(self, module: GroupRLModule) -> str:
        """What to say when it does not."""
        remedies = [f"lower model.update.tokens_per_microbatch ({module.update.tokens_per_microbatch})"]
        if not getattr(module.policy, "gradient_checkpointing", True):
            remedies.append("set model.policy.gradient_checkpointing: true")
        if not module.policy.shares_prompts:
            remedies.append("let the policy share prompts (model.policy.shared_prefix: true)")
        remedies += [
            "lower model.prompting.max_pixels or max_prompt_tokens",
            f"lower max_completion_tokens ({self.completion})",
            "train adapters (model.policy.lora), or shard weights over more devices",
        ]
        return (
            f"the longest samples do not fit on {module.device}: {self.sum()}, and beside them a pass of "
            f"{self.largest} tokens at a time (prompt {self.prompt}, {self.group} completions of {self.completion}); "
            f"{_peak(module.device)}. In this order: {'; '.join(remedies)}"
        )


def longest(dataset: Any, samples: int) -> Prompt | None:
    """The prompt with most tokens among some at even distances; None if none can be rendered."""
    size = len(dataset)
    places = sorted({size * number // samples for number in range(samples)})
    prompts = [made for made in (dataset[place] for place in places) if isinstance(made, Prompt)]
    return max(prompts, key=lambda prompt: len(prompt.token_ids), default=None)


def training_group(module: GroupRLModule, prompt: Prompt) -> TrainingGroup:
    """G completions of the greatest length, of one token that may be sampled."""
    sampling = module.engine.sampling
    length, banned = sampling.max_completion_tokens, set(module.policy.banned_token_ids)
    token = next(number for number in range(len(banned) + 1) if number not in banned)
    written = Completion("", (token,) * length, (0.0,) * length, FinishReason.LENGTH)
    rows = sampling.completions_per_prompt
    zeros = tuple(torch.zeros(length) for _ in range(rows))
    return TrainingGroup(
        rollout=RolloutGroup(prompt, (written,) * rows, module.engine.policy_version),
        advantages=tuple(1.0 if row % 2 else -1.0 for row in range(rows)),
        old=zeros,
        reference=zeros if module.loss.needs_reference_logprobs else None,
    )


def _tokens(parts: Sequence[TrainingGroup], shares: bool) -> int:
    return sum(
        (1 if shares else len(part.rollout.completions)) * len(part.rollout.prompt.token_ids)
        + sum(len(completion.token_ids) for completion in part.rollout.completions)
        for part in parts
    )


def _bytes(parameter: torch.Tensor) -> int:
    local = parameter.to_local() if hasattr(parameter, "to_local") else parameter  # this rank's share of it
    return int(local.numel() * local.element_size())


def _says_memory(error: BaseException) -> bool:
    """Whether an error is about memory; torch has no class of its own for it on a CPU."""
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        words in text for words in ("not enough memory", "can't allocate memory", "bad alloc", "out of memory")
    )


def _peak(device: torch.device) -> str:
    if device.type == "cuda":
        _, total = torch.cuda.mem_get_info(device)
        return f"at most {torch.cuda.max_memory_allocated(device) / _GB:.2f} of {total / _GB:.2f} GB were in use"
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    available = _available()
    return f"at most {used / _GB:.2f} GB were in use" + (
        "" if available is None else f", {available / _GB:.2f} GB are available"
    )


def _available() -> int | None:
    """Bytes of main memory that can be had without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)


@contextmanager
def _no_more_than_there_is(device: torch.device) -> Iterator[None]:
    """On a Linux CPU, an allocation beyond what is available fails inside; the system would kill the process."""
    available = _available()
    if device.type != "cpu" or available is None:
        yield
        return
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = mapped + available
    if soft != resource.RLIM_INFINITY:
        limit = min(limit, soft)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
