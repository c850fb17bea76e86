"""The memory that a rollout engine takes of a rank: one class for each kind of engine."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from medix.commands.doctor_ledger import Moment, Need
from medix.commands.doctor_machine import GIB
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import RolloutEngine
from medix.rollout.local import LocalEngine

if TYPE_CHECKING:
    from medix.commands.doctor_needs import Needs

CPU_CACHE = 4 * GIB
"""What vLLM takes for keys and values on a CPU unless it is told otherwise."""
_BYTES = {"float32": 4, "bfloat16": 2}


class EngineNeeds(ABC):
    """What one engine takes of a rank's memory."""

    samples_from_the_policy = False
    """Whether the policy's own weights are needed whole while completions are sampled."""

    @abstractmethod
    def needs(self, rank: "Needs") -> Iterator[Need]:
        """Beside the policy."""

    @classmethod
    def of(cls, engine: RolloutEngine) -> "EngineNeeds":
        """By the kind of engine."""
        if isinstance(engine, LocalEngine):
            return LocalNeeds(engine)
        if isinstance(engine, ColocatedEngine):
            return ColocatedNeeds(engine)
        return NoNeeds()


class NoNeeds(EngineNeeds):
    """Of an engine on other devices, and of one that is not known here."""

    def needs(self, rank: "Needs") -> Iterator[Need]:  # noqa: ARG002
        """Nothing."""
        yield from ()


class LocalNeeds(EngineNeeds):
    """Keys and values of all rows of a batch, in rollouts and in validation, whichever takes more.

    Args:
        engine: of the spec.
    """

    samples_from_the_policy = True

    def __init__(self, engine: LocalEngine) -> None:
        self.engine = engine

    def needs(self, rank: "Needs") -> Iterator[Need]:
        """The cache has room for completions of full length from the start."""
        token = token_bytes(rank, rank.compute_bytes)
        cases = []
        module = rank.module
        for sampling, batch in (
            (self.engine.sampling, module.prompts_per_rollout),
            (module.evaluation, rank.evaluated),
        ):
            group, completion = sampling.completions_per_prompt, sampling.max_completion_tokens
            prompt = min(module.prompting.max_prompt_tokens, max(1, rank.model.context - completion))
            prompts = max(1, min(self.engine.rows_per_batch // group, -(-batch // rank.plan.ranks)))
            how = f"{prompts} prompts x ({prompt:,} + {group} x {completion:,} tokens) x {token:,} bytes"
            cases.append((prompts * (prompt + group * completion) * token, how, prompts * group))
        size, how, rows = max(cases)
        lower = "model.engine.init_args.rows_per_batch and sampling.max_completion_tokens"
        yield Need("cache of the engine", size, f"{how} of keys and values", Moment.ROLLOUT, lower)
        how = f"{rows} rows x {rank.model.vocabulary:,} scores x 32 bytes"
        yield Need("next tokens", rows * rank.model.vocabulary * 32, how, Moment.ROLLOUT)


class ColocatedNeeds(EngineNeeds):
    """vLLM's share of the device, there in rollouts or, if it does not sleep, always.

    Args:
        engine: of the spec.
    """

    def __init__(self, engine: ColocatedEngine) -> None:
        self.engine = engine

    def needs(self, rank: "Needs") -> Iterator[Need]:
        """Of a GPU a share, of main memory weights and cache."""
        engine = self.engine
        asleep = engine.sleep and rank.plan.on_gpu
        lower = "model.engine.init_args.memory_share or cache_gigabytes"
        lower += "" if asleep or not rank.plan.on_gpu else ", or model.engine.init_args.sleep: true"
        size, how = self.share(rank)
        yield Need("vLLM", size, how, Moment.ROLLOUT if asleep else Moment.ALWAYS, lower)

    def share(self, rank: "Needs") -> tuple[float, str]:
        """Bytes of weights and cache, and their arithmetic."""
        weights, cache = self.weights(rank), self.engine.cache_gigabytes
        if cache is None and rank.plan.on_gpu:
            how = f"memory_share {self.engine.memory_share:g} x {rank.device / GIB:.1f} GiB"
            return self.engine.memory_share * rank.device, how
        kept = CPU_CACHE if cache is None else cache * 1e9
        return weights + kept, f"{weights / GIB:.1f} GiB of weights + {kept / GIB:.1f} GiB of keys and values"

    def weights(self, rank: "Needs") -> float:
        """Bytes of vLLM's copy."""
        return rank.model.parameters * self.width(rank)

    def width(self, rank: "Needs") -> int:
        """Bytes of one number in vLLM."""
        return _BYTES[self.engine.dtype or rank.policy.dtype]


def token_bytes(rank: "Needs", width: int) -> int:
    """Keys and values of one token in all layers."""
    text = rank.model.text
    return 2 * text.count * text.keys * width
