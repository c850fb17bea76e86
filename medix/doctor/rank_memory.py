"""The memory that one rank of a run needs, from the sizes of its model and its spec.

Parameters, gradients, optimizer state, the reference policy, what sharding gathers, and the local engine's KV cache are
computed exactly. Activations are estimated from the tensors that a decoder layer of Qwen3-VL saves for its backward
pass. All sizes are the largest that the spec allows: prompts and completions of full length.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from medix.doctor.engine_memory import EngineMemory
from medix.doctor.machine import GIB
from medix.doctor.memory import Allocation, MemoryEstimate, Phase
from medix.doctor.model_size import Layer
from medix.doctor.rank import Rank
from medix.numerics.logprobs import CHUNK_ROWS
from medix.policy.vision_language import LOGITS_AT_ONCE

RUNTIME = GIB
"""PyTorch, its kernels and the CUDA context."""
RUNTIME_HOST = 2 * GIB
"""Main memory of a process that trains on a GPU: PyTorch and its libraries."""


@dataclass(frozen=True)
class SavedBytes:
    """Bytes that a layer saves per token for its backward pass, per unit of each of its four widths."""

    hidden_size: int
    intermediate_size: int
    query_width: int
    key_width: int

    def of(self, layer: Layer) -> int:
        """Bytes per token of one layer. The input of an expert is saved for every expert that a token is routed to."""
        return (
            (self.hidden_size + 4 * layer.experts_per_token) * layer.hidden_size
            + self.intermediate_size * layer.intermediate_size
            + self.query_width * layer.query_width
            + self.key_width * layer.key_width
        )


# Measured with saved_tensors_hooks on layers that differ in one width; keys and values are repeated per query head.
SAVED_FLOAT32 = SavedBytes(24, 16, 24, 16)
SAVED_16_BIT = SavedBytes(16, 8, 14, 10)
SAVED_AUTOCAST = SavedBytes(44, 14, 18, 14)
"""Under autocast the residual stream stays in float32."""


def device_memory(rank: Rank) -> MemoryEstimate:
    """What a rank needs on the device of the policy: its GPU, or the main memory if it trains on the CPU."""
    engine = EngineMemory.of(rank.module.engine)
    parts = (_permanent(rank), _gathered(rank, engine.samples_from_policy), engine.allocations(rank), _passes(rank))
    return MemoryEstimate([allocation for part in parts for allocation in part if allocation.bytes])


def host_memory(rank: Rank) -> MemoryEstimate:
    """What all processes of one machine need of its main memory if the policy is on GPUs."""
    model, plan = rank.model, rank.plan
    formula = f"{plan.devices} processes x {RUNTIME_HOST / GIB:.0f} GiB, estimated"
    allocations = [Allocation("runtime", plan.devices * RUNTIME_HOST, formula, Phase.ALWAYS)]
    if plan.kind in ("sharded", "zero"):
        size = model.parameters * rank.load_bytes * plan.devices
        formula = (
            f"{model.parameters:,} x {rank.load_bytes} bytes x {plan.devices} processes, each of which loads the whole "
            "model before it is sharded"
        )
        remedy = "model.policy.init_args.dtype: bfloat16, which halves it; or use a machine with more main memory"
        allocations.append(Allocation("unsharded weights", size, formula, Phase.LOADING, remedy))
    allocations += _offloaded(rank)
    per_parameter = rank.trained_bytes + rank.optimizer_bytes
    formula = f"{model.trained:,} trained x {per_parameter:g} bytes of weights and optimizer state, gathered on rank 0"
    allocations.append(Allocation("checkpoint", model.trained * per_parameter, formula, Phase.SAVING))
    if rank.policy.freeze_vision:
        key = "model.policy.init_args.vision_gigabytes"
        cached = rank.policy.vision_features.gigabytes * GIB * plan.devices
        formula = f"{key} x {plan.devices} processes"
        allocations.append(Allocation("vision feature cache", cached, formula, Phase.ALWAYS, key))
    return MemoryEstimate(allocations)


def _offloaded(rank: Rank) -> Iterator[Allocation]:
    """What ZeRO keeps in the main memory of one machine, for its share of the ranks."""
    plan, model = rank.plan, rank.model
    share = plan.devices / plan.ranks
    if plan.offloads_optimizer:
        size = rank.optimizer_bytes + 4 + 4
        formula = f"{model.trained:,} trained x {size:g} bytes x {plan.devices} of {plan.ranks} ranks"
        name = "offloaded optimizer state, float32 weights and gradients"
        yield Allocation(name, model.trained * size * share, formula, Phase.ALWAYS)
    if plan.offloads_parameters:
        formula = f"{model.parameters:,} x {rank.resident_bytes} bytes x {plan.devices} of {plan.ranks} ranks"
        yield Allocation("offloaded weights", model.parameters * rank.resident_bytes * share, formula, Phase.ALWAYS)


def _divided(ranks: int) -> str:
    return f" / {ranks} ranks" if ranks > 1 else ""


def _permanent(rank: Rank) -> Iterator[Allocation]:
    """Weights, gradients, optimizer state and the reference policy."""
    model, plan = rank.model, rank.plan
    sharding = "more ranks that share the weights" if plan.shards > 1 else "a strategy that shards the weights"
    smaller = f"{sharding}, model.policy.init_args.lora, or a smaller model"
    width = rank.resident_bytes
    if not plan.offloads_parameters:
        formula = f"{model.parameters:,} x {width} bytes"
        if model.adapters:
            formula = f"({formula} + {model.adapters:,} of adapters x 4)"
        weights = model.parameters * width + model.adapters * 4
        yield Allocation("weights", weights / plan.shards, f"{formula}{_divided(plan.shards)}", Phase.ALWAYS, smaller)
    gradients = model.trained * rank.trained_bytes
    formula = f"{model.trained:,} trained x {rank.trained_bytes} bytes"
    if not plan.offloads_optimizer:
        divided = f"{formula}{_divided(plan.gradient_shards)}"
        yield Allocation("gradients", gradients / plan.gradient_shards, divided, Phase.ALWAYS, smaller)
    if plan.kind == "ddp":
        formula = f"{formula}, the buffers of the all-reduce"
        yield Allocation("gradient buckets", gradients, formula, Phase.ALWAYS, smaller)
    yield from _optimizer(rank, smaller)
    uses_reference = rank.module.loss.needs_reference_logprobs or rank.module.reward_kl is not None
    if uses_reference and rank.policy.lora is None:  # with LoRA the reference policy is the base model
        width = 2 if plan.gathers_in_16_bit else rank.load_bytes
        formula = f"{model.parameters:,} x {width} bytes, not sharded"
        keys = "a loss without reference_kl, or model.policy.init_args.lora, where the base model is the reference"
        yield Allocation("reference policy", model.parameters * width, formula, Phase.ALWAYS, keys)
    yield Allocation("runtime", RUNTIME, "PyTorch and its kernels, estimated", Phase.ALWAYS)


def _optimizer(rank: Rank, smaller: str) -> Iterator[Allocation]:
    """The state of the optimizer, and what ZeRO has beside it."""
    model, plan, state = rank.model, rank.plan, rank.optimizer_bytes
    if not plan.offloads_optimizer:
        formula = f"{model.trained:,} trained x {state:g} bytes{_divided(plan.state_shards)}"
        size = model.trained * state / plan.state_shards
        yield Allocation("optimizer state", size, formula, Phase.ALWAYS, smaller)
        if plan.zero is not None:
            formula = f"{model.trained:,} trained x 4 bytes{_divided(plan.state_shards)}"
            size = model.trained * 4 / plan.state_shards
            yield Allocation("float32 weights", size, formula, Phase.ALWAYS, smaller)
    if plan.zero is not None:
        width = 2 + 4 if rank.resident_bytes == 2 else rank.resident_bytes  # bfloat16 gradients are reduced in float32
        formula = f"{plan.zero.bucket:,} x {width} bytes, in which gradients are reduced"
        key = "trainer.strategy.init_args.zero_optimization: {reduce_bucket_size: …}"
        yield Allocation("gradient buckets", plan.zero.bucket * width, formula, Phase.UPDATE, key)


def _gathered(rank: Rank, samples_from_policy: bool) -> Iterator[Allocation]:
    """Copies of weights and gradients that exist for part of a step."""
    model, width = rank.model, rank.compute_bytes
    if rank.plan.kind == "sharded" or (rank.plan.zero is not None and rank.plan.zero.stage == 3):
        if samples_from_policy:
            # Ranks make different numbers of decoding passes, so they cannot gather layer by layer.
            formula = f"{model.parameters:,} x {width} bytes, all layers gathered for sampling"
            remedy = "a rollout engine with its own copy of the weights, such as medix.rollout.ServedEngine"
            yield Allocation("unsharded weights", model.parameters * width, formula, Phase.ROLLOUT, remedy)
        gathered = 2 * model.largest_layer + model.outside_layers
        formula = f"(2 layers x {model.largest_layer:,} + {model.outside_layers:,} outside the layers) x {width} bytes"
        for phase in (Phase.NO_GRAD, Phase.UPDATE):
            yield Allocation("gathered weights", gathered * width, formula, phase)
        gradients, reduced = model.largest_layer + model.outside_layers, rank.trained_bytes
        formula = (
            f"({model.largest_layer:,} + {model.outside_layers:,}) x ({width} + {reduced}) bytes before reduce-scatter"
        )
        yield Allocation("unsharded gradients", gradients * (width + reduced), formula, Phase.UPDATE)
    elif rank.plan.is_mixed and rank.resident_bytes == 4:
        formula = f"{model.parameters:,} x 2 bytes"
        for phase in (Phase.ROLLOUT, Phase.NO_GRAD, Phase.UPDATE):
            yield Allocation("autocast copies of weights", model.parameters * 2, formula, phase)


def _passes(rank: Rank) -> Iterator[Allocation]:
    """Activations and logits of one micro-batch."""
    model, update = rank.model, rank.module.update
    prompt, completion = rank.prompt_tokens, rank.completion_tokens
    group = rank.module.engine.sampling.completions_per_prompt
    most = update.prompts_per_update // rank.plan.ranks * (prompt + group * completion)
    tokens = max(1, min(max(update.tokens_per_microbatch, prompt + completion), most))
    keys = "model.update.tokens_per_microbatch"
    if not rank.policy.gradient_checkpointing:
        keys += (
            f" and model.policy.init_args.gradient_checkpointing: true (off: all {model.text.count} layers are kept)"
        )
    yield _activations(rank, "activations", model.text, tokens, "tokens", keys)
    saved = _saved(rank).of(model.text)
    formula = f"{tokens:,} tokens x {saved:,} bytes, estimated"
    yield Allocation("activations of one layer", tokens * saved, formula, Phase.NO_GRAD, keys)
    if model.vision is not None and not rank.policy.freeze_vision:
        patches = max(1, tokens // prompt) * min(tokens, prompt) * model.patches_per_token
        keys += ", model.prompting.max_pixels"
        yield _activations(rank, "vision activations", model.vision, patches, "patches", keys)
    rows = min(tokens, max(1, LOGITS_AT_ONCE // model.vocab_size))
    chunk = min(rows, CHUNK_ROWS)
    size = rows * model.vocab_size * 2 * rank.compute_bytes + chunk * model.vocab_size * 8
    formula = f"{model.vocab_size:,} logits x ({rows:,} tokens x 2 x {rank.compute_bytes} bytes + {chunk} tokens x 8)"
    for phase in (Phase.NO_GRAD, Phase.UPDATE):
        yield Allocation("logits", size, formula, phase)


def _saved(rank: Rank) -> SavedBytes:
    if rank.plan.gathers_in_16_bit or rank.weight_bytes == 2:
        return SAVED_16_BIT
    return SAVED_AUTOCAST if rank.plan.is_mixed else SAVED_FLOAT32


def _activations(rank: Rank, name: str, layer: Layer, tokens: int, unit: str, keys: str) -> Allocation:
    """What is saved for the backward pass.

    Without checkpointing, the inside of every layer; with it, the input of every layer and twice the inside of one.
    """
    saved = _saved(rank)
    inside = saved.of(layer)
    if not rank.policy.gradient_checkpointing:
        formula = f"{tokens:,} {unit} x ({layer.count} + 1 layers) x {inside:,} bytes, estimated"
        return Allocation(name, tokens * (layer.count + 1) * inside, formula, Phase.UPDATE, keys)
    hidden = layer.hidden_size * (2 if saved is SAVED_16_BIT else 4)
    formula = f"{tokens:,} {unit} x ({layer.count} layers x {hidden:,} bytes + 2 x {inside:,} inside one), estimated"
    return Allocation(name, tokens * (layer.count * hidden + 2 * inside), formula, Phase.UPDATE, keys)
