"""Sampling by vLLM in this process, on the policy's own device."""

from collections.abc import Callable, Sequence
from time import monotonic
from typing import Literal, TypeVar

import torch

from medix.policy.base import Policy
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import OnCompletion, RolloutEngine, RolloutError, Sampling, StaleEngineError
from medix.rollout.token_picker import DIVERGED
from medix.rollout.vllm_core import CoreSettings, OverdueError, Request, VLLMCore
from medix.rollout.vllm_sampling import VLLMSampling
from medix.rollout.weights import Tally, check_served, published, published_adapter, weights_fingerprint
from medix.rollout.worker_thread import StalledError, WorkerThread
from medix.types import Completion, Prompt, RolloutGroup

T = TypeVar("T")

_TWO_WAY_IMAGES = frozenset({"gemma3"})
"""Model types in which the tokens of an image see each other in both directions; vLLM 0.32 does not so on a CPU."""


class ColocatedEngine(RolloutEngine):
    """vLLM beside the policy: each rank has one of its own, on its own device.

    vLLM is started by the first rollout and has a copy of the weights, which it gets there and with every ``publish``;
    all its caches are emptied then. Every prompt is one request for all its completions, so that the prompt and its
    images are computed once. A completion is told of as soon as it is finished, from vLLM's own thread.

    Before each rollout the policy's weights are compared with those that were published, by some elements of each
    (``medix.rollout.weights.weights_fingerprint``): an update that nobody published stops the run.

    The same prompts, seed and weights give the same completions on one machine, but other ones than ``LocalEngine``
    draws, except greedily. Needs vLLM: ``make install-vllm``.

    Args:
        sampling: how training completions are drawn.
        memory_share: of the device's memory, for vLLM's weights and its cache of keys and values.
        cache_gigabytes: for that cache, whatever ``memory_share`` leaves; to be set on a CPU.
        max_context: tokens of a prompt and its completion together; as many as the model is made for if not given,
            for which the cache must then have room.
        max_rows: completions decoded at the same time.
        dtype: of vLLM's copy of the weights, in which they are published; that of the policy's passes if not given:
            bfloat16 under ``trainer.precision: bf16-mixed``.
        enforce_eager: start in seconds, without compilation and captured graphs, and sample more slowly.
        sleep: give the memory back after each rollout, for the update. On a CPU it is kept.
        publish_adapter_only: publish a LoRA adapter and not the merged weights: less to copy, and computed as the
            policy computes it. Wants ``policy.freeze_vision``.
        start_seconds: until vLLM has started.
        silent_seconds: without a token of any prompt, after which vLLM counts as hung.
        request_seconds: for all completions of a prompt, from the first token on.
    """

    def __init__(
        self,
        sampling: Sampling,
        memory_share: float = 0.4,
        cache_gigabytes: float | None = None,
        max_context: int | None = None,
        max_rows: int = 256,
        dtype: Literal["float32", "bfloat16"] | None = None,
        enforce_eager: bool = False,
        sleep: bool = True,
        publish_adapter_only: bool = False,
        start_seconds: float = 1200.0,
        silent_seconds: float = 300.0,
        request_seconds: float = 1800.0,
    ) -> None:
        super().__init__(sampling)
        self.memory_share = memory_share
        self.cache_gigabytes = cache_gigabytes
        self.max_context = max_context
        self.max_rows = max_rows
        self.dtype = dtype
        self.enforce_eager = enforce_eager
        self.sleep = sleep
        self.publish_adapter_only = publish_adapter_only
        self.start_seconds = start_seconds
        self.silent_seconds = silent_seconds
        self.request_seconds = request_seconds
        self._refuse_impossible()
        self.last_publish: Tally | None = None
        # In a tuple: engines may be attributes of modules, and the policy must not become a part of two.
        self._policy: tuple[VisionLanguagePolicy, ...] = ()
        self._core: VLLMCore | None = None
        self._thread = WorkerThread("medix-vllm")
        self._fingerprint: str | None = None  # of the weights that vLLM has; None if they must be published
        self._has_weights = False  # sleeping takes them away
        self._loads = 0
        self._broken = ""

    def _refuse_impossible(self) -> None:
        checks = {
            "memory_share": 0 < self.memory_share < 1,
            "cache_gigabytes": self.cache_gigabytes is None or self.cache_gigabytes > 0,
            "max_context": self.max_context is None or self.max_context > 1,
            "max_rows": self.max_rows >= 1,
            "start_seconds": self.start_seconds > 0,
            "silent_seconds": self.silent_seconds > 0,
            "request_seconds": self.request_seconds > 0,
        }
        for name, holds in checks.items():
            if not holds:
                raise ValueError(f"engine.{name}: {getattr(self, name)} is outside its range; see ColocatedEngine")

    def bind(self, policy: Policy) -> None:
        """Take the policy; the next rollout publishes its weights, unless vLLM has them already.

        Raises:
            ValueError: vLLM cannot hold weights of this policy.
        """
        if not isinstance(policy, VisionLanguagePolicy):
            raise TypeError(
                f"engine: ColocatedEngine samples from a VisionLanguagePolicy, got {type(policy).__name__}; "
                "give another engine, or a policy of that class"
            )
        if self.publish_adapter_only and not (policy.lora and policy.freeze_vision):
            raise ValueError(
                "engine.publish_adapter_only: vLLM takes adapters of the language model alone; set policy.lora and "
                "policy.freeze_vision: true, or publish_adapter_only: false"
            )
        if policy.model is not None:
            check_served(policy, self.publish_adapter_only)
        if self._policy and self._policy[0] is not policy:
            self.close()
        self._policy = (policy,)
        if self._fingerprint is not None and weights_fingerprint(policy) != self._fingerprint:
            self._fingerprint = None

    def publish(self, policy: Policy) -> None:
        super().publish(policy)
        if not self._policy or policy is not self._policy[0]:
            raise StaleEngineError("engine: publish was called for a policy that the engine is not bound to")
        self._fingerprint = None
        if self._core is not None:
            self._load(self._core, self._policy[0])

    def rollout(
        self,
        prompts: Sequence[Prompt],
        on_completion: OnCompletion | None = None,
        sampling: Sampling | None = None,
    ) -> list[RolloutGroup]:
        if not self._policy:
            raise RuntimeError("the engine has no policy to sample from; call bind(policy) first")
        [policy] = self._policy
        asked = VLLMSampling(policy, self.sampling if sampling is None else sampling)
        core = self._ready(policy)  # first: every rank must come here, whatever stops it afterwards
        for prompt in prompts:
            self._check_length(prompt, asked.sampling, policy)
        collected = _Collected(prompts, asked, on_completion)
        if prompts:
            self._ask(core, collected)
        if self.sleep and core.settings.can_sleep:
            self._in_thread(core.sleep, self.silent_seconds, "giving back its memory")
            self._has_weights = False
        return collected.groups(self.policy_version)

    def close(self) -> None:
        core, self._core = self._core, None
        self._fingerprint, self._has_weights = None, False
        if core is not None and not self._broken:
            self._in_thread(core.close, self.silent_seconds, "ending")
        self._thread.stop()
        self._broken = ""

    def _ready(self, policy: VisionLanguagePolicy) -> VLLMCore:
        """vLLM, started, awake and with the policy's weights."""
        if self._broken:
            raise RolloutError(f"engine: vLLM cannot be used any more, for it {self._broken}; start the run again")
        if self._core is None:
            self._core = self._start(policy)
        core = self._core
        if self._fingerprint is not None and weights_fingerprint(policy) != self._fingerprint:
            raise StaleEngineError(
                f"engine: the policy's weights changed after version {self.policy_version} was published, and vLLM "
                "still has the old ones; call publish(policy) after every update"
            )
        if self._fingerprint is None or not self._has_weights:
            self._load(core, policy)
        self._in_thread(lambda: core.wake("kv_cache"), self.silent_seconds, "taking memory for its cache")
        return core

    def _start(self, policy: VisionLanguagePolicy) -> VLLMCore:
        device = next(policy.parameters()).device
        if device.type == "cpu" and policy.config.model_type in _TWO_WAY_IMAGES:
            raise ValueError(
                f"engine: on a CPU vLLM computes images of {policy.config.model_type} as another model than the policy "
                "is: their tokens see only those before them; take medix.rollout.LocalEngine, or an accelerator"
            )
        core = self._new_core(
            CoreSettings(
                model=policy.name,
                dtype=self._dtype(policy),
                memory_share=self.memory_share,
                cache_gigabytes=self.cache_gigabytes,
                max_context=self.max_context,
                max_rows=self.max_rows,
                enforce_eager=self.enforce_eager,
                can_sleep=self.sleep and device.type == "cuda",
                adapter_rank=policy.lora.rank if policy.lora and self.publish_adapter_only else None,
                device=device,
            )
        )
        self._in_thread(core.start, self.start_seconds, "starting")
        self._has_weights = False  # those of the folder, which are not the policy's once it was trained
        return core

    def _new_core(self, settings: CoreSettings) -> VLLMCore:
        return VLLMCore(settings, self._thread.heartbeat)

    def _dtype(self, policy: VisionLanguagePolicy) -> str:
        return self.dtype or str(policy.compute_dtype).removeprefix("torch.")

    def _load(self, core: VLLMCore, policy: VisionLanguagePolicy) -> None:
        begun, tally = monotonic(), Tally()

        def work() -> None:
            core.wake("weights")
            dtype = getattr(torch, core.settings.dtype)
            if not self.publish_adapter_only:
                core.load(tally.count(published(policy, dtype=dtype)))
                return
            if not self._has_weights:
                core.load(tally.count(published(policy, merge=False, dtype=dtype)))
            settings, weights = published_adapter(policy)
            core.load_adapter(settings, dict(tally.count(iter(weights.items()))))

        self._in_thread(work, self.silent_seconds, "taking up weights")
        tally.seconds = monotonic() - begun
        self.last_publish, self._fingerprint, self._has_weights = tally, weights_fingerprint(policy), True
        self._loads += 1

    def _ask(self, core: VLLMCore, collected: "_Collected") -> None:
        dtype: torch.dtype = getattr(torch, core.settings.dtype)
        salt = str(self._loads)
        requests = {
            name: Request(collected.asked.engine_input(prompt, salt, dtype), collected.asked.settings(prompt))
            for name, prompt in collected.prompts.items()
        }

        def work() -> None:
            core.ask(requests, collected.add, self.request_seconds)

        try:
            self._in_thread(work, self.silent_seconds, "completing prompts", collected)
        except OverdueError as error:
            late = ", ".join(repr(collected.prompts[name].sample.id) for name in error.names)
            raise RolloutError(
                f"engine.request_seconds: the completions of {late} took longer than {self.request_seconds:g} seconds; "
                "raise it, or lower sampling.max_completion_tokens or engine.max_rows"
            ) from error

    def _in_thread(self, work: Callable[[], T], limit: float, doing: str, collected: "_Collected | None" = None) -> T:
        try:
            return self._thread.run(work, limit)
        except StalledError as error:
            self._broken = f"hung while {doing}"
            about = "" if collected is None else f"; unfinished: {collected.unfinished()}"
            raise RolloutError(
                f"engine: vLLM hung while {doing}: nothing happened for {limit:g} seconds{about}. Look at its device, "
                f"or raise engine.{'start_seconds' if doing == 'starting' else 'silent_seconds'}"
            ) from error

    def _check_length(self, prompt: Prompt, sampling: Sampling, policy: VisionLanguagePolicy) -> None:
        length, limit = len(prompt.token_ids), sampling.max_completion_tokens
        room = min(policy.context_length, self.max_context or policy.context_length)
        if length + limit > room:
            raise ValueError(
                f"sampling.max_completion_tokens: {limit} after the {length} prompt tokens of sample "
                f"{prompt.sample.id!r} make {length + limit}, and there is room for {room}; lower it, limit the "
                "prompts or the size of their images, or raise engine.max_context where that is what limits"
            )


class _Collected:
    """The completions of one rollout as they come."""

    def __init__(self, prompts: Sequence[Prompt], asked: VLLMSampling, on_completion: OnCompletion | None) -> None:
        self.prompts = {str(place): prompt for place, prompt in enumerate(prompts)}
        self.asked = asked
        self.on_completion = on_completion
        self._found: dict[str, dict[int, Completion]] = {name: {} for name in self.prompts}

    def add(self, name: str, index: int, tokens: list[int], logprobs: list[float], finish_reason: str) -> None:
        """A finished completion; at temperature 0 it stands for the whole group."""
        prompt = self.prompts[name]
        if finish_reason not in ("stop", "length") or len(tokens) != len(logprobs):
            raise RolloutError(
                f"a completion of sample {prompt.sample.id!r} ended with {finish_reason!r} after {len(tokens)} tokens "
                f"and {len(logprobs)} log-probabilities; look at what vLLM says"
            )
        if any(number != number for number in logprobs):
            raise FloatingPointError(f"the policy's scores for sample {prompt.sample.id!r} are NaN, {DIVERGED}")
        completion = self.asked.completion(tokens, logprobs, finish_reason)
        copies = self.asked.sampling.completions_per_prompt if self.asked.count == 1 else 1
        for place in range(index, index + copies):
            self._found[name][place] = completion
            if self.on_completion is not None:
                self.on_completion(prompt, completion)

    def unfinished(self) -> str:
        """The samples that lack completions."""
        wanted = self.asked.sampling.completions_per_prompt
        return ", ".join(
            f"{len(found)} of {wanted} of sample {self.prompts[name].sample.id!r}"
            for name, found in self._found.items()
            if len(found) < wanted
        )

    def groups(self, version: int) -> list[RolloutGroup]:
        """One group per prompt, in order."""
        missing = self.unfinished()
        if missing:
            raise RolloutError(f"engine: vLLM finished and left completions out: {missing}")
        places = range(self.asked.sampling.completions_per_prompt)
        return [
            RolloutGroup(prompt, tuple(self._found[name][place] for place in places), version)
            for name, prompt in self.prompts.items()
        ]
