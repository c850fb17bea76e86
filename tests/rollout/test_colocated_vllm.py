"""A real vLLM beside the policy: in step with it after every update, with images, and only because caches are emptied.

One engine serves all tests but those of adapters, which vLLM must be started for.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from medix.policy.lora import LoRA
from medix.policy.tiny import TinySize, build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import RolloutError, Sampling, StaleEngineError
from medix.rollout.local import LocalEngine
from medix.rollout.vllm_core import VLLMCore
from medix.rollout.vllm_sampling import VLLMSampling
from medix.types import FinishReason, Prompt, RolloutGroup
from tests.support.tiny import loaded, mixed_prompts, picture, render, sample

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]

TOLERANCE = 2e-5
"""Of log-probabilities, float32 on a CPU; measured: 3e-6."""

GREEDY = Sampling(2, 10, temperature=0)
SETTINGS = [Sampling(3, 10), Sampling(3, 10, temperature=0.6, top_p=0.9), Sampling(3, 10, temperature=1.4, top_k=5)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Heads of 32: attention of vLLM on a CPU knows no smaller ones."""
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"), TinySize(width=64, vision_width=64))


@pytest.fixture(scope="module")
def policy(folder: Path) -> VisionLanguagePolicy:
    return loaded(folder)


@pytest.fixture(scope="module")
def prompts(policy: VisionLanguagePolicy) -> list[Prompt]:
    return mixed_prompts(policy)


def colocated(policy: VisionLanguagePolicy, **arguments: Any) -> ColocatedEngine:
    engine = ColocatedEngine(
        Sampling(3, 10), cache_gigabytes=0.2, max_context=1024, max_rows=16, enforce_eager=True, **arguments
    )
    engine.bind(policy)
    return engine


@pytest.fixture(scope="module")
def engine(policy: VisionLanguagePolicy) -> Iterator[ColocatedEngine]:
    """The one engine of this file."""
    made = colocated(policy)
    yield made
    made.close()


def update(policy: VisionLanguagePolicy, steps: int = 1) -> None:
    """Steps of an optimiser on every trained weight, so large that other tokens are the most likely."""
    trained = [weight for weight in policy.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=2e-2)
    generator = torch.Generator().manual_seed(steps)
    for _ in range(steps):
        for weight in trained:
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.step()
    optimizer.zero_grad()


def greedy_of(policy: VisionLanguagePolicy, prompts: list[Prompt]) -> list[RolloutGroup]:
    local = LocalEngine(GREEDY)
    local.bind(policy)
    return local.rollout(prompts)


def tokens(groups: list[RolloutGroup]) -> list[tuple[int, ...]]:
    return [completion.token_ids for group in groups for completion in group.completions]


def distance(policy: VisionLanguagePolicy, groups: list[RolloutGroup], temperature: float = 1.0) -> float:
    """Largest difference of a log-probability from what the policy computes."""
    with torch.no_grad():
        rows: list[list[float]] = policy.logprobs(groups, temperature).tolist()
    completions = [completion for group in groups for completion in group.completions]
    assert len(rows) == len(completions)
    pairs = zip(completions, rows, strict=True)
    return max(abs(a - b) for one, row in pairs for a, b in zip(one.logprobs, row, strict=False))


def in_step(engine: ColocatedEngine, policy: VisionLanguagePolicy, prompts: list[Prompt]) -> None:
    found = engine.rollout(prompts, sampling=GREEDY)
    wanted = greedy_of(policy, prompts)
    assert tokens(found) == tokens(wanted)
    assert [one.text for group in found for one in group.completions] == [
        one.text for group in wanted for one in group.completions
    ]
    for sampling in SETTINGS:
        groups = engine.rollout(prompts, sampling=sampling)
        assert distance(policy, groups, sampling.temperature) < TOLERANCE


def test_it_is_in_step_before_and_after_updates(
    engine: ColocatedEngine, policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    """Text, one image, two images, a long prompt; greedy tokens, and log-probabilities for any nucleus."""
    in_step(engine, policy, prompts)
    before = tokens(engine.rollout(prompts, sampling=GREEDY))
    for steps in (1, 2):
        update(policy, steps)
        engine.publish(policy)
        in_step(engine, policy, prompts)
    assert tokens(engine.rollout(prompts, sampling=GREEDY)) != before
    assert engine.last_publish is not None
    assert engine.last_publish.nbytes == sum(weight.nbytes for weight in policy.parameters())


def test_the_same_prompts_give_the_same_completions_in_any_company(
    engine: ColocatedEngine, prompts: list[Prompt]
) -> None:
    groups = engine.rollout(prompts)
    again = engine.rollout(prompts)
    assert tokens(again) == tokens(groups)
    alone = [engine.rollout([prompt])[0] for prompt in reversed(prompts)]
    assert tokens(alone[::-1]) == tokens(groups)
    assert len(set(tokens(groups))) > len(prompts)  # and are drawn, each for itself
    assert tokens(engine.rollout(prompts, sampling=Sampling(3, 10, seed=2))) != tokens(groups)


def test_prompts_read_in_parts_give_the_same_completions(
    engine: ColocatedEngine, policy: VisionLanguagePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once they have more tokens than one pass takes, so some are begun in one pass and ended in the next."""
    prompts = [render(policy, sample(f"s{n}", f"What is {n} " + "and what is seen " * 60), n) for n in range(16)]
    engine.rollout(prompts[:1])
    assert engine._core is not None
    limit = engine._core._llm.llm_engine.vllm_config.scheduler_config.max_num_batched_tokens
    assert sum(len(prompt.token_ids) for prompt in prompts) > limit
    assert all(limit % len(prompt.token_ids) for prompt in prompts)
    alone = [engine.rollout([prompt], sampling=Sampling(1, 10))[0] for prompt in prompts]
    assert tokens(engine.rollout(prompts, sampling=Sampling(1, 10))) == tokens(alone)


def test_banned_tokens_are_never_sampled(
    engine: ColocatedEngine, policy: VisionLanguagePolicy, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tokens but ten are banned for one rollout: only these are drawn, with the policy's probabilities."""
    free = [token for token in range(300, 330) if token not in policy.banned_token_ids][:10]
    vocabulary = policy.config.get_text_config().vocab_size
    banned = tuple(token for token in range(vocabulary) if token not in free)
    monkeypatch.setitem(vars(policy), "banned_token_ids", banned)
    groups = engine.rollout(prompts)
    assert {token for row in tokens(groups) for token in row} <= set(free)
    assert len({token for row in tokens(groups) for token in row}) > 3
    assert distance(policy, groups) < TOLERANCE


def test_stop_texts_end_completions_as_in_the_local_engine(
    engine: ColocatedEngine, policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    plain = engine.rollout(prompts, sampling=GREEDY)
    texts = [group.completions[0].text for group in plain]
    stop = next(text[2:5] for text in texts if len(text) > 6 and text.isascii())
    sampling = Sampling(2, 10, temperature=0, stop=(stop,))
    local = LocalEngine(sampling)
    local.bind(policy)
    found, wanted = engine.rollout(prompts, sampling=sampling), local.rollout(prompts)
    assert tokens(found) == tokens(wanted)
    endings = [(one.text, one.finish_reason) for group in found for one in group.completions]
    assert endings == [(one.text, one.finish_reason) for group in wanted for one in group.completions]
    assert any(text.endswith(stop) and reason is FinishReason.STOP for text, reason in endings)


def test_limits_mark_what_they_cut_and_completions_are_told_of_as_they_end(
    engine: ColocatedEngine, prompts: list[Prompt]
) -> None:
    told: list[str] = []
    groups = engine.rollout(prompts, lambda prompt, _: told.append(prompt.sample.id), Sampling(3, 4))
    assert sorted(told) == sorted(group.prompt.sample.id for group in groups for _ in group.completions)
    for one in (one for group in groups for one in group.completions):
        assert len(one.token_ids) == len(one.logprobs) <= 4
        assert one.is_truncated == (len(one.token_ids) == 4 and one.finish_reason is FinishReason.LENGTH)


def test_an_update_that_was_not_published_is_refused(
    engine: ColocatedEngine, policy: VisionLanguagePolicy, prompts: list[Prompt]
) -> None:
    engine.rollout(prompts)
    update(policy)
    with pytest.raises(StaleEngineError, match=r"call publish\(policy\)"):
        engine.rollout(prompts)
    engine.publish(policy)
    in_step(engine, policy, prompts)


def long_prompt(policy: VisionLanguagePolicy) -> Prompt:
    """Longer than a block of vLLM's cache, which has 128 tokens on a CPU; with an image."""
    question = "The chest X-ray shows no pleural effusion. " * 24 + "Is it normal?"
    prompt = render(policy, sample("blocks", question, picture(7, 96, 96)), 9)
    assert 2 * 128 < len(prompt.token_ids) < 1000
    return prompt


def test_without_emptied_caches_old_images_and_keys_would_be_used(
    engine: ColocatedEngine, policy: VisionLanguagePolicy, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either guard is enough: the caches are emptied, and what lies there is named by the weights it came from.

    vLLM's own reload empties the image features of its worker, but not the scheduler's knowledge of them.
    """
    given, long = VLLMSampling.engine_input, [long_prompt(policy)]
    engine.rollout(long)
    with monkeypatch.context() as patched:
        patched.setattr(VLLMCore, "forget", lambda self: None)
        update(policy)
        engine.publish(policy)
        assert distance(policy, engine.rollout(long)) < TOLERANCE
        patched.setattr(VLLMSampling, "engine_input", lambda self, prompt, salt, dtype: given(self, prompt, "x", dtype))
        engine.rollout(long)
        update(policy)
        engine.publish(policy)
        assert distance(policy, engine.rollout(long)) > 100 * TOLERANCE
        patched.undo()
        patched.setattr(VLLMSampling, "engine_input", lambda self, prompt, salt, dtype: given(self, prompt, "x", dtype))
        engine.publish(policy)
        assert distance(policy, engine.rollout(long)) < TOLERANCE
    engine.publish(policy)
    in_step(engine, policy, prompts)


def test_a_prompt_is_computed_once_for_its_group(
    engine: ColocatedEngine, policy: VisionLanguagePolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All completions but the first find the whole blocks of the prompt in the cache, in the same step."""
    engine.publish(policy)
    prompt = long_prompt(policy)
    core = engine._core
    assert core is not None
    inner = core._llm.llm_engine
    step, found = inner.step, dict[int, int]()

    def watched() -> list[Any]:
        outputs: list[Any] = step()
        found.update({choice.index: output.num_cached_tokens for output in outputs for choice in output.outputs})
        return outputs

    monkeypatch.setattr(inner, "step", watched)
    engine.rollout([prompt], sampling=Sampling(4, 3))
    assert sorted(found.values()) == [0, *[len(prompt.token_ids) // 128 * 128] * 3]


def test_a_request_that_takes_too_long_is_called_off_and_the_engine_goes_on(
    engine: ColocatedEngine, prompts: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "request_seconds", 1e-6)
    with pytest.raises(RolloutError, match=r"engine\.request_seconds: the completions of '"):
        engine.rollout(prompts, sampling=Sampling(3, 60, seed=5))
    monkeypatch.setattr(engine, "request_seconds", 60.0)
    assert len(engine.rollout(prompts)) == len(prompts)


def test_the_process_is_left_as_it_was(engine: ColocatedEngine, prompts: list[Prompt]) -> None:
    """Settings of the thread that trains, environment, gradients, torch's own generator."""
    threads, before, drawn = torch.get_num_threads(), dict(os.environ), torch.get_rng_state()
    engine.rollout(prompts)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
    assert torch.get_default_dtype() is torch.float32
    assert torch.get_num_threads() == threads
    assert dict(os.environ) == before


def test_a_second_vllm_in_this_process_is_refused(engine: ColocatedEngine, folder: Path, prompts: list[Prompt]) -> None:
    engine.rollout(prompts[:1])
    with pytest.raises(RuntimeError, match="vLLM runs in this process already"):
        colocated(loaded(folder)).rollout(prompts)
    assert len(engine.rollout(prompts)) == len(prompts)


def test_adapters_are_in_step_alone_and_merged(engine: ColocatedEngine, folder: Path) -> None:
    """Alone, 28 small tensors are published; merged, the vision tower may have adapters too."""
    engine.close()
    for alone in (True, False):
        policy = loaded(folder, lora=LoRA(rank=4, alpha=8.0), freeze_vision=alone)
        prompts = mixed_prompts(policy)
        engine = colocated(policy, publish_adapter_only=alone)
        try:
            for _ in range(2):
                update(policy)
                engine.publish(policy)
                in_step(engine, policy, prompts)
            assert engine.last_publish is not None
            assert (engine.last_publish.tensors == 28) is alone
        finally:
            engine.close()
