"""Whether the rollout engine of a spec can do what it is asked for."""

from collections.abc import Iterator

from medix.commands.doctor_check import Check, Finding, State
from medix.commands.doctor_engine_needs import ColocatedNeeds, token_bytes
from medix.commands.doctor_machine import gib
from medix.commands.doctor_needs import Needs
from medix.commands.doctor_subject import Subject
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.served import ServedEngine

ROWS = 8
"""Completions of full length at the same time, below which sampling is slow."""


class EngineCheck(Check):
    """The room of a colocated engine for its longest row, or the servers of a served one."""

    name = "engine"
    late = State.PROBLEM

    def look(self, subject: Subject) -> Iterator[Finding]:
        """By the kind of engine."""
        engine = subject.module.engine
        if isinstance(engine, ColocatedEngine):
            yield from self._colocated(subject, engine)
        elif isinstance(engine, ServedEngine):
            yield from self._served(subject, engine)
        else:
            yield self.ok(f"{type(engine).__name__} samples in the processes of training")

    def _colocated(self, subject: Subject, engine: ColocatedEngine) -> Iterator[Finding]:
        """Weights and cache within the share, one row of full length within the cache."""
        rank, use = Needs.of(subject), ColocatedNeeds(engine)
        share, how = use.share(rank)
        if not share:
            yield self.warning("model.engine: how much of a GPU vLLM gets is not known without one", "give --gpus")
            return
        weights, token = use.weights(rank), token_bytes(rank, use.width(rank))
        room = max(0.0, share - weights)
        longest = min(engine.max_context or rank.model.context, rank.model.context)
        wanted = sum(rank.longest)
        text = (
            f"model.engine: {how} = {gib(share)} - {gib(weights)} of weights = {gib(room)} for keys and values = "
            f"{int(room / token):,} tokens of {token:,} bytes"
        )
        if longest < wanted:
            found = (
                f"model.engine.init_args.max_context: {longest:,}, but prompts and completions have {wanted:,} tokens"
            )
            yield self.problem(found, f"set model.engine.init_args.max_context to {wanted}")
        if room < longest * token:
            text += f"; one row has {longest:,} (max_context)"
            remedy = f"raise memory_share or cache_gigabytes, or set model.engine.init_args.max_context: {wanted}"
            yield self.problem(text, remedy)
        elif room < ROWS * wanted * token:
            text += f": {room / token / wanted:.1f} rows of full length at a time"
            yield self.warning(
                text, "sampling will be slow; raise model.engine.init_args.memory_share or cache_gigabytes"
            )
        else:
            yield self.ok(f"{text}: {int(room / token / wanted)} rows of full length at a time")

    def _served(self, subject: Subject, engine: ServedEngine) -> Iterator[Finding]:
        """Whether each server is up, exchanges weights, and has room."""
        wanted = subject.module.prompting.max_prompt_tokens + engine.sampling.max_completion_tokens

        for server in engine.check_servers():
            key = f"model.engine.init_args.base_url: {server.address}"
            if server.cause:
                name = getattr(subject.module.policy, "name", "MODEL")
                yield self.problem(f"{key}: {server.cause}", f"start it: python -m medix rollout serve --model {name}")
            elif (room := server.context_length) is not None and room < wanted:
                text = f"{key} has room for {room:,} tokens; a prompt and its completion may have {wanted:,}"
                yield self.warning(text, "start it with more room, or lower model.prompting.max_prompt_tokens")
            else:
                yield self.ok(f"{key} is up and exchanges weights")
