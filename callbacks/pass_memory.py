"""What the largest forward and backward pass of a run needs in memory."""

import resource
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from medix.main_memory import available
from medix.modules.group_rl import GroupRLModule
from medix.modules.microbatch import token_count
from medix.modules.training_group import TrainingGroup
from medix.policy.shards import numel, own_part

_GB = 2**30
_ADAM_STATES = 2  # values that Adam keeps per trained weight


@dataclass(frozen=True)
class PassMemory:
    """The size of a pass in tokens, and of what must be in memory beside it in bytes.

    Attributes:
        prompt: tokens of the longest prompt.
        completions: completions of a whole group.
        completion: tokens of each completion.
        groups: how many groups share the pass, in words.
        largest: tokens of the largest forward pass.
        weights: of the policy.
        gradients: of its trained weights.
        state: of the optimiser.
        reference: of a second model for the reference policy; 0 without one.
    """

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
    def of(cls, module: GroupRLModule, groups: Sequence[TrainingGroup]) -> "PassMemory":
        """Measure the pass over some groups, of which the first has all its completions."""
        shares, whole = module.policy.shares_prompts, len(groups[0].rollout.completions)
        number = sum(len(group.rollout.completions) == whole for group in groups)
        trained = [parameter for parameter in module.policy.parameters() if parameter.requires_grad]
        gradients = sum(_bytes(parameter) for parameter in trained)
        return cls(
            prompt=len(groups[0].rollout.prompt.token_ids),
            completions=whole,
            completion=module.engine.sampling.max_completion_tokens,
            groups=f"{number} group{'s' * (number > 1)}" + " and a part of one" * (number < len(groups)),
            largest=max(
                token_count([group.rollout for group in batch], shares)
                for batch in module.update.microbatches(groups, shares)
            ),
            weights=sum(_bytes(parameter) for parameter in module.policy.parameters()),
            gradients=gradients,
            state=_ADAM_STATES * gradients,
            reference=_reference_bytes(module),
        )

    def arithmetic(self) -> str:
        """The sum that is known before the pass."""
        parts = {"weights": self.weights, "gradients": self.gradients, "optimiser state": self.state}
        if self.reference:
            parts["frozen reference policy"] = self.reference
        terms = " + ".join(f"{name} {size / _GB:.2f} GB" for name, size in parts.items())
        return f"{terms} = {sum(parts.values()) / _GB:.2f} GB"

    def contents(self) -> str:
        """The groups that share the pass, in words."""
        return (
            f"{self.groups}, with a prompt of {self.prompt} tokens and {self.completions} completions of "
            f"{self.completion}"
        )

    def summary(self, device: torch.device) -> str:
        """The message if the pass fits into memory."""
        return f"dry run: {self.largest} tokens at a time fit ({self.contents()}); {self.arithmetic()}; {_peak(device)}"

    def complaint(self, module: GroupRLModule) -> str:
        """The message if it does not, with what to change."""
        remedies = [f"lower model.update.tokens_per_microbatch ({module.update.tokens_per_microbatch})"]
        if not getattr(module.policy, "gradient_checkpointing", True):
            remedies.append("set model.policy.gradient_checkpointing: true")
        if not module.policy.shares_prompts:
            remedies.append("let the policy share prompts (model.policy.shared_prefix: true)")
        remedies += [
            "lower model.prompting.max_pixels or max_prompt_tokens",
            f"lower max_completion_tokens ({self.completion})",
            "train adapters (model.policy.lora"
            + (", whose reference policy needs no second model" if self.reference else "")
            + "), or shard weights over more devices",
        ]
        return (
            f"the longest samples do not fit on {module.device}: {self.arithmetic()}, and beside them a pass of "
            f"{self.largest} tokens at a time ({self.contents()}); "
            f"{_peak(module.device)}. In this order: {'; '.join(remedies)}"
        )


def _reference_bytes(module: GroupRLModule) -> int:
    """Bytes of a second model for the reference policy, which is never sharded; 0 without one."""
    policy = module.policy
    if not (module.loss.needs_reference_logprobs or module.reward_kl is not None):
        return 0
    if getattr(policy, "lora", None) is not None:
        return 0  # the policy itself with its adapters disabled
    in_16_bits = policy.sharding.reduces_every_pass and str(module.trainer.precision) == "bf16-mixed"
    return sum(numel(parameter) * (2 if in_16_bits else parameter.element_size()) for parameter in policy.parameters())


def _bytes(parameter: torch.Tensor) -> int:
    return own_part(parameter).nbytes


def _peak(device: torch.device) -> str:
    if device.type == "cuda":
        _, total = torch.cuda.mem_get_info(device)
        return f"at most {torch.cuda.max_memory_allocated(device) / _GB:.2f} of {total / _GB:.2f} GB were in use"
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    free = available()
    return f"at most {used / _GB:.2f} GB were in use" + ("" if free is None else f", {free / _GB:.2f} GB are available")
