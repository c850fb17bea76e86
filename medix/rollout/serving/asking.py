"""The prompts of one rollout, asked of servers until each has its completions."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from medix.rollout.engine import OnCompletion, RolloutError, StaleEngineError
from medix.rollout.serving.channel import Parcel, WeightChannel
from medix.rollout.serving.client import Client, ServerFault, connected
from medix.rollout.serving.pool import AllDownError, Pool
from medix.rollout.serving.request import longest_answer, request_of
from medix.rollout.serving.server import Server
from medix.rollout.serving.stream import Choice, ChoiceStream
from medix.rollout.vllm_sampling import VLLMSampling
from medix.types import Completion, Prompt, RolloutGroup

REMEDY = (
    "look at what the servers say, start those that are gone (python -m medix rollout serve), or give more time with "
    "engine.request_seconds, engine.publish_seconds and engine.patience"
)
_NAMED = 10  # prompts that a message names
_STALE_AT_MOST = 2  # times that a prompt may be completed by other weights, which are given again in between


@dataclass(frozen=True)
class Given:
    """The weights that the servers have; the same on every rank.

    Args:
        version: what the servers call them.
        policy_version: what the engine calls them.
        parcel: what a server must be told to take them up again; None where it cannot.
        causes: why a server did not take them up; empty for those that did.
    """

    version: str
    policy_version: int
    parcel: Parcel | None
    causes: tuple[str, ...]


@dataclass(frozen=True)
class Limits:
    """How long, and how often.

    Args:
        request_seconds: for all completions of one prompt.
        publish_seconds: for a server to take up weights.
        patience: seconds without any server.
        attempts: times that a prompt is asked.
    """

    request_seconds: float
    publish_seconds: float
    patience: float
    attempts: int


@dataclass(eq=False)
class _Asked:
    """A prompt, what came of it by number of the completion, and who failed at it."""

    prompt: Prompt
    completions: dict[int, Completion] = field(default_factory=dict)
    tried: list[Server] = field(default_factory=list)
    stale: int = 0


class _StaleFault(ServerFault):
    """Completed by other weights."""


class Asking:
    """Asks servers for the groups of some prompts.

    What a server finished before it failed is kept: it was told already, and is as good as what another would write.

    Args:
        servers: all of them.
        channel: gives a server that returns the present weights.
        given: the present weights.
        drawn: how completions are drawn.
        limits: how long, and how often.
        api_key_env: environment variable that holds the servers' key.
        on_completion: told of each completion as it is finished, from the thread of the event loop.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        channel: WeightChannel,
        given: Given,
        drawn: VLLMSampling,
        limits: Limits,
        api_key_env: str,
        on_completion: OnCompletion | None = None,
    ) -> None:
        self.servers = tuple(servers)
        self.channel = channel
        self.given = given
        self.drawn = drawn
        self.limits = limits
        self.api_key_env = api_key_env
        self.on_completion = on_completion

    async def groups(self, prompts: Sequence[Prompt]) -> list[RolloutGroup]:
        """One group per prompt, in order.

        Raises:
            RolloutError: a prompt got no completions, or has no room for them; the message names it.
            StaleEngineError: a server keeps completing with other weights.
        """
        async with connected(self.api_key_env) as client:
            room = await asyncio.gather(*(self._look_at(client, server) for server in self.servers if server.is_up))
            self._check_room(prompts, [length for length in room if length is not None])
            pool = Pool(self.servers, self.limits.patience, lambda server: self._bring_back(client, server))
            try:
                return await self._all(client, pool, [_Asked(prompt) for prompt in prompts])
            finally:
                await pool.close()

    async def _look_at(self, client: Client, server: Server) -> int | None:
        """See that a server is there and has the present weights; its context length, if it says."""
        try:
            await self._bring_back(client, server)
            return await server.context_length(client)
        except ServerFault as fault:
            server.set_aside(fault.cause)
            return None

    async def _bring_back(self, client: Client, server: Server) -> None:
        """See that a server has the present weights, or give them again."""
        if await server.version(client) == self.given.version:
            return
        if self.given.parcel is None:
            raise ServerFault("it has other weights, and gets the present ones with the next publish")
        await self.channel.restore(
            client, server, self.given.version, self.given.parcel, limit=self.limits.publish_seconds
        )

    def _check_room(self, prompts: Sequence[Prompt], lengths: Sequence[int]) -> None:
        limit = self.drawn.sampling.max_completion_tokens
        room = min([*lengths, self.drawn.policy.context_length])
        for prompt in prompts:
            length = len(prompt.token_ids)
            if length + limit > room:
                raise RolloutError(
                    f"sampling.max_completion_tokens: {limit} after the {length} prompt tokens of sample "
                    f"{prompt.sample.id!r} make {length + limit}, and servers and policy have room for {room}; lower "
                    "it, limit the prompts or the size of their images, or start the servers with a larger "
                    "--max-model-len"
                )

    async def _all(self, client: Client, pool: Pool, asked: Sequence[_Asked]) -> list[RolloutGroup]:
        tasks = {asyncio.ensure_future(self._complete(client, pool, one)): one for one in asked}
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            found = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [error for error in found if isinstance(error, Exception)]
        if errors:
            error = errors[0]
            if not isinstance(error, (ServerFault, AllDownError)):
                raise error
            unanswered = [one.prompt for one, came in zip(asked, found, strict=True) if came is not None]
            raise self._error(error, unanswered, len(asked))
        numbers = range(self.drawn.sampling.completions_per_prompt)
        return [
            RolloutGroup(one.prompt, tuple(one.completions[number] for number in numbers), self.given.policy_version)
            for one in asked
        ]

    def _error(self, cause: Exception, prompts: Sequence[Prompt], count: int) -> RolloutError:
        named = ", ".join(repr(prompt.sample.id) for prompt in prompts[:_NAMED])
        more = f" and {len(prompts) - _NAMED} more" if len(prompts) > _NAMED else ""
        kind = StaleEngineError if isinstance(cause, _StaleFault) else RolloutError
        return kind(
            f"no completions for {len(prompts)} of {count} prompts, of the samples {named}{more}: {cause}; {REMEDY}"
        )

    async def _complete(self, client: Client, pool: Pool, asked: _Asked) -> None:
        """Ask until the group is complete."""
        causes: list[str] = []
        while True:
            server = await pool.place(asked.tried)
            try:
                with pool.using(server):
                    await self._ask(client, server, asked)
            except ServerFault as fault:
                causes.append(f"{server.shown}: {fault.cause}")
                asked.stale += isinstance(fault, _StaleFault)
                if not fault.is_own:
                    asked.tried.append(server)
                    pool.set_aside(server, fault.cause)
                if fault.is_own or len(causes) >= self.limits.attempts or asked.stale >= _STALE_AT_MOST:
                    raise type(fault)(f"{len(causes)} attempts ({'; '.join(causes)})") from fault
            else:
                return

    async def _ask(self, client: Client, server: Server, asked: _Asked) -> None:
        """One request to one server."""
        prompt = asked.prompt
        stream = ChoiceStream(self.drawn.count, longest_answer(prompt, self.drawn))
        content = request_of(prompt, self.drawn, self.given.version)
        choices = client.complete(server.address, content, stream, limit=self.limits.request_seconds)
        async with aclosing(choices):
            async for choice in choices:
                if choice.versions != (self.given.version,):
                    had = " and ".join(choice.versions) or "it does not say which"
                    raise _StaleFault(f"it completed with other weights than the present ones ({had})")
                if stream.prompt_token_ids != prompt.token_ids:
                    raise ServerFault("it completed other tokens than those of the prompt", is_own=True)
                self._take(asked, choice)

    def _take(self, asked: _Asked, choice: Choice) -> None:
        count = self.drawn.sampling.completions_per_prompt
        numbers = range(count) if self.drawn.count < count else (choice.index,)
        completion = self.drawn.completion(choice.token_ids, choice.logprobs, choice.finish_reason)
        for number in numbers:
            if number not in asked.completions:
                asked.completions[number] = completion
                if self.on_completion is not None:
                    self.on_completion(asked.prompt, completion)
