"""The memory that a rollout engine takes on a rank: one class per kind of engine."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from medix.doctor.machine import GIB
from medix.doctor.memory import Allocation, Phase
from medix.doctor.rank import Rank
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import RolloutEngine
from medix.rollout.local import LocalEngine

VLLM_CPU_CACHE = 4 * GIB
"""vLLM's default size of the KV cache on a CPU."""
_ITEM_SIZES = {"float32": 4, "bfloat16": 2}


class EngineMemory(ABC):
    """What one engine takes of a rank's memory."""

    samples_from_policy = False
    """Whether sampling uses the policy's own parameters, which a sharded policy then has to gather."""

    @abstractmethod
    def allocations(self, rank: Rank) -> Iterator[Allocation]:
        """Memory in addition to the policy's."""

    @classmethod
    def of(cls, engine: RolloutEngine) -> "EngineMemory":
        """By the kind of engine."""
        if isinstance(engine, LocalEngine):
            return LocalEngineMemory(engine)
        if isinstance(engine, ColocatedEngine):
            return ColocatedEngineMemory(engine)
        return RemoteEngineMemory()


class RemoteEngineMemory(EngineMemory):
    """An engine on other devices, or a class that is not known here: nothing is counted."""

    def allocations(self, rank: Rank) -> Iterator[Allocation]:  # noqa: ARG002
        """None."""
        yield from ()


class LocalEngineMemory(EngineMemory):
    """The KV cache and the sampling buffers of one batch, in rollouts or in validation, whichever needs more.

    Args:
        engine: the spec's engine.
    """

    samples_from_policy = True

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine

    def allocations(self, rank: Rank) -> Iterator[Allocation]:
        """The cache is allocated for completions of full length."""
        token = kv_bytes_per_token(rank, rank.compute_bytes)
        cases = []
        module = rank.module
        for sampling, batch in (
            (self.engine.sampling, module.prompts_per_rollout),
            (module.evaluation, rank.val_batch_size),
        ):
            group, completion = sampling.completions_per_prompt, sampling.max_completion_tokens
            prompt = min(module.prompting.max_prompt_tokens, max(1, rank.model.context_length - completion))
            prompts = max(1, min(self.engine.rows_per_batch // group, -(-batch // rank.plan.ranks)))
            formula = f"{prompts} prompts x ({prompt:,} + {group} x {completion:,} tokens) x {token:,} bytes"
            cases.append((prompts * (prompt + group * completion) * token, formula, prompts * group))
        size, formula, rows = max(cases)
        keys = "model.engine.init_args.rows_per_batch and sampling.max_completion_tokens"
        yield Allocation("KV cache", size, formula, (Phase.ROLLOUT,), keys)
        # Copies of the next-token logits in float32: temperature, sorting, probabilities, sampling.
        formula = f"{rows} rows x {rank.model.vocab_size:,} logits x 32 bytes"
        yield Allocation("sampling buffers", rows * rank.model.vocab_size * 32, formula, (Phase.ROLLOUT,))


class ColocatedEngineMemory(EngineMemory):
    """What vLLM reserves on the device: during rollouts, or always if it does not sleep.

    Args:
        engine: the spec's engine.
    """

    def __init__(self, engine: ColocatedEngine) -> None:
        self.engine = engine

    def allocations(self, rank: Rank) -> Iterator[Allocation]:
        """A share of a GPU; on a CPU, weights and KV cache."""
        engine = self.engine
        sleeps = engine.sleep and rank.plan.on_gpu
        keys = "model.engine.init_args.memory_share or cache_gigabytes"
        keys += "" if sleeps or not rank.plan.on_gpu else ", or model.engine.init_args.sleep: true"
        size, formula = self.reserved(rank)
        yield Allocation("vLLM", size, formula, (Phase.ROLLOUT if sleeps else Phase.ALWAYS,), keys)

    def reserved(self, rank: Rank) -> tuple[float, str]:
        """Bytes of weights and KV cache together, and the formula."""
        weights, cache = self.weights(rank), self.engine.cache_gigabytes
        if cache is None and rank.plan.on_gpu:
            formula = f"memory_share {self.engine.memory_share:g} x {rank.gpu_memory / GIB:.1f} GiB"
            return self.engine.memory_share * rank.gpu_memory, formula
        size = VLLM_CPU_CACHE if cache is None else cache * 1e9
        return weights + size, f"{weights / GIB:.1f} GiB of weights + {size / GIB:.1f} GiB of KV cache"

    def weights(self, rank: Rank) -> float:
        """Bytes of vLLM's copy of the weights."""
        return rank.model.parameters * self.item_size(rank)

    def item_size(self, rank: Rank) -> int:
        """Bytes per number in vLLM."""
        return _ITEM_SIZES[self.engine.dtype] if self.engine.dtype else rank.compute_bytes


def kv_bytes_per_token(rank: Rank, item_size: int) -> int:
    """Bytes of the keys and values of one token in all layers."""
    text = rank.model.text
    return 2 * text.count * text.key_width * item_size
