"""One rank of a run: what decides how much memory it needs."""

from dataclasses import dataclass
from functools import cached_property

from medix.doctor.model_size import ModelSize
from medix.doctor.optimizer_bytes import OptimizerBytes
from medix.doctor.plan import Plan
from medix.doctor.subject import Subject
from medix.modules.group_rl import GroupRLModule
from medix.policy.vision_language import VisionLanguagePolicy

_ITEM_SIZES = {"float32": 4, "bfloat16": 2, "bf16-true": 2, "16-true": 2, "64-true": 8}


@dataclass(frozen=True)
class Rank:
    """One rank of one spec.

    Args:
        module: batch sizes and rollout engine.
        policy: how the model is loaded.
        model: parameter counts and layer sizes.
        plan: ranks, strategy and precision.
        val_batch_size: prompts of a validation batch, over all ranks.
        gpu_memory: bytes of memory of the smallest GPU that training uses; 0 without GPUs.
    """

    module: GroupRLModule
    policy: VisionLanguagePolicy
    model: ModelSize
    plan: Plan
    val_batch_size: int = 0
    gpu_memory: int = 0

    @classmethod
    def of(cls, subject: Subject) -> "Rank":
        """A rank of a spec on a machine.

        Raises:
            UnavailableError: the policy is not on this machine.
        """
        sizes = [subject.machine.gpu(index).total for index in subject.plan.gpus]
        return cls(
            subject.module,
            subject.policy,
            subject.model,
            subject.plan,
            subject.data.val_batch_size,
            min(sizes, default=0),
        )

    @property
    def load_bytes(self) -> int:
        """Bytes per parameter in the dtype in which the policy is loaded."""
        return _ITEM_SIZES[self.policy.dtype]

    @property
    def weight_bytes(self) -> int:
        """Bytes per parameter."""
        return _ITEM_SIZES.get(self.plan.precision, self.load_bytes)

    @property
    def resident_bytes(self) -> int:
        """Bytes per parameter of the weights that passes read; float32 ones of ZeRO are beside them."""
        return 2 if self.plan.zero is not None and self.plan.is_mixed else self.weight_bytes

    @property
    def trained_bytes(self) -> int:
        """Bytes per trained parameter; adapters are kept in float32, and under ZeRO all are."""
        return 4 if self.policy.lora is not None or self.plan.zero is not None else self.weight_bytes

    @property
    def compute_bytes(self) -> int:
        """Bytes per number in the dtype of the computation."""
        return 2 if self.plan.is_mixed else self.weight_bytes

    @cached_property
    def optimizer(self) -> OptimizerBytes:
        """What the optimizer needs."""
        return OptimizerBytes.of(self.module.optimizer, self.trained_bytes, self.plan.on_gpu)

    @property
    def adapter_rank(self) -> int:
        """Rank of LoRA's adapters; 0 without."""
        return 0 if self.policy.lora is None else self.policy.lora.rank

    @property
    def groups_per_update(self) -> int:
        """Groups of this rank in one optimizer call."""
        return max(1, self.module.update.prompts_per_update // self.plan.ranks)

    @property
    def completion_tokens(self) -> int:
        """The most tokens of a completion in training."""
        return self.module.engine.sampling.max_completion_tokens

    @property
    def prompt_tokens(self) -> int:
        """The most tokens of a prompt whose completion still fits the context."""
        room = max(1, self.model.context_length - self.completion_tokens)
        return min(self.module.prompting.max_prompt_tokens, room)
