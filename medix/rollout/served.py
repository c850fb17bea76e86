"""Sampling by vLLM servers on this or other machines, which get the policy's weights after every update."""

import asyncio
import secrets
import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from medix.distributed import all_agree, broadcast, rank, world_size
from medix.policy.base import Policy
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import OnCompletion, RolloutEngine, RolloutError, Sampling, StaleEngineError
from medix.rollout.serving.channel import FolderChannel, PublishedWeights, WeightChannel
from medix.rollout.serving.dispatcher import REMEDY, Dispatcher, Limits
from medix.rollout.serving.server import Server
from medix.rollout.serving.weight_folder import sizes_of
from medix.rollout.vllm_sampling import VLLMSampling
from medix.rollout.weights import check_served, published, weights_fingerprint
from medix.serving.address import Address, addresses_of
from medix.serving.client import AsyncClient
from medix.serving.endpoint import EndpointSettings
from medix.serving.request_error import RequestError
from medix.serving.session import Session
from medix.serving.task_group import run_all
from medix.types import Prompt, RolloutGroup


@dataclass(frozen=True)
class ServerCheck:
    """What was found of one server.

    Attributes:
        address: without its query.
        context_length: in tokens; None if the server does not report it.
        cause: why it cannot be used; empty if it can.
    """

    address: str
    context_length: int | None = None
    cause: str = ""


class ServedEngine(RolloutEngine):
    """Samples from vLLM servers, one request per prompt, so that a prompt and its images are computed once per group.

    Start them with ``python -m medix rollout serve``. Token ids and image tensors are sent; token ids and
    log-probabilities come back, and a completion is reported as soon as it is finished. A prompt goes to the server
    with most capacity free. A server that returns an error, breaks off or hangs is set aside, its prompts are sent to
    others, and it is used again once it answers and has the present weights.

    Weights are published after every update under a version of their own, in the widest dtype of the servers: to
    servers in bfloat16, float32 weights take half of their bytes. Each completion names the version of the
    weights that wrote it: one of another version is discarded, and its server is given the present weights before it
    is used again. With several ranks the first one publishes and all of them sample; the servers may be the same for
    all.

    Args:
        sampling: how training completions are drawn.
        base_url: the server, ``http://127.0.0.1:8086``, or several that hold the same model.
        weights: how weights reach the servers; through files on this machine if not given.
        api_key_env: environment variable that holds the servers' key, if they want one; kept nowhere else.
        request_seconds: for all completions of one prompt; a server that takes longer counts as hung.
        publish_seconds: for a server to load weights.
        patience: seconds without any server that is up, after which a rollout ends with an error. A server that is
            loading weights by then is given at most 30 s more.
        attempts: how often a prompt is sent, over all servers.
        max_concurrency: most prompts at the same time, for each server and rank.
    """

    samples_elsewhere = True

    def __init__(
        self,
        sampling: Sampling,
        base_url: str | list[str],
        weights: WeightChannel | None = None,
        api_key_env: str = "MEDIX_ENGINE_KEY",
        request_seconds: float = 600.0,
        publish_seconds: float = 600.0,
        patience: float = 120.0,
        attempts: int = 4,
        max_concurrency: int = 64,
    ) -> None:
        super().__init__(sampling)
        checks = {
            "request_seconds": request_seconds > 0,
            "publish_seconds": publish_seconds > 0,
            "patience": patience >= 0,
            "attempts": attempts >= 1,
            "max_concurrency": max_concurrency >= 1,
        }
        values = locals()
        for name, holds in checks.items():
            if not holds:
                raise ValueError(f"engine.{name}: {values[name]!r} is out of range; see medix.rollout.ServedEngine")
        self.base_url = base_url
        self.weights = weights or FolderChannel()
        self.api_key_env = api_key_env
        self.request_seconds = request_seconds
        self.publish_seconds = publish_seconds
        self.patience = patience
        self.attempts = attempts
        self.max_concurrency = max_concurrency
        settings = EndpointSettings(max_concurrency, set_aside_after=1)
        addresses = _addresses(base_url)
        self._client = AsyncClient(addresses, api_key_env, settings, patience, "medix-rollout", keep_alive=False)
        # Identifies the weights of this engine, so that those of an earlier run are never taken for them.
        self._run = secrets.token_hex(4)
        # In a tuple: engines may be attributes of modules, and the policy must not be registered as a submodule twice.
        self._policy: tuple[VisionLanguagePolicy, ...] = ()
        self._published: PublishedWeights | None = None
        self._fingerprint = ""
        # A rollout may run in another thread than the update: weights are exchanged between rollouts, never within one.
        self._exchange = threading.Lock()

    def bind(self, policy: Policy) -> None:
        """Use this policy, and give the servers its weights unless they have them from this engine.

        Raises:
            RolloutError: no server loaded them.
            ValueError: vLLM cannot hold weights of this policy.
        """
        if not isinstance(policy, VisionLanguagePolicy):
            raise TypeError(
                f"engine: ServedEngine samples from a VisionLanguagePolicy, got {type(policy).__name__}; give another "
                "engine, or a policy of that class"
            )
        if policy.model is not None:
            check_served(policy)
        with self._exchange:
            is_same = self._policy == (policy,) and self._published is not None
            is_published = is_same and self._fingerprint == weights_fingerprint(policy)
            self._policy = (policy,)
            # The ranks meet here: none of them has a rollout under way.
            if not all_agree(is_published):
                self._publish(policy)

    def publish(self, policy: Policy) -> None:
        """Give the servers the policy's present weights, once no rollout is under way; every rank calls it.

        Raises:
            RolloutError: no server loaded them.
        """
        with self._exchange:
            super().publish(policy)
            self._published = None
        self.bind(policy)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._published = None  # the weights are others, whatever their number

    def close(self) -> None:
        self._client.close()
        self.weights.close()
        self._published = None

    def rollout(
        self,
        prompts: Sequence[Prompt],
        on_completion: OnCompletion | None = None,
        sampling: Sampling | None = None,
    ) -> list[RolloutGroup]:
        """One group per prompt, in order.

        Raises:
            RolloutError: a prompt got no completions; the message names it.
            StaleEngineError: a server keeps completing with other weights.
        """
        if not self._policy:
            raise RuntimeError("the engine has no policy to sample from; call bind(policy) first")
        with self._exchange:
            if self._published is None:
                raise StaleEngineError("engine: the servers have no weights of this policy; call bind(policy) first")
            if not prompts:
                return []
            asked = VLLMSampling(self._policy[0], sampling or self.sampling)
            limits = Limits(self.request_seconds, self.publish_seconds, self.attempts)
            version = self.policy_version
            dispatcher = Dispatcher(self.weights, self._published, version, asked, limits, on_completion)
            return self._client.run(lambda session: dispatcher.groups(session, prompts))

    def check_servers(self) -> list[ServerCheck]:
        """Ask each server for the version of its weights and its context length."""

        async def check(session: Session, address: Address) -> ServerCheck:
            server = Server(session, address)
            try:
                await server.version()
                return ServerCheck(address.shown, await server.context_length())
            except RequestError as error:
                return ServerCheck(address.shown, cause=error.cause)

        async def check_all(session: Session) -> list[ServerCheck]:
            return await run_all(check(session, address) for address in self._client.addresses)

        return self._client.run(check_all)

    def dtype_of_servers(self) -> torch.dtype | None:
        """The widest dtype of the servers that answer; None if that of one is unknown, or none answers.

        Weights are published in it where those of the policy are wider.
        """

        async def ask(session: Session, address: Address) -> tuple[torch.dtype | None, ...]:
            try:
                return (await Server(session, address).dtype(),)
            except RequestError as error:
                # Without a status it does not answer, and gets no weights now; later its dtype is compared with them.
                return (None,) if error.status else ()

        async def ask_all(session: Session) -> list[tuple[torch.dtype | None, ...]]:
            return await run_all(ask(session, address) for address in self._client.addresses)

        dtypes = [dtype for answer in self._client.run(ask_all) for dtype in answer]
        known = [dtype for dtype in dtypes if dtype is not None]
        return max(known, key=lambda dtype: dtype.itemsize) if known and len(known) == len(dtypes) else None

    def _publish(self, policy: VisionLanguagePolicy) -> None:
        """Weights to the servers, by the first rank; all ranks learn of the outcome."""
        self._published = None
        outcome: PublishedWeights | str = ""
        if rank() == 0:
            outcome = self._outcome(policy)
        else:
            self.weights.join(lambda: published(policy))
        outcome = broadcast(outcome)
        if isinstance(outcome, str):
            raise RolloutError(outcome)
        self._published, self._fingerprint = outcome, weights_fingerprint(policy)
        causes = outcome.causes

        async def apply(session: Session) -> None:
            for endpoint, cause in zip(session.pool.endpoints, causes, strict=True):
                if cause:
                    endpoint.set_aside(cause, asyncio.get_running_loop().time())
                else:
                    endpoint.recover()

        self._client.run(apply)

    def _outcome(self, policy: VisionLanguagePolicy) -> PublishedWeights | str:
        """What the servers have now, or why they have nothing: the other ranks wait for either."""
        version = f"medix-{self._run}-{self.policy_version}"
        try:
            dtype = self.dtype_of_servers()
            narrows = dtype is not None and any(one.dtype.itemsize > dtype.itemsize for one in policy.parameters())
            further = {"narrowed_to": str(dtype).removeprefix("torch.")} if narrows else {}
            found = self.weights.publish(
                self._client,
                version,
                lambda: published(policy, dtype=dtype),
                sizes_of(policy.config),
                limit=self.publish_seconds,
                **further,
            )
        except OSError as error:
            return f"engine.weights: the weights could not be written ({error}); make room, or name another folder"
        except Exception as error:
            if world_size() == 1:
                raise
            return f"engine.weights: the weights could not be published ({type(error).__name__}: {error})"
        addresses = self._client.addresses
        failed = [f"{one.shown}: {cause}" for one, cause in zip(addresses, found.causes, strict=True) if cause]
        if len(failed) == len(addresses):
            return f"no server loaded the weights of version {self.policy_version} ({'; '.join(failed)}); {REMEDY}"
        for text in failed:
            warnings.warn(f"a rollout server is set aside: {text}", stacklevel=5)
        return found


def _addresses(base_url: str | list[str]) -> tuple[Address, ...]:
    # a trailing /v1, as in judge URLs, is accepted
    urls = [base_url] if isinstance(base_url, str) else base_url
    return addresses_of([url.removesuffix("/").removesuffix("/v1") for url in urls], "engine")
