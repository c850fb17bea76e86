"""The memory that one rank of a run needs, from the numbers of its model and the sizes of its spec.

Weights, gradients, optimiser state, reference policy, what sharding gathers, and the cache of the local engine are
counted; activations are estimated from tensors that a layer of Qwen3-VL was seen to keep for its backward pass. All
sizes are the largest that the spec allows: prompts and completions of full length.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from lightning.pytorch.cli import OptimizerCallable

from medix.commands.doctor_engine_needs import EngineNeeds
from medix.commands.doctor_ledger import Ledger, Moment, Need
from medix.commands.doctor_machine import GIB
from medix.commands.doctor_model import Layer, ModelSize
from medix.commands.doctor_plan import Plan
from medix.commands.doctor_subject import Subject
from medix.modules.group_rl import GroupRLModule
from medix.numerics.logprobs import CHUNK_ROWS
from medix.policy.vision_language import LOGITS_AT_ONCE, VisionLanguagePolicy

LIBRARIES = GIB
"""PyTorch, its kernels and the context of a GPU."""
_WIDTHS = {"float32": 4, "bfloat16": 2, "bf16-true": 2, "16-true": 2, "64-true": 8}


@dataclass(frozen=True)
class Kept:
    """Bytes that a layer keeps of one token for its backward pass, for each unit of four widths."""

    width: int
    inner: int
    queries: int
    keys: int

    def of(self, layer: Layer) -> int:
        """Of one layer; what an expert is given counts for every expert that a token is sent to."""
        return (
            (self.width + 4 * layer.experts) * layer.width
            + self.inner * layer.inner
            + self.queries * layer.queries
            + self.keys * layer.keys
        )


# Seen with saved_tensors_hooks on layers that differ in one width; keys and values are repeated for every query head.
IN_32_BITS = Kept(24, 16, 24, 16)
IN_16_BITS = Kept(16, 8, 14, 10)
IN_BOTH = Kept(44, 14, 18, 14)
"""Under autocast the residual stream stays in 32 bits."""


@dataclass(frozen=True)
class Needs:
    """One rank of one spec.

    Args:
        module: sizes and engine.
        policy: how it is loaded.
        model: its numbers.
        plan: ranks and precision.
        evaluated: prompts of a validation batch, over all ranks.
        device: bytes of memory of the smallest GPU that training takes; 0 if there is none.
    """

    module: GroupRLModule
    policy: VisionLanguagePolicy
    model: ModelSize
    plan: Plan
    evaluated: int = 0
    device: int = 0

    @classmethod
    def of(cls, subject: Subject) -> "Needs":
        """Those of a spec on a machine.

        Raises:
            NotHereError: the policy is not on this machine.
        """
        sizes = [subject.machine.gpu(index).total for index in subject.plan.gpus]
        evaluated = subject.data.val_batch_size
        return cls(subject.module, subject.policy, subject.model, subject.plan, evaluated, min(sizes, default=0))

    @property
    def weight_bytes(self) -> int:
        """Of one weight."""
        return _WIDTHS.get(self.plan.precision, _WIDTHS[self.policy.dtype])

    @property
    def trained_bytes(self) -> int:
        """Of one trained weight; adapters are kept in 32 bits."""
        return 4 if self.policy.lora is not None else self.weight_bytes

    @property
    def compute_bytes(self) -> int:
        """Of one number while it is computed with."""
        return 2 if self.plan.mixes else self.weight_bytes

    @property
    def longest(self) -> tuple[int, int]:
        """Tokens of a prompt, and of a completion, at most."""
        prompt, completion = self.module.prompting.max_prompt_tokens, self.module.engine.sampling.max_completion_tokens
        return min(prompt, max(1, self.model.context - completion)), completion

    def ledger(self) -> Ledger:
        """Everything."""
        needs = [*self._always(), *self._gathered(), *EngineNeeds.of(self.module.engine).needs(self), *self._passes()]
        return Ledger([need for need in needs if need.bytes])

    def main_memory(self) -> Ledger:
        """What the processes of one machine need of its main memory, where the policy is on GPUs."""
        model, plan = self.model, self.plan
        read = _WIDTHS[self.policy.dtype]
        needs = [Need("libraries", plan.devices * 2 * LIBRARIES, f"{plan.devices} processes x 2 GiB", Moment.ALWAYS)]
        if plan.kind == "sharded":
            how = f"{model.parameters:,} x {read} bytes, whole in each of {plan.devices} processes before it is sharded"
            lower = "model.policy.init_args.dtype: bfloat16 halves it; or take a machine with more main memory"
            needs.append(Need("weights while they are read", model.parameters * read * plan.devices, how,
                              Moment.ROLLOUT, lower))  # fmt: skip
        state = self.trained_bytes + state_bytes(self.module.optimizer, self.trained_bytes)
        how = f"{model.trained:,} x {state:g} bytes of weights and optimiser state, gathered by rank 0"
        needs.append(Need("a checkpoint while it is written", model.trained * state, how, Moment.UPDATE))
        if self.policy.freeze_vision:
            size = self.policy.vision_features.gigabytes * GIB * plan.devices
            needs.append(
                Need("image features", size, f"model.policy.init_args.vision_gigabytes x {plan.devices}", Moment.ALWAYS,
                     "model.policy.init_args.vision_gigabytes")
            )  # fmt: skip
        return Ledger(needs)

    # Parts -----------------------------------------------------------------------------------------------------------

    def _always(self) -> Iterator[Need]:
        model, shards = self.model, self.plan.shards
        share = f" / {shards} ranks" if shards > 1 else ""
        how = f"{model.parameters:,} x {self.weight_bytes} bytes"
        if model.adapters:
            how = f"({how} + {model.adapters:,} of adapters x 4)"
        fewer = "more ranks that share the weights" if shards > 1 else "a strategy that shards the weights"
        larger = f"{fewer}, model.policy.init_args.lora, or a smaller model"
        weights = model.parameters * self.weight_bytes + model.adapters * 4
        yield Need("weights", weights / shards, f"{how}{share}", Moment.ALWAYS, larger)
        trained, gradients = f"{model.trained:,} trained x ", model.trained * self.trained_bytes
        how = f"{trained}{self.trained_bytes} bytes"
        yield Need("gradients", gradients / shards, f"{how}{share}", Moment.ALWAYS, larger)
        if self.plan.kind == "ddp":
            yield Need("gradient buckets", gradients, f"{how}, in which ranks add up", Moment.ALWAYS, larger)
        state = state_bytes(self.module.optimizer, self.trained_bytes)
        how = f"{trained}{state:g} bytes{share}"
        yield Need("optimiser state", model.trained * state / shards, how, Moment.ALWAYS, larger)
        if self.policy.lora is None and (
            self.module.loss.needs_reference_logprobs or self.module.reward_kl is not None
        ):
            read = 2 if self.plan.gathered_in_16_bits else _WIDTHS[self.policy.dtype]
            how = f"{model.parameters:,} x {read} bytes, whole on every rank"
            lower = "a loss without reference_kl, or model.policy.init_args.lora, whose reference is free"
            yield Need("reference policy", model.parameters * read, how, Moment.ALWAYS, lower)
        yield Need("libraries", LIBRARIES, "PyTorch and its kernels, about", Moment.ALWAYS)

    def _gathered(self) -> Iterator[Need]:
        """Weights that a rank has whole for a while."""
        model, width = self.model, self.compute_bytes
        if self.plan.kind == "sharded":
            if EngineNeeds.of(self.module.engine).samples_from_the_policy:
                how = f"{model.parameters:,} x {width} bytes, gathered while ranks make different numbers of passes"
                lower = "a rollout engine with weights of its own, such as medix.rollout.ServedEngine"
                yield Need("whole weights", model.parameters * width, how, Moment.ROLLOUT, lower)
            whole = 2 * model.largest_layer + model.outside
            how = f"(2 x {model.largest_layer:,} of a layer + {model.outside:,} outside) x {width} bytes"
            for moment in (Moment.SCORING, Moment.UPDATE):
                yield Need("gathered weights", whole * width, how, moment)
            summed = model.largest_layer + model.outside
            how = f"({model.largest_layer:,} + {model.outside:,}) x ({width} + 4) bytes before ranks add them up"
            yield Need("whole gradients", summed * (width + 4), how, Moment.UPDATE)
        elif self.plan.mixes and self.weight_bytes == 4:
            for moment in (Moment.ROLLOUT, Moment.SCORING, Moment.UPDATE):
                yield Need("16-bit copies", model.parameters * 2, f"{model.parameters:,} x 2 bytes by autocast", moment)

    def _passes(self) -> Iterator[Need]:
        """Activations and logits of one micro-batch."""
        model = self.model
        prompt, completion = self.longest
        group = self.module.engine.sampling.completions_per_prompt
        most = self.module.update.prompts_per_update // self.plan.ranks * (prompt + group * completion)
        tokens = max(1, min(max(self.module.update.tokens_per_microbatch, prompt + completion), most))
        lower = "model.update.tokens_per_microbatch"
        if not self.policy.gradient_checkpointing:
            lower += f" and model.policy.init_args.gradient_checkpointing: true ({model.text.count} layers are kept)"
        yield self._activations("activations", model.text, tokens, "tokens", lower)
        how = f"{tokens:,} tokens x {self._kept.of(model.text):,} bytes"
        yield Need("one layer", tokens * self._kept.of(model.text), how, Moment.SCORING, lower)
        if model.vision is not None and not self.policy.freeze_vision:
            patches = max(1, tokens // prompt) * min(tokens, prompt) * model.patches_per_token
            lower += ", model.prompting.max_pixels"
            yield self._activations("vision", model.vision, patches, "patches of images", lower)
        rows = min(tokens, max(1, LOGITS_AT_ONCE // model.vocabulary))
        chunk = min(rows, CHUNK_ROWS)
        size = rows * model.vocabulary * 2 * self.compute_bytes + chunk * model.vocabulary * 8
        how = f"{model.vocabulary:,} scores x ({rows:,} tokens x 2 x {self.compute_bytes} bytes + {chunk} tokens x 8)"
        for moment in (Moment.SCORING, Moment.UPDATE):
            yield Need("logits", size, how, moment)

    @property
    def _kept(self) -> Kept:
        if self.plan.gathered_in_16_bits or self.weight_bytes == 2:
            return IN_16_BITS
        return IN_BOTH if self.plan.mixes else IN_32_BITS

    def _activations(self, name: str, layer: Layer, tokens: int, what: str, lower: str) -> Need:
        """What is kept for the backward pass: all layers, or the inputs of all and, twice, the inside of one."""
        inside = self._kept.of(layer)
        if not self.policy.gradient_checkpointing:
            how = f"{tokens:,} {what} x ({layer.count} + 1 layers) x {inside:,} bytes, estimated"
            return Need(name, tokens * (layer.count + 1) * inside, how, Moment.UPDATE, lower)
        stream = layer.width * (4 if self._kept is not IN_16_BITS else 2)
        how = f"{tokens:,} {what} x ({layer.count} x {stream:,} bytes + 2 x {inside:,} of one layer), estimated"
        return Need(name, tokens * (layer.count * stream + 2 * inside), how, Moment.UPDATE, lower)


def state_bytes(optimizer: OptimizerCallable, weight: int) -> float:
    """Bytes of state for one trained weight, seen on a small one after a step.

    Args:
        optimizer: makes the optimiser of the spec.
        weight: bytes of a weight.
    """
    made = torch.nn.Parameter(torch.zeros(64, 64, dtype={2: torch.bfloat16, 8: torch.float64}.get(weight)))
    made.grad = torch.zeros_like(made)
    tried = optimizer([made])
    tried.step()
    held = [value for state in tried.state.values() for value in state.values() if isinstance(value, torch.Tensor)]
    # An optimiser's count of steps takes a few bytes whatever the weight: rounded away.
    return round(sum(value.numel() * value.element_size() for value in held) / made.numel(), 1)
