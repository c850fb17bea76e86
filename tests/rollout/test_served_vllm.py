"""The served engine and a real vLLM, which ``medix rollout serve`` starts once for all tests here.

The tests stand in one order and on one worker, for the last one kills the server.
"""

import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from medix.policy.tiny import TinySize, build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import EvaluationSampling, RolloutError, Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.served import ServedEngine
from medix.types import Completion, Prompt, RolloutGroup
from tests.support import rollout_servers, rollout_vllm
from tests.support.rollout_vllm import address
from tests.support.tiny import loaded, mixed_prompts, render, sample
from tests.support.vllm_server import Served, need_vllm

pytestmark = pytest.mark.vllm

DRAWN = Sampling(completions_per_prompt=3, max_completion_tokens=16, temperature=0.8, seed=5)
GREEDY = Sampling(completions_per_prompt=2, max_completion_tokens=16, temperature=0)
TOLERANCE = 1e-4
"""Of a log-probability in float32; about 2e-6 was measured."""
SIZE = TinySize(width=64, context=4096)  # heads of 32: attention of vLLM on a CPU knows no smaller ones


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("model"), SIZE)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    """The one server of this file."""
    need_vllm()
    served = rollout_vllm.start(folder)
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture(scope="module")
def policy(folder: Path) -> VisionLanguagePolicy:
    return loaded(folder)


@pytest.fixture
def engine(server: Served, policy: VisionLanguagePolicy) -> Iterator[ServedEngine]:
    made = ServedEngine(DRAWN, address(server), request_seconds=60)
    made.bind(policy)
    yield made
    made.close()


def largest_difference(policy: VisionLanguagePolicy, groups: list[RolloutGroup], temperature: float) -> float:
    with torch.no_grad():
        again = policy.logprobs(groups, temperature)
    rows = [completion for group in groups for completion in group.completions]
    return max(
        float((row[: len(one.logprobs)] - torch.tensor(one.logprobs)).abs().max())
        for row, one in zip(again, rows, strict=True)
    )


def assert_in_step(engine: ServedEngine, policy: VisionLanguagePolicy) -> None:
    """Greedy tokens and texts of the server are those of the policy, and so are log-probabilities of drawn ones."""
    local = LocalEngine(DRAWN)
    local.bind(policy)
    prompts = mixed_prompts(policy)
    served, own = (each.rollout(prompts, sampling=GREEDY) for each in (engine, local))
    for one, other in zip(served, own, strict=True):
        assert [each.token_ids for each in one.completions] == [each.token_ids for each in other.completions]
        assert [each.text for each in one.completions] == [each.text for each in other.completions]
        assert [each.finish_reason for each in one.completions] == [each.finish_reason for each in other.completions]
    assert largest_difference(policy, served, 1.0) < TOLERANCE
    drawn = engine.rollout(prompts)
    assert largest_difference(policy, drawn, DRAWN.temperature) < TOLERANCE
    tokens = {token for group in drawn for one in group.completions for token in one.token_ids}
    assert not tokens & set(policy.banned_token_ids)


def test_the_printed_block_is_the_engine_of_a_spec(server: Served) -> None:
    block = yaml.safe_load("".join(server.said))["model"]["engine"]
    assert block == {"class_path": "medix.rollout.ServedEngine", "init_args": {"base_url": address(server)}}


def test_the_server_is_in_step_before_and_after_updates(engine: ServedEngine, policy: VisionLanguagePolicy) -> None:
    """Text only, one image, two images; three optimiser steps that change every greedy completion."""
    assert_in_step(engine, policy)
    before = engine.rollout(mixed_prompts(policy), sampling=GREEDY)
    optimizer = torch.optim.AdamW(policy.parameters(), lr=1e-2)
    for _ in range(3):
        (-policy.logprobs(engine.rollout(mixed_prompts(policy)), DRAWN.temperature).mean()).backward()
        optimizer.step()
        optimizer.zero_grad()
        engine.publish(policy)
    after = engine.rollout(mixed_prompts(policy), sampling=GREEDY)
    assert {group.policy_version for group in after} == {3}
    for one, other in zip(before, after, strict=True):
        assert one.completions[0].token_ids != other.completions[0].token_ids
    assert_in_step(engine, policy)


def test_a_run_is_repeatable_and_prompts_and_completions_are_drawn_apart(
    engine: ServedEngine, policy: VisionLanguagePolicy
) -> None:
    prompts = mixed_prompts(policy)
    told: list[Completion] = []
    first = engine.rollout(prompts, lambda _, completion: told.append(completion))
    again = engine.rollout(prompts[::-1])[::-1]
    assert [[one.token_ids for one in group.completions] for group in first] == [
        [one.token_ids for one in group.completions] for group in again
    ]
    assert len({one.token_ids for group in first for one in group.completions}) == 12
    assert sorted(told, key=repr) == sorted((one for group in first for one in group.completions), key=repr)


def test_a_nucleus_leaves_log_probabilities_as_they_are(engine: ServedEngine, policy: VisionLanguagePolicy) -> None:
    sampling = EvaluationSampling(completions_per_prompt=2, max_completion_tokens=12, top_p=0.5, top_k=20)
    groups = engine.rollout(mixed_prompts(policy), sampling=sampling)
    assert largest_difference(policy, groups, 0.6) < TOLERANCE


def test_a_stop_text_ends_a_completion(engine: ServedEngine, policy: VisionLanguagePolicy) -> None:
    [prompt] = mixed_prompts(policy)[:1]
    [group] = engine.rollout([prompt])
    long = group.completions[0].text
    stop = next(letter for letter in long[2:] if letter.isascii() and letter.isalnum())
    sampling = Sampling(completions_per_prompt=3, max_completion_tokens=16, temperature=0.8, seed=5, stop=(stop,))
    [stopped] = engine.rollout([prompt], sampling=sampling)
    assert stopped.completions[0].text == long[: long.index(stop) + 1]
    assert stopped.completions[0].finish_reason == "stop"


def test_another_policy_is_refused_with_its_sizes_and_the_server_goes_on(
    server: Served, engine: ServedEngine, policy: VisionLanguagePolicy, tmp_path: Path
) -> None:
    other = loaded(build_tiny("qwen3_vl", tmp_path, TinySize(width=64, depth=3, context=4096)))
    with pytest.raises(RolloutError, match=r"text_config\.num_hidden_layers is 2 here and 3 there"):
        ServedEngine(DRAWN, address(server)).bind(other)
    assert_in_step(engine, policy)  # its weights are given again, for the server holds no version now


def test_an_update_that_was_never_ended_is_made_good(
    server: Served, engine: ServedEngine, policy: VisionLanguagePolicy
) -> None:
    for path in ("/pause", "/start_weight_update"):
        urllib.request.urlopen(urllib.request.Request(address(server) + path, method="POST"), timeout=30).close()
    engine.publish(policy)
    assert_in_step(engine, policy)


def many(policy: VisionLanguagePolicy) -> list[Prompt]:
    return [render(policy, sample(f"s{n}", f"What is seen? {n}"), n) for n in range(24)]


def test_a_server_killed_in_the_middle_leaves_its_prompts_to_another_or_an_error_that_names_them(
    server: Served, policy: VisionLanguagePolicy
) -> None:
    """Must stay the last test: it kills the server."""
    long = Sampling(completions_per_prompt=4, max_completion_tokens=900)
    with rollout_servers.serving() as other:
        engine = ServedEngine(long, [address(server), other.url], request_seconds=60, patience=2)
        alone = ServedEngine(long, address(server), request_seconds=60, patience=2)
        alone.bind(policy)
        engine.bind(policy)
        prompts = many(policy)
        threading.Timer(1.0, server.kill).start()
        groups = engine.rollout(prompts)
        assert [group.prompt for group in groups] == prompts
        assert len(other.asked) > len(prompts) // 2
    begun = time.monotonic()
    with pytest.raises(
        RolloutError, match=r"24 of 24 prompts, of the samples 's0', .* and 14 more: no server has been"
    ):
        alone.rollout(prompts)
    assert time.monotonic() - begun < 10
    assert server.process.wait(timeout=30) == 137
