"""The memory that one rank of a run needs, from the sizes of its model and its spec.

Parameters, gradients, optimizer state, the reference policy, what sharding gathers, and the local engine's KV cache are
computed exactly, activations from what a layer of Qwen3-VL keeps. All sizes are the largest that the spec allows:
prompts and completions of full length. ``tools/bench_memory_plan.py`` compares the sums with measured peaks.
"""

from collections.abc import Iterator

from medix.doctor.engine_memory import EngineMemory
from medix.doctor.machine import GIB
from medix.doctor.memory import PASSES, Allocation, MemoryEstimate, Phase
from medix.doctor.pass_memory import pass_memory
from medix.doctor.rank import Rank

CHECKED = (
    "checked: -3 to +10 % of the measured peaks of 40 updates of four small models on a CPU (BENCHMARKS.md); "
    "not checked: ranks that share weights, workspaces of kernels, fragmentation"
)
"""What is known of the error, from ``tools/bench_memory_plan.py``."""
RUNTIME = GIB
"""PyTorch, its kernels and the CUDA context."""
RUNTIME_HOST = 2 * GIB
"""Main memory of a process that trains on a GPU: PyTorch and its libraries."""


def device_memory(rank: Rank) -> MemoryEstimate:
    """What a rank needs on the device of the policy: its GPU, or the main memory if it trains on the CPU."""
    engine = EngineMemory.of(rank.module.engine)
    parts = (_permanent(rank), _gathered(rank, engine.samples_from_policy), engine.allocations(rank), pass_memory(rank))
    return MemoryEstimate([allocation for part in parts for allocation in part if allocation.bytes])


def host_memory(rank: Rank) -> MemoryEstimate:
    """What all processes of one machine need of its main memory if the policy is on GPUs."""
    model, plan = rank.model, rank.plan
    formula = f"{plan.devices} processes x {RUNTIME_HOST / GIB:.0f} GiB, estimated"
    allocations = [Allocation("runtime", plan.devices * RUNTIME_HOST, formula, (Phase.ALWAYS,))]
    if plan.kind in ("sharded", "zero"):
        size = model.parameters * rank.load_bytes * plan.devices
        formula = (
            f"{model.parameters:,} x {rank.load_bytes} bytes x {plan.devices} processes, each of which loads the whole "
            "model before it is sharded"
        )
        remedy = "model.policy.init_args.dtype: bfloat16, which halves it; or use a machine with more main memory"
        allocations.append(Allocation("unsharded weights", size, formula, (Phase.LOADING,), remedy))
    allocations += _offloaded(rank)
    per_parameter = rank.trained_bytes + rank.optimizer.state
    formula = f"{model.trained:,} trained x {per_parameter:g} bytes of weights and optimizer state, gathered on rank 0"
    allocations.append(Allocation("checkpoint", model.trained * per_parameter, formula, (Phase.SAVING,)))
    if rank.policy.freeze_vision:
        key = "model.policy.init_args.vision_gigabytes"
        cached = rank.policy.vision_features.gigabytes * GIB * plan.devices
        formula = f"{key} x {plan.devices} processes"
        allocations.append(Allocation("vision feature cache", cached, formula, (Phase.ALWAYS,), key))
    return MemoryEstimate(allocations)


def _offloaded(rank: Rank) -> Iterator[Allocation]:
    """What ZeRO keeps in the main memory of one machine, for its share of the ranks."""
    plan, model = rank.plan, rank.model
    share = plan.devices / plan.ranks
    if plan.offloads_optimizer:
        size = rank.optimizer.state + 4 + 4
        formula = f"{model.trained:,} trained x {size:g} bytes x {plan.devices} of {plan.ranks} ranks"
        name = "offloaded optimizer state, float32 weights and gradients"
        yield Allocation(name, model.trained * size * share, formula, (Phase.ALWAYS,))
    if plan.offloads_parameters:
        formula = f"{model.parameters:,} x {rank.resident_bytes} bytes x {plan.devices} of {plan.ranks} ranks"
        yield Allocation("offloaded weights", model.parameters * rank.resident_bytes * share, formula, (Phase.ALWAYS,))


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
        yield Allocation(
            "weights", weights / plan.shards, f"{formula}{_divided(plan.shards)}", (Phase.ALWAYS,), smaller
        )
    gradients = model.trained * rank.trained_bytes
    formula = f"{model.trained:,} trained x {rank.trained_bytes} bytes"
    if not plan.offloads_optimizer:
        divided = f"{formula}{_divided(plan.gradient_shards)}"
        yield Allocation("gradients", gradients / plan.gradient_shards, divided, (Phase.ALWAYS,), smaller)
    if plan.kind == "ddp":
        formula = f"{formula}, the buffers of the all-reduce"
        yield Allocation("gradient buckets", gradients, formula, (Phase.ALWAYS,), smaller)
    yield from _optimizer(rank, smaller)
    uses_reference = rank.module.loss.needs_reference_logprobs or rank.module.reward_kl is not None
    if uses_reference and rank.policy.lora is None:  # with LoRA the reference policy is the base model
        width = 2 if plan.gathers_in_16_bit else rank.load_bytes
        formula = f"{model.parameters:,} x {width} bytes, not sharded"
        keys = "a loss without reference_kl, or model.policy.init_args.lora, where the base model is the reference"
        yield Allocation("reference policy", model.parameters * width, formula, (Phase.ALWAYS,), keys)
    yield Allocation("runtime", RUNTIME, "PyTorch and its kernels, estimated", (Phase.ALWAYS,))


def _optimizer(rank: Rank, smaller: str) -> Iterator[Allocation]:
    """The state of the optimizer, and what ZeRO has beside it."""
    model, plan, state = rank.model, rank.plan, rank.optimizer.state
    if not plan.offloads_optimizer:
        formula = f"{model.trained:,} trained x {state:g} bytes{_divided(plan.state_shards)}"
        size = model.trained * state / plan.state_shards
        yield Allocation("optimizer state", size, formula, (Phase.ALWAYS,), smaller)
        if plan.zero is not None:
            formula = f"{model.trained:,} trained x 4 bytes{_divided(plan.state_shards)}"
            size = model.trained * 4 / plan.state_shards
            yield Allocation("float32 weights", size, formula, (Phase.ALWAYS,), smaller)
    if plan.zero is not None:
        width = 2 + 4 if rank.resident_bytes == 2 else rank.resident_bytes  # bfloat16 gradients are reduced in float32
        formula = f"{plan.zero.bucket:,} x {width} bytes, in which gradients are reduced"
        key = "trainer.strategy.init_args.zero_optimization: {reduce_bucket_size: …}"
        yield Allocation("gradient buckets", plan.zero.bucket * width, formula, (*PASSES, Phase.STEP), key)


def _gathered(rank: Rank, samples_from_policy: bool) -> Iterator[Allocation]:
    """Copies of weights and gradients that exist for part of a step."""
    model, width = rank.model, rank.compute_bytes
    if rank.plan.kind == "sharded" or (rank.plan.zero is not None and rank.plan.zero.stage == 3):
        if samples_from_policy:
            # Ranks make different numbers of decoding passes, so they cannot gather layer by layer.
            formula = f"{model.parameters:,} x {width} bytes, all layers gathered for sampling"
            remedy = "a rollout engine with its own copy of the weights, such as medix.rollout.ServedEngine"
            yield Allocation("unsharded weights", model.parameters * width, formula, (Phase.ROLLOUT,), remedy)
        yield from _layer_by_layer(rank)
    elif rank.plan.is_mixed and rank.resident_bytes == 4:
        text = model.text
        attention = 2 * text.hidden_size * (text.query_width + text.key_width)
        experts = text.count * (text.parameters - attention) if text.experts_per_token else 0  # they compute in float32
        copied = model.parameters - experts
        formula, phases = f"{copied:,} x 2 bytes", (Phase.ROLLOUT, Phase.NO_GRAD, *PASSES)
        yield Allocation("autocast copies of weights", copied * 2, formula, phases)
        # The copies are cached: they are older than later micro-batches, so that autograd comes to them at the end.
        trained = model.trained if rank.policy.lora is not None else max(0, model.trained - experts)
        formula = f"{trained:,} trained x 2 bytes"
        yield Allocation("gradients of autocast copies", trained * 2, formula, (Phase.TEXT, Phase.VISION))


def _layer_by_layer(rank: Rank) -> Iterator[Allocation]:
    """Weights that are gathered for a pass, and gradients before they are divided among ranks.

    The next layer is gathered while one computes, and the gradients of a layer are reduced while the next one computes.
    Weights outside the layers stay gathered for a whole pass, and their gradients whole until it ends.
    """
    model, width, reduced = rank.model, rank.compute_bytes, rank.trained_bytes
    outside, trained = model.outside_layers, model.trained / (model.parameters + model.adapters)
    of_text, of_vision = model.text.parameters, 0 if model.vision is None else model.vision.parameters
    for layer, phases in ((of_text, (Phase.NO_GRAD, Phase.LOSS, Phase.TEXT)), (of_vision, (Phase.VISION,))):
        formula = f"(2 layers x {layer:,} + {outside:,} outside the layers) x {width} bytes"
        yield Allocation("gathered weights", (2 * layer + outside) * width, formula, phases)
    share = "" if rank.policy.lora is None else f" x {trained:.2g} trained"
    formula = f"{outside:,} x {width} bytes{share}, outside the layers"
    yield Allocation("unsharded gradients", outside * width * trained, formula, (Phase.LOSS,))
    bytes_of_layer = width + reduced * (1 + 1 / rank.plan.ranks)
    formula = f"({of_text:,} x {bytes_of_layer:g} + {outside:,} x {width}) bytes{share} before reduce-scatter"
    size = of_text * bytes_of_layer + outside * width
    yield Allocation("unsharded gradients", size * trained, formula, (Phase.TEXT,))
    formula = f"({of_vision:,} + {outside:,}) x {bytes_of_layer:g} bytes{share} before reduce-scatter"
    yield Allocation("unsharded gradients", (of_vision + outside) * bytes_of_layer * trained, formula, (Phase.VISION,))
