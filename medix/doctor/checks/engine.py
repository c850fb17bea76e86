"""Whether the rollout engine has room for the longest rows, and whether its servers answer."""

from collections.abc import Iterator

from medix.doctor.checks.base import Check
from medix.doctor.engine_memory import ColocatedEngineMemory, kv_bytes_per_token
from medix.doctor.findings import Finding, State
from medix.doctor.machine import gib
from medix.doctor.rank import Rank
from medix.doctor.subject import Subject
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.served import ServedEngine

CONCURRENT_ROWS = 8
"""Rows of full length in the KV cache below which sampling is slow."""


class EngineCheck(Check):
    """The KV cache of a colocated engine, or the servers of a served one."""

    name = "engine"
    state_on_timeout = State.PROBLEM

    def look(self, subject: Subject) -> Iterator[Finding]:
        """By the kind of engine."""
        engine = subject.module.engine
        if isinstance(engine, ColocatedEngine):
            yield from self._colocated(subject, engine)
        elif isinstance(engine, ServedEngine):
            yield from self._served(subject, engine)
        else:
            yield self.ok(f"{type(engine).__name__} samples in the training processes; there is nothing to check")

    def _colocated(self, subject: Subject, engine: ColocatedEngine) -> Iterator[Finding]:
        """Whether the reserved memory holds the weights and a KV cache for at least one row."""
        rank, memory = Rank.of(subject), ColocatedEngineMemory(engine)
        reserved, formula = memory.reserved(rank)
        if not reserved:
            text = "model.engine: this machine has no GPU, so the memory reserved for vLLM is unknown"
            yield self.warning(text, "describe the GPUs of the machine that will train: --gpus 8x80")
            return
        weights, token = memory.weights(rank), kv_bytes_per_token(rank, memory.item_size(rank))
        room = max(0.0, reserved - weights)
        longest = min(engine.max_context or rank.model.context_length, rank.model.context_length)
        needed = rank.prompt_tokens + rank.completion_tokens
        text = (
            f"model.engine: {formula} = {gib(reserved)} - {gib(weights)} of weights = {gib(room)} of KV cache = "
            f"{int(room / token):,} tokens of {token:,} bytes"
        )
        if longest < needed:
            found = f"model.engine.init_args.max_context: {longest:,}, but a row may have {needed:,} tokens"
            yield self.problem(found, f"set model.engine.init_args.max_context to {needed}")
        if room < longest * token:
            text += f"; vLLM needs room for one row of max_context = {longest:,}"
            remedy = f"raise memory_share or cache_gigabytes, or set model.engine.init_args.max_context: {needed}"
            yield self.problem(text, remedy)
        elif room < CONCURRENT_ROWS * needed * token:
            text += f": {room / token / needed:.1f} rows of full length at the same time"
            remedy = "raise model.engine.init_args.memory_share or cache_gigabytes, otherwise sampling is slow"
            yield self.warning(text, remedy)
        else:
            yield self.ok(f"{text}: {int(room / token / needed)} rows of full length at the same time")

    def _served(self, subject: Subject, engine: ServedEngine) -> Iterator[Finding]:
        """Whether each server runs, accepts new weights, and has room for the longest row."""
        needed = subject.module.prompting.max_prompt_tokens + engine.sampling.max_completion_tokens

        for server in engine.check_servers():
            key = f"model.engine.init_args.base_url: {server.address}"
            if server.cause:
                name = getattr(subject.module.policy, "name", "MODEL")
                yield self.problem(f"{key}: {server.cause}", f"start it: python -m medix rollout serve --model {name}")
            elif (room := server.context_length) is not None and room < needed:
                text = f"{key} has a context of {room:,} tokens; a prompt and its completion may have {needed:,}"
                yield self.warning(text, "start it with a longer context, or lower model.prompting.max_prompt_tokens")
            else:
                yield self.ok(f"{key} is running and accepts weights")
