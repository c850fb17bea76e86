"""One pass over the longest samples before the first step, so that too little memory shows at once."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from medix.callbacks.longest_groups import groups_of_a_pass, longest, training_group
from medix.callbacks.memory_errors import is_memory_error
from medix.callbacks.pass_memory import PassMemory
from medix.distributed import gather
from medix.main_memory import at_most, available
from medix.modules.group_rl import GroupRLModule
from medix.modules.training_group import TrainingGroup

_LOG = logging.getLogger(__name__)


class DryRunError(RuntimeError):
    """The longest samples do not fit into memory."""


class DryRun(Callback):
    """Runs a micro-batch of the longest prompt found, with completions of the maximum length, forward and backward.

    The micro-batch is as full as a step can make it. No weights are updated, no random numbers are drawn, and the data
    position does not change. Memory for the optimiser's state is reserved meanwhile, and a frozen reference policy is
    loaded here if the loss or the reward needs one. Without this callback, a run with too little memory fails at
    whichever step the longest samples come up. The rollout engine allocates its own memory at its first rollout.

    Args:
        samples: number of evenly spaced training samples that are rendered to find the longest prompt.
    """

    def __init__(self, samples: int = 64) -> None:
        if samples < 1:
            raise ValueError(f"DryRun.samples: {samples} must be at least 1; leave the callback out for no dry run")
        self.samples = samples

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the dry run.

        Raises:
            DryRunError: memory is too small; with the arithmetic and what to change.
        """
        if not isinstance(pl_module, GroupRLModule):
            raise TypeError(f"DryRun needs a GroupRLModule, got {type(pl_module).__name__}")
        prompt = longest(trainer.datamodule.loaders["train"].dataset, self.samples)  # type: ignore[attr-defined]
        if prompt is None:
            return  # no sample could be rendered: the loader raises an error that says why
        groups = groups_of_a_pass(pl_module, training_group(pl_module, prompt))
        memory = PassMemory.of(pl_module, groups)
        devices = [pl_module.device] if pl_module.device.type == "cuda" else []
        try:
            # As a training step: hooks of callbacks run outside the precision of the trainer.
            with torch.random.fork_rng(devices=devices), trainer.precision_plugin.train_step_context():
                if memory.reference:
                    _read_reference(pl_module, groups[0], memory.reference, trainer.num_devices)
                _pass(pl_module, groups, memory.state, trainer.num_devices)
        except (torch.OutOfMemoryError, MemoryError, OSError, RuntimeError) as error:
            if not is_memory_error(error):
                raise
            raise DryRunError(memory.complaint(pl_module)) from error
        finally:
            pl_module.policy.sharding.forget_gradient(pl_module.optimizers())
        _LOG.info("%s", memory.summary(pl_module.device))


def _pass(module: GroupRLModule, groups: Sequence[TrainingGroup], state: int, ranks: int) -> None:
    size = 0 if module.optimizers().state else state  # type: ignore[union-attr]
    with _limited_memory(module.device, ranks):
        reserved = torch.empty(size, dtype=torch.uint8, device=module.device)
        module.update.accumulate(module, groups)
        del reserved


def _read_reference(module: GroupRLModule, group: TrainingGroup, size: int, ranks: int) -> None:
    """Make the policy load its reference model, by a small pass; larger ones need less memory than the update does.

    Memory is not limited meanwhile: weights are loaded by threads, and a failed allocation in one ends the process.
    """
    room = _available_to_each(ranks)
    if module.device.type == "cpu" and size > room:
        raise MemoryError(f"the frozen reference policy takes {size} bytes, and {room} are available")
    with torch.no_grad():
        module.policy.reference_logprobs([group.rows(0, 1).rollout], module.engine.sampling.temperature)


def _available_to_each(ranks: int) -> int:
    """Available memory divided by the ranks of this machine; every rank of the run must call it."""
    found = available()
    gather(None)  # no rank allocates before all have read it
    return found // ranks


@contextmanager
def _limited_memory(device: torch.device, ranks: int = 1) -> Iterator[None]:
    """On a Linux CPU, make allocations beyond the available memory fail, before the OOM killer acts.

    Args:
        device: of the pass.
        ranks: of this machine, which share its memory; every rank of the run must enter.
    """
    size = _available_to_each(ranks) if device.type == "cpu" else None
    with nullcontext() if size is None else at_most(size):
        yield
