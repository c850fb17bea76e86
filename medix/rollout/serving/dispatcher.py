"""The prompts of one rollout, sent to servers until each has its completions."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from medix.rollout.engine import OnCompletion, RolloutError, StaleEngineError
from medix.rollout.serving.channel import PublishedWeights, WeightChannel
from medix.rollout.serving.request import longest_answer, request_of
from medix.rollout.serving.server import SHORT_LIMIT, Server
from medix.rollout.serving.stream import Choice, ChoiceStream
from medix.rollout.vllm_sampling import VLLMSampling
from medix.serving.endpoint import Endpoint
from medix.serving.outcome import Outcome
from medix.serving.pool import AllDownError
from medix.serving.request_error import RequestError
from medix.serving.session import Session
from medix.serving.task_group import run_all
from medix.types import Completion, Prompt, RolloutGroup

REMEDY = (
    "look at what the servers say, start those that are gone (python -m medix rollout serve), or give more time with "
    "engine.request_seconds, engine.publish_seconds and engine.patience"
)
_NAMED = 10  # prompts that a message names
_FINAL = frozenset((400, 413, 422))  # statuses of a request that no server will answer
_MAX_STALE = 2  # times that a prompt may be completed with other weights, which are replaced in between


@dataclass(frozen=True)
class Limits:
    """How long, and how often.

    Args:
        request_seconds: for all completions of one prompt.
        publish_seconds: for a server to load weights.
        attempts: how often a prompt is sent.
    """

    request_seconds: float
    publish_seconds: float
    attempts: int


@dataclass(eq=False)
class _Task:
    """A prompt, its completions by index, and the servers that failed at it."""

    prompt: Prompt
    completions: dict[int, Completion] = field(default_factory=dict)
    tried: list[Endpoint] = field(default_factory=list)
    stale: int = 0


class _StaleError(RequestError):
    """Completed with other weights."""


class Dispatcher:
    """Gets groups for some prompts from the servers of a session.

    What a server finished before it failed is kept: it was reported already, and is as good as what another would
    write.

    Args:
        channel: gives a server that returns the present weights.
        published: the present weights.
        policy_version: of these weights.
        asked: how completions are sampled.
        limits: how long, and how often.
        on_completion: called with each completion as it is finished, from the thread of the event loop.
    """

    def __init__(
        self,
        channel: WeightChannel,
        published: PublishedWeights,
        policy_version: int,
        asked: VLLMSampling,
        limits: Limits,
        on_completion: OnCompletion | None = None,
    ) -> None:
        self.channel = channel
        self.published = published
        self.policy_version = policy_version
        self.asked = asked
        self.limits = limits
        self.on_completion = on_completion

    async def groups(self, session: Session, prompts: Sequence[Prompt]) -> list[RolloutGroup]:
        """One group per prompt, in order.

        Raises:
            RolloutError: a prompt got no completions, or has no room for them; the message names it.
            StaleEngineError: a server keeps completing with other weights.
        """
        pool = session.pool
        # a server that hangs must not keep the others waiting for as long as a publish may take
        limit = min(self.limits.publish_seconds, max(pool.patience, SHORT_LIMIT))
        lengths = await run_all(self._check(session, one, limit) for one in pool.endpoints if one.is_up)
        self._check_room(prompts, [length for length in lengths if length is not None])
        async with pool.preparing(lambda one: self._prepare(Server(session, one.address), self.limits.publish_seconds)):
            return await self._all(session, [_Task(prompt) for prompt in prompts])

    async def _check(self, session: Session, endpoint: Endpoint, limit: float) -> int | None:
        """Check that a server is up and has the present weights; its context length, if it reports it."""
        server = Server(session, endpoint.address)
        try:
            await self._prepare(server, limit)
            return await server.context_length()
        except RequestError as error:
            endpoint.set_aside(error.cause, asyncio.get_running_loop().time())
            return None

    async def _prepare(self, server: Server, limit: float) -> None:
        """Give a server the present weights unless it has them."""
        if await server.version() == self.published.version:
            return
        if self.published.manifest is None:
            raise RequestError("it has other weights, and gets the present ones with the next publish")
        await self.channel.restore(server, self.published.version, self.published.manifest, limit=limit)

    def _check_room(self, prompts: Sequence[Prompt], lengths: Sequence[int]) -> None:
        limit = self.asked.sampling.max_completion_tokens
        room = min([*lengths, self.asked.policy.context_length])
        for prompt in prompts:
            length = len(prompt.token_ids)
            if length + limit > room:
                raise RolloutError(
                    f"sampling.max_completion_tokens: {limit} after the {length} prompt tokens of sample "
                    f"{prompt.sample.id!r} make {length + limit}, and servers and policy have room for {room}; lower "
                    "it, limit the prompts or the size of their images, or start the servers with a larger "
                    "--max-model-len"
                )

    async def _all(self, session: Session, tasks: Sequence[_Task]) -> list[RolloutGroup]:
        running = {asyncio.ensure_future(self._complete(session, task)): task for task in tasks}
        try:
            await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for future in running:
                future.cancel()
            found = await asyncio.gather(*running, return_exceptions=True)
        errors = [error for error in found if isinstance(error, Exception)]
        if errors:
            error = errors[0]
            if not isinstance(error, (RequestError, AllDownError)):
                raise error
            unanswered = [task.prompt for task, result in zip(tasks, found, strict=True) if result is not None]
            raise self._error(error, unanswered, len(tasks))
        numbers = range(self.asked.sampling.completions_per_prompt)
        return [
            RolloutGroup(task.prompt, tuple(task.completions[number] for number in numbers), self.policy_version)
            for task in tasks
        ]

    def _error(self, error: RequestError | AllDownError, prompts: Sequence[Prompt], count: int) -> RolloutError:
        named = ", ".join(repr(prompt.sample.id) for prompt in prompts[:_NAMED])
        more = f" and {len(prompts) - _NAMED} more" if len(prompts) > _NAMED else ""
        cause = str(error)
        if isinstance(error, AllDownError):
            since = "" if error.seconds is None else f" for {error.seconds:.1f} s"
            cause = f"no server has been up{since} ({error.causes})"
        kind = StaleEngineError if isinstance(error, _StaleError) else RolloutError
        return kind(
            f"no completions for {len(prompts)} of {count} prompts, of the samples {named}{more}: {cause}; {REMEDY}"
        )

    async def _complete(self, session: Session, task: _Task) -> None:
        """Send a prompt until its group is complete."""
        causes: list[str] = []
        while True:
            lease = await session.pool.acquire(task.tried, task.tried)
            endpoint = lease.endpoint
            try:
                with session.pool.using(lease):
                    await self._ask(Server(session, endpoint.address), task)
            except RequestError as error:
                causes.append(f"{endpoint.address.shown}: {error.cause}")
                task.stale += isinstance(error, _StaleError)
                task.tried.append(endpoint)
                is_final = error.outcome is Outcome.DECLINED  # by every other server, too
                if is_final or len(causes) >= self.limits.attempts or task.stale >= _MAX_STALE:
                    raise type(error)(f"{len(causes)} attempts ({'; '.join(causes)})") from error
            else:
                return

    async def _ask(self, server: Server, task: _Task) -> None:
        """One request to one server."""
        prompt = task.prompt
        stream = ChoiceStream(self.asked.count, longest_answer(prompt, self.asked))
        content = request_of(prompt, self.asked, self.published.version)
        try:
            async with aclosing(server.complete(content, stream, limit=self.limits.request_seconds)) as choices:
                async for choice in choices:
                    if choice.versions != (self.published.version,):
                        had = " and ".join(choice.versions) or "it does not say which"
                        raise _StaleError(f"it completed with other weights than the present ones ({had})")
                    if stream.prompt_token_ids != prompt.token_ids:
                        raise RequestError("it completed other tokens than those of the prompt", Outcome.REFUSED)
                    self._check_tokens(choice)
                    self._take(task, choice)
        except RequestError as error:
            if error.status and error.status not in _FINAL and error.outcome is Outcome.DECLINED:
                error.outcome = Outcome.FAILED  # its address leads to something else than a vLLM server
            raise

    def _check_tokens(self, choice: Choice) -> None:
        """The policy looks the tokens up in its embeddings: another number would end the run, on a GPU obscurely."""
        known = int(self.asked.policy.config.get_text_config().vocab_size)
        limit = self.asked.sampling.max_completion_tokens
        if not 0 <= min(choice.token_ids) <= max(choice.token_ids) < known:
            raise RequestError(f"it completed with a token that is none of the {known} of the policy")
        if len(choice.token_ids) > limit:
            raise RequestError(f"it completed with {len(choice.token_ids)} tokens, and {limit} were asked for")

    def _take(self, task: _Task, choice: Choice) -> None:
        count = self.asked.sampling.completions_per_prompt
        numbers = range(count) if self.asked.count < count else (choice.index,)
        completion = self.asked.completion(choice.token_ids, choice.logprobs, choice.finish_reason)
        for number in numbers:
            if number not in task.completions:
                task.completions[number] = completion
                if self.on_completion is not None:
                    self.on_completion(task.prompt, completion)
