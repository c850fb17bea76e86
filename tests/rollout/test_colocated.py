"""The engine around vLLM, without vLLM: when weights go there, what is refused, what hangs."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from medix.policy.lora import LoRA
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import RolloutError, Sampling, StaleEngineError
from medix.rollout.vllm_core import CoreSettings, Ended, OverdueError, Request, VLLMCore
from medix.rollout.vllm_sampling import VLLMSampling
from medix.rollout.weights import published
from medix.types import Completion, Prompt
from tests.support.policies import BigramPolicy
from tests.support.tiny import loaded, mixed_prompts


class FakeCore(VLLMCore):
    """Writes down what is done with it; completes every prompt with tokens 4, 5 and the completion's number."""

    def __init__(self, settings: CoreSettings, heartbeat: Callable[[], None]) -> None:
        super().__init__(settings, heartbeat)
        self.done: list[str] = []
        self.dtypes: set[torch.dtype] = set()
        self.threads: set[int] = set()
        self.reason = "stop"
        self.hangs: threading.Event | None = None
        self.leaves_out = 0
        self.logprob = -0.5

    def _note(self, what: str) -> None:
        self.done.append(what)
        self.threads.add(threading.get_ident())

    def start(self) -> None:
        self._note("start")

    def load(self, weights: Iterator[tuple[str, Tensor]]) -> None:
        given = dict(weights)
        self.dtypes = {weight.dtype for weight in given.values()}
        self._note(f"load {len(given)}")

    def load_adapter(self, settings: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
        self._note(f"adapter {len(weights)} rank {settings['r']}")

    def ask(self, requests: Mapping[str, Request], ended: Ended, seconds: float) -> None:
        self._note(f"ask {len(requests)}")
        if seconds < 1:
            raise OverdueError(["1"])
        for name, request in requests.items():
            for index in range(request.settings["n"] - self.leaves_out):
                ended(name, index, [4, 5, index], [self.logprob] * 3, self.reason)
            if self.hangs is not None:
                self.hangs.wait(30)

    def sleep(self) -> None:
        self._note("sleep")

    def wake(self, part: str) -> None:
        self._note(f"wake {part}")

    def close(self) -> None:
        self._note("close")


class Engine(ColocatedEngine):
    """The engine on a ``FakeCore``."""

    core: FakeCore
    can_sleep = False

    def _new_core(self, settings: CoreSettings) -> VLLMCore:
        changed = CoreSettings(**{**vars(settings), "can_sleep": self.can_sleep})
        self.core = FakeCore(changed, self._thread.heartbeat)
        return self.core


class SleepingEngine(Engine):
    can_sleep = True


@pytest.fixture(scope="module")
def policy(tiny: dict[str, Path]) -> VisionLanguagePolicy:
    return loaded(tiny["qwen3_vl"])


@pytest.fixture(autouse=True)
def no_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own classes are not needed here."""
    monkeypatch.setattr(VLLMSampling, "engine_input", lambda self, prompt, salt, dtype: (prompt, salt, dtype))


@pytest.fixture(scope="module")
def prompts(policy: VisionLanguagePolicy) -> list[Prompt]:
    """Text alone, twice."""
    return [one for one in mixed_prompts(policy) if not one.inputs] * 2


def bound(policy: VisionLanguagePolicy, kind: type[Engine] = Engine, **arguments: Any) -> Engine:
    engine = kind(Sampling(3, 8), **arguments)
    engine.bind(policy)
    return engine


def changed(policy: VisionLanguagePolicy) -> None:
    with torch.no_grad():
        next(policy.parameters()).add_(1e-3)


@pytest.mark.parametrize(
    ("dtype", "autocast", "sent"),
    [
        (None, False, torch.float32),
        (None, True, torch.bfloat16),
        ("bfloat16", False, torch.bfloat16),
        ("float32", True, torch.float32),
    ],
)
def test_weights_are_sent_in_the_dtype_of_vllm_which_is_that_of_the_step(
    policy: VisionLanguagePolicy, prompts: list[Prompt], dtype: Any, autocast: bool, sent: torch.dtype
) -> None:
    """Under bf16-mixed float32 masters would take twice the memory, and other passes than the policy's sample."""
    engine = bound(policy, dtype=dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        engine.rollout(prompts)
    assert (engine.core.settings.dtype, engine.core.dtypes) == (str(sent).removeprefix("torch."), {sent})
    assert engine.last_publish is not None
    assert engine.last_publish.nbytes == sum(w.numel() for _, w in published(policy)) * sent.itemsize
    engine.close()


@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings")
def test_a_policy_that_vllm_cannot_hold_is_refused_before_it_starts(tiny: dict[str, Path]) -> None:
    on_head = loaded(tiny["qwen3_vl"], lora=LoRA(rank=2, target_modules=["lm_head"]), freeze_vision=True)
    with pytest.raises(ValueError, match=r"policy\.lora: .*lm_head\.weight differ"):
        bound(on_head)
    with pytest.raises(ValueError, match=r"engine\.publish_adapter_only: the adapter of .* is on lm_head"):
        bound(on_head, publish_adapter_only=True)


# Derived by hand.


def test_weights_go_to_vllm_once_before_the_first_rollout_and_once_per_publish(
    policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    engine = bound(policy)
    engine.rollout(prompts)
    engine.bind(policy)
    engine.rollout(prompts)
    assert engine.core.done == ["start", "wake weights", "load 63", "wake kv_cache", "ask 2", "wake kv_cache", "ask 2"]
    engine.core.done.clear()
    changed(policy)
    engine.publish(policy)
    engine.rollout(prompts)
    assert engine.core.done == ["wake weights", "load 63", "wake kv_cache", "ask 2"]
    assert engine.last_publish is not None
    assert engine.last_publish.tensors == 63
    assert engine.last_publish.nbytes == sum(one.nbytes for one in policy.parameters())


def test_groups_come_in_order_with_the_version_of_their_weights(
    policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    engine, told = bound(policy), list[tuple[Prompt, Completion]]()
    for _ in range(2):
        engine.publish(policy)
    groups = engine.rollout(prompts, on_completion=lambda *pair: told.append(pair))
    assert [group.prompt for group in groups] == prompts
    assert [group.policy_version for group in groups] == [2, 2]
    assert [[one.token_ids for one in group.completions] for group in groups] == [[(4, 5, 0), (4, 5, 1), (4, 5, 2)]] * 2
    assert [completion for _, completion in told] == [one for group in groups for one in group.completions]


def test_a_greedy_completion_stands_for_its_whole_group(policy: VisionLanguagePolicy, prompts: list[Prompt]) -> None:
    engine, told = bound(policy), list[Prompt]()
    groups = engine.rollout(prompts, lambda prompt, _: told.append(prompt), Sampling(4, 8, temperature=0))
    assert [len(group.completions) for group in groups] == [4, 4]
    assert len(set(groups[0].completions)) == 1
    assert len(told) == 8


def test_memory_is_given_back_after_a_rollout_and_weights_come_again_for_the_next(
    policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    engine = bound(policy, SleepingEngine)
    engine.rollout(prompts)
    engine.core.done.clear()
    engine.rollout(prompts)  # no update in between, as with dynamic sampling
    assert engine.core.done == ["wake weights", "load 63", "wake kv_cache", "ask 2", "sleep"]
    engine.core.done.clear()
    engine.publish(policy)
    assert engine.core.done == ["wake weights", "load 63"]
    awake = bound(policy, SleepingEngine, sleep=False)
    awake.rollout(prompts)
    assert "sleep" not in awake.core.done


def test_an_adapter_alone_is_published_beside_weights_that_came_once(
    tiny: dict[str, Path], prompts: list[Prompt]
) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=LoRA(rank=4), freeze_vision=True)
    engine = bound(policy, publish_adapter_only=True)
    engine.rollout(prompts)
    assert engine.core.done[2:4] == ["load 63", "adapter 28 rank 4"]
    assert engine.core.settings.adapter_rank == 4
    engine.core.done.clear()
    changed(policy)
    engine.publish(policy)
    assert engine.core.done == ["wake weights", "adapter 28 rank 4"]


# Properties.


def test_vllm_is_used_from_one_thread_that_is_not_the_trainers(
    policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    engine = bound(policy)
    engine.rollout(prompts)
    engine.publish(policy)
    engine.close()
    assert len(engine.core.threads) == 1
    assert threading.get_ident() not in engine.core.threads
    assert engine.core.done[-1] == "close"


def test_nothing_is_started_by_making_binding_and_closing(policy: VisionLanguagePolicy) -> None:
    engine = bound(policy)
    engine.publish(policy)
    engine.close()
    assert not hasattr(engine, "core")
    assert engine.policy_version == 1
    assert engine.state_dict() == {"policy_version": 1}


def test_no_prompts_start_vllm_all_the_same_for_other_ranks_wait_there(policy: VisionLanguagePolicy) -> None:
    engine = bound(policy)
    assert engine.rollout([]) == []
    assert engine.core.done == ["start", "wake weights", "load 63", "wake kv_cache"]


# Faults.


def test_an_update_that_nobody_published_stops_the_run(policy: VisionLanguagePolicy, prompts: list[Prompt]) -> None:
    engine = bound(policy)
    engine.rollout(prompts)
    changed(policy)
    with pytest.raises(StaleEngineError, match=r"changed after version 0 was published.* call publish\(policy\)"):
        engine.rollout(prompts)
    engine.publish(policy)
    assert engine.rollout(prompts)[0].policy_version == 1


def test_weights_loaded_before_the_policy_is_bound_again_are_published(
    policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    """As when a test runs with the best checkpoint after training."""
    engine = bound(policy)
    engine.rollout(prompts)
    changed(policy)
    engine.bind(policy)
    engine.rollout(prompts)
    assert engine.core.done.count("load 63") == 2


def test_a_hung_engine_ends_with_the_prompts_it_owes_and_is_not_used_again(
    policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    engine = bound(policy, silent_seconds=0.3)
    engine.rollout(prompts)
    engine.core.hangs = threading.Event()
    begun = time.monotonic()
    with pytest.raises(RolloutError, match=r"hung while completing prompts: .*unfinished: 0 of 3 of sample 'text'"):
        engine.rollout(prompts)
    assert time.monotonic() - begun < 5
    with pytest.raises(RolloutError, match="cannot be used any more, for it hung"):
        engine.rollout(prompts)
    engine.close()  # does not wait
    engine.core.hangs.set()


def test_a_prompt_that_takes_too_long_is_named(policy: VisionLanguagePolicy, prompts: list[Prompt]) -> None:
    engine = bound(policy, request_seconds=0.5)
    with pytest.raises(RolloutError, match=r"engine\.request_seconds: the completions of 'text' took longer than 0\.5"):
        engine.rollout(prompts)


def test_completions_that_vllm_leaves_out_or_breaks_off_are_no_group(
    policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    engine = bound(policy)
    engine.rollout(prompts)
    engine.core.leaves_out = 1
    with pytest.raises(RolloutError, match="2 of 3 of sample 'text'"):
        engine.rollout(prompts)
    engine.core.leaves_out, engine.core.reason = 0, "abort"
    with pytest.raises(RolloutError, match="sample 'text' ended with 'abort'"):
        engine.rollout(prompts)
    engine.core.reason, engine.core.logprob = "stop", float("nan")
    with pytest.raises(FloatingPointError, match=r"sample 'text' are NaN, its weights have diverged: .*begin again"):
        engine.rollout(prompts)


def test_a_prompt_without_room_for_its_completion_is_refused_in_tokens(
    policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    engine = bound(policy, max_context=16)
    length = len(prompts[0].token_ids)
    with pytest.raises(ValueError, match=rf"8 after the {length} prompt tokens of sample 'text' .* room for 16"):
        engine.rollout(prompts)


def test_an_unknown_policy_an_adapter_of_the_vision_tower_and_no_policy_are_refused(
    tiny: dict[str, Path], prompts: list[Prompt]
) -> None:
    with pytest.raises(TypeError, match="ColocatedEngine samples from a VisionLanguagePolicy, got BigramPolicy"):
        Engine(Sampling()).bind(BigramPolicy())
    with pytest.raises(ValueError, match=r"engine\.publish_adapter_only: .* policy\.freeze_vision: true"):
        Engine(Sampling(), publish_adapter_only=True).bind(
            VisionLanguagePolicy(str(tiny["qwen3_vl"]), lora=LoRA(rank=4))
        )
    with pytest.raises(RuntimeError, match=r"call bind\(policy\) first"):
        Engine(Sampling()).rollout(prompts)


def test_a_family_that_vllm_computes_otherwise_on_a_cpu_is_refused(tiny: dict[str, Path]) -> None:
    engine = bound(loaded(tiny["gemma3"]))
    with pytest.raises(ValueError, match=r"images of gemma3 .* take medix\.rollout\.LocalEngine"):
        engine.rollout([])


def test_a_publish_of_another_policy_is_refused(policy: VisionLanguagePolicy, tiny: dict[str, Path]) -> None:
    with pytest.raises(StaleEngineError, match="a policy that the engine is not bound to"):
        bound(policy).publish(VisionLanguagePolicy(str(tiny["qwen3_vl"])))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("memory_share", 0.0), ("memory_share", 1.0), ("cache_gigabytes", 0.0), ("max_context", 1), ("max_rows", 0),
        ("start_seconds", 0.0), ("silent_seconds", -1.0), ("request_seconds", 0.0),
    ],
)  # fmt: skip
def test_impossible_arguments_are_refused_by_name_and_value(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"engine\.{name}: {value} is outside its range"):
        ColocatedEngine(Sampling(), **{name: value})  # type: ignore[arg-type]
