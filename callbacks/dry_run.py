"""One pass over the longest samples before the first step: memory that is too small shows at once, and says so."""

import errno
import logging
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from medix.callbacks.main_memory import at_most, available
from medix.distributed import gather, together, world_size
from medix.modules.group_rl import GroupRLModule
from medix.modules.update import TrainingGroup, Update
from medix.types import Completion, FinishReason, Prompt, RolloutGroup

_LOG = logging.getLogger(__name__)
_GB = 2**30
_STATE = 2  # numbers that Adam keeps per trained weight


class DryRunError(RuntimeError):
    """The longest samples do not fit into memory."""


class DryRun(Callback):
    """Passes a micro-batch of the longest prompt found, with completions of the full length, forward and backward.

    The micro-batch is as full as a step can make it. Nothing is learnt from it: no weight moves, no random number is
    drawn, the data stay where they are. What the optimiser will keep is set aside meanwhile, and a frozen reference
    policy is read here if the loss or the reward asks for one. Without it, memory that is too small ends a run at
    whichever step the longest samples come up. The rollout engine needs memory of its own, which it takes at its first
    rollout.

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
        groups = groups_of_a_pass(pl_module, training_group(pl_module, prompt))
        sizes = Sizes.of(pl_module, groups)
        devices = [pl_module.device] if pl_module.device.type == "cuda" else []
        try:
            with torch.random.fork_rng(devices=devices):
                if sizes.reference:
                    _read_reference(pl_module, groups[0], sizes.reference, trainer.num_devices)
                _pass(pl_module, groups, sizes.state, trainer.num_devices)
        except (torch.OutOfMemoryError, MemoryError, OSError, RuntimeError) as error:
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
    completions: int
    completion: int
    groups: str
    largest: int
    weights: int
    gradients: int
    state: int
    reference: int

    @classmethod
    def of(cls, module: GroupRLModule, groups: Sequence[TrainingGroup]) -> "Sizes":
        """Of the pass over some groups, the first of them whole."""
        shares, whole = module.policy.shares_prompts, len(groups[0].rollout.completions)
        number = sum(len(group.rollout.completions) == whole for group in groups)
        trained = [parameter for parameter in module.policy.parameters() if parameter.requires_grad]
        gradients = sum(_bytes(parameter) for parameter in trained)
        return cls(
            prompt=len(groups[0].rollout.prompt.token_ids),
            completions=whole,
            completion=module.engine.sampling.max_completion_tokens,
            groups=f"{number} group{'s' * (number > 1)}" + " and a part of one" * (number < len(groups)),
            largest=max(tokens(part, shares) for part in module.update.microbatches(groups, shares)),
            weights=sum(_bytes(parameter) for parameter in module.policy.parameters()),
            gradients=gradients,
            state=_STATE * gradients,
            reference=_reference(module),
        )

    def sum(self) -> str:
        """The arithmetic that is known before the pass."""
        parts = {"weights": self.weights, "gradients": self.gradients, "optimiser state": self.state}
        if self.reference:
            parts["frozen reference policy"] = self.reference
        terms = " + ".join(f"{name} {size / _GB:.2f} GB" for name, size in parts.items())
        return f"{terms} = {sum(parts.values()) / _GB:.2f} GB"

    def made_of(self) -> str:
        """What the largest pass takes in."""
        return (
            f"{self.groups}, with a prompt of {self.prompt} tokens and {self.completions} completions of "
            f"{self.completion}"
        )

    def told(self, device: torch.device) -> str:
        """One line when it fits."""
        return f"dry run: {self.largest} tokens at a time fit ({self.made_of()}); {self.sum()}; {_peak(device)}"

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
            "train adapters (model.policy.lora"
            + (", whose reference policy is no second model" if self.reference else "")
            + "), or shard weights over more devices",
        ]
        return (
            f"the longest samples do not fit on {module.device}: {self.sum()}, and beside them a pass of "
            f"{self.largest} tokens at a time ({self.made_of()}); "
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
    # Not of the reason LENGTH, though they have it: such ones may be left out of the update.
    written = Completion("", (token,) * length, (0.0,) * length, FinishReason.STOP)
    rows = sampling.completions_per_prompt
    zeros = tuple(torch.zeros(length) for _ in range(rows))
    return TrainingGroup(
        rollout=RolloutGroup(prompt, (written,) * rows, module.engine.policy_version),
        advantages=tuple(1.0 if row % 2 else -1.0 for row in range(rows)),
        old=zeros,
        reference=zeros if module.loss.needs_reference_logprobs else None,
    )


def groups_of_a_pass(module: GroupRLModule, group: TrainingGroup) -> list[TrainingGroup]:
    """As many copies of a group as a step may put into one pass of this rank."""
    if module.shards_parameters:
        return [group]  # ranks gather weights equally often: a pass takes one group
    return filled(module.update, group, module.update.prompts_per_update // world_size(), module.policy.shares_prompts)


def filled(update: Update, group: TrainingGroup, most: int, shares: bool) -> list[TrainingGroup]:
    """Copies of a group that fill a micro-batch; the last is a part where there is no room for a whole one.

    Args:
        update: whose micro-batches they are for.
        group: the longest.
        most: groups that an update has.
        shares: whether a pass counts a prompt once for all completions of its group.
    """
    cost = tokens([group], shares)
    copies = max(1, min(most, update.tokens_per_microbatch // cost))
    room = update.tokens_per_microbatch - copies * cost
    parts = [group.rows(0, stop) for stop in range(1, len(group.rollout.completions))]
    fitting = [part for part in parts if tokens([part], shares) <= room][-1:] if copies < most else []
    return [group] * copies + fitting


def tokens(groups: Sequence[TrainingGroup], shares: bool) -> int:
    """What a pass over groups counts against ``tokens_per_microbatch``."""
    return sum(
        (1 if shares else len(group.rollout.completions)) * len(group.rollout.prompt.token_ids)
        + sum(len(completion.token_ids) for completion in group.rollout.completions)
        for group in groups
    )


def _pass(module: GroupRLModule, groups: Sequence[TrainingGroup], state: int, ranks: int) -> None:
    size = 0 if module.optimizers().state else state  # type: ignore[union-attr]
    with _no_more_than_there_is(module.device, ranks):
        reserved = torch.empty(size, dtype=torch.uint8, device=module.device)
        module.update.accumulate(module, groups)
        del reserved


def _read_reference(module: GroupRLModule, group: TrainingGroup, size: int, ranks: int) -> None:
    """Let the policy read the second model, by a small pass; those of a step take less than the one of the update.

    Nothing limits memory meanwhile: weights are read by threads, and one that finds no memory ends the process.
    """
    with together():
        room = _available_to_each(ranks)
        if module.device.type == "cpu" and size > room:
            raise MemoryError(f"the frozen reference policy takes {size} bytes, and {room} are available")
        with torch.no_grad():
            module.policy.reference_logprobs([group.rows(0, 1).rollout], module.engine.sampling.temperature)


def _reference(module: GroupRLModule) -> int:
    """Bytes of a second model for the reference policy; 0 without one. It is never sharded."""
    policy = module.policy
    if not (module.loss.needs_reference_logprobs or module.reward_kl is not None):
        return 0
    if getattr(policy, "lora", None) is not None:
        return 0  # the policy itself, its adapters switched off
    in_16_bits = module.shards_parameters and str(module.trainer.precision) == "bf16-mixed"
    return sum(parameter.numel() * (2 if in_16_bits else parameter.element_size()) for parameter in policy.parameters())


def _bytes(parameter: torch.Tensor) -> int:
    local = parameter.to_local() if hasattr(parameter, "to_local") else parameter  # this rank's share of it
    return int(local.numel() * local.element_size())


_WORDS = ("not enough memory", "can't allocate memory", "bad alloc", "bad_alloc", "out of memory",
          "can't start new thread", "could not create a primitive", "could not create a memory")  # fmt: skip


def _says_memory(error: BaseException) -> bool:
    """Whether an error is about memory; torch has no class of its own for it on a CPU."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in text for words in _WORDS)


def _peak(device: torch.device) -> str:
    if device.type == "cuda":
        _, total = torch.cuda.mem_get_info(device)
        return f"at most {torch.cuda.max_memory_allocated(device) / _GB:.2f} of {total / _GB:.2f} GB were in use"
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"at most {used / _GB:.2f} GB were in use, {available() / _GB:.2f} GB are available"


def _available_to_each(ranks: int) -> int:
    """The same for each rank of this machine; every rank of the run must call it."""
    found = available()
    gather(None)  # before another rank takes anything
    return found // ranks


@contextmanager
def _no_more_than_there_is(device: torch.device, ranks: int = 1) -> Iterator[None]:
    """On a Linux CPU, an allocation beyond what is available fails inside; the system would kill the process.

    Args:
        device: of the pass.
        ranks: of this machine, which share what is available; every rank of the run must enter.
    """
    size = _available_to_each(ranks) if device.type == "cpu" else None
    with nullcontext() if size is None else at_most(size):
        yield
