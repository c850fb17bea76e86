"""Sampling by vLLM servers on this or other machines, which get the policy's weights after every update."""

import secrets
import threading
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, distributed

from medix.policy.base import Policy
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import OnCompletion, RolloutEngine, RolloutError, Sampling, StaleEngineError
from medix.rollout.serving.asking import REMEDY, Asking, Given, Limits
from medix.rollout.serving.channel import FolderChannel, WeightChannel, Weights
from medix.rollout.serving.client import EngineAddress, run_apart
from medix.rollout.serving.server import Server
from medix.rollout.serving.weight_folder import sizes_of
from medix.rollout.vllm_sampling import VLLMSampling
from medix.rollout.weights import published, stamp
from medix.types import Prompt, RolloutGroup


class ServedEngine(RolloutEngine):
    """Asks servers of vLLM, one request per prompt, so that a prompt and its images are computed once for its group.

    Start them with ``python -m medix rollout serve``. Token ids and the tensors of images go in, token ids and
    log-probabilities come out; a completion is told as soon as it is finished. Prompts go to the server that has fewest
    of them. One that refuses, breaks off or hangs is set aside, its prompts are asked of others, and it is used again
    once it answers and has the present weights.

    Weights are published after every update under a version of their own. Each completion comes with the version of the
    weights that wrote it: one of another version is thrown away, and its server is given the present weights before it
    is asked again. With several ranks the first one publishes and all of them ask; the servers may be the same for all.

    Args:
        sampling: how training completions are drawn.
        base_url: the server, ``http://127.0.0.1:8086``, or several that hold the same model.
        weights: how weights reach the servers; through files on this machine if not given.
        api_key_env: environment variable that holds the servers' key, if they want one; kept nowhere else.
        request_seconds: for all completions of one prompt; a server that takes longer counts as hung.
        publish_seconds: for a server to take up weights.
        patience: seconds without any server that is up, after which a rollout ends with an error.
        attempts: how often a prompt is asked, over all servers.
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
                raise ValueError(f"engine.{name}: {values[name]!r} cannot be; see medix.rollout.ServedEngine")
        self.base_url = base_url
        self.weights = weights or FolderChannel()
        self.api_key_env = api_key_env
        self.request_seconds = request_seconds
        self.publish_seconds = publish_seconds
        self.patience = patience
        self.attempts = attempts
        self.max_concurrency = max_concurrency
        self.servers = tuple(Server(address, max_concurrency) for address in _addresses(base_url))
        # Names the weights of this engine, so that those of an earlier run are never taken for them.
        self._run = secrets.token_hex(4)
        # In a tuple: engines may be attributes of modules, and the policy must not become a part of two.
        self._policy: tuple[VisionLanguagePolicy, ...] = ()
        self._given: Given | None = None
        self._stamp = ""
        # A rollout may run in another thread than the update: weights are exchanged between rollouts, never within one.
        self._exchange = threading.Lock()

    def bind(self, policy: Policy) -> None:
        """Take the policy, and give the servers its weights unless they have them from this engine.

        Raises:
            RolloutError: no server took them up.
        """
        if not isinstance(policy, VisionLanguagePolicy):
            raise TypeError(
                f"engine: ServedEngine samples from a VisionLanguagePolicy, got {type(policy).__name__}; give another "
                "engine, or a policy of that class"
            )
        with self._exchange:
            has_them = self._policy == (policy,) and self._given is not None and self._stamp == stamp(policy)
            self._policy = (policy,)
            # Here the ranks meet: none of them has a rollout under way.
            if not _all_say(has_them):
                self._give(policy)

    def publish(self, policy: Policy) -> None:
        """Give the servers the policy's present weights, once no rollout is under way; every rank calls it.

        Raises:
            RolloutError: no server took them up.
        """
        with self._exchange:
            super().publish(policy)
            self._given = None
        self.bind(policy)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._given = None  # the weights are others, whatever their number

    def close(self) -> None:
        self.weights.close()
        self._given = None

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
            if self._given is None:
                raise StaleEngineError("engine: the servers have no weights of this policy; call bind(policy) first")
            if not prompts:
                return []
            drawn = VLLMSampling(self._policy[0], sampling or self.sampling)
            limits = Limits(self.request_seconds, self.publish_seconds, self.patience, self.attempts)
            asking = Asking(self.servers, self.weights, self._given, drawn, limits, self.api_key_env, on_completion)
            return run_apart(lambda: asking.groups(prompts))

    def _give(self, policy: VisionLanguagePolicy) -> None:
        """Weights to the servers, by the first rank; all ranks learn what became of it."""

        def weights() -> Iterable[tuple[str, Tensor]]:
            return published(policy)

        self._given = None
        told: list[Given | str] = [""]
        if _rank() == 0:
            told = [self._outcome(weights, policy)]
        else:
            self.weights.join(weights)
        if _is_distributed():
            distributed.broadcast_object_list(told, src=0)
        [outcome] = told
        if isinstance(outcome, str):
            raise RolloutError(outcome)
        self._given, self._stamp = outcome, stamp(policy)
        for server, cause in zip(self.servers, outcome.causes, strict=True):
            if cause:
                server.set_aside(cause)
            else:
                server.is_up = True

    def _outcome(self, weights: Weights, policy: VisionLanguagePolicy) -> Given | str:
        """What the servers have now, or why they have nothing: the other ranks wait for either."""
        try:
            return self._publish(weights, policy)
        except OSError as error:
            return f"engine.weights: the weights could not be written ({error}); make room, or name another folder"
        except Exception as error:
            if not _is_distributed():
                raise
            return f"engine.weights: the weights could not be published ({type(error).__name__}: {error})"

    def _publish(self, weights: Weights, policy: VisionLanguagePolicy) -> Given | str:
        version = f"medix-{self._run}-{self.policy_version}"
        parcel = self.weights.publish(
            self.servers,
            version,
            weights,
            sizes_of(policy.config),
            api_key_env=self.api_key_env,
            limit=self.publish_seconds,
        )
        causes = tuple("" if server.is_up else server.cause for server in self.servers)
        failed = [f"{server.shown}: {server.cause}" for server in self.servers if not server.is_up]
        if len(failed) == len(self.servers):
            return f"no server took up the weights of version {self.policy_version} ({'; '.join(failed)}); {REMEDY}"
        for line in failed:
            warnings.warn(f"a server of completions is set aside: {line}", stacklevel=5)
        return Given(version, self.policy_version, parcel, causes)


def _rank() -> int:
    return distributed.get_rank() if _is_distributed() else 0


def _is_distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _all_say(holds: bool) -> bool:
    """Whether it holds on every rank: what follows is work of all of them or of none."""
    if not _is_distributed():
        return holds
    said: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(said, holds)
    return all(said)


def _addresses(base_url: str | list[str]) -> list[EngineAddress]:
    urls = [base_url] if isinstance(base_url, str) else list(base_url)
    try:
        # A judge's address ends so, and hands know no other.
        addresses = [EngineAddress(url.removesuffix("/").removesuffix("/v1")) for url in urls]
    except ValueError as error:
        raise ValueError(f"engine.base_url: {error}") from None
    if not addresses or len({address.at("") for address in addresses}) < len(addresses):
        shown = [address.shown for address in addresses]
        raise ValueError(f"engine.base_url: {shown} has to name one server or several different ones")
    return addresses
