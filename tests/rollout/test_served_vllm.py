"""The served engine and a real vLLM, which ``medix rollout serve`` starts once for all tests here.

The tests stand in one order and on one worker, for the last two kill the server; after the first of them it is started
again.
"""

import re
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import EvaluationSampling, RolloutError, Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.served import ServedEngine
from medix.types import Completion, Prompt
from tests.support import rollout_servers, rollout_vllm
from tests.support.reward_curves import SAMPLING, SIZE, assert_same_rise, curves, local_curves, shown
from tests.support.rollout_fits import (
    assert_stopped_and_left_out,
    ending_policy,
    largest_difference,
    logged,
    versions,
)
from tests.support.rollout_vllm import address
from tests.support.served_fits import ServedFit
from tests.support.tiny import loaded, mixed_prompts, render, sample
from tests.support.vllm_server import Served

pytestmark = pytest.mark.vllm

DRAWN = Sampling(completions_per_prompt=3, max_completion_tokens=16, temperature=0.8, seed=5)
GREEDY = Sampling(completions_per_prompt=2, max_completion_tokens=16, temperature=0)
TOLERANCE = 1e-4
"""Of a log-probability in float32; about 2e-6 was measured."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl_moe", tmp_path_factory.mktemp("model"), SIZE)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    """The one server of this file."""
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
    other = loaded(build_tiny("qwen3_vl_moe", tmp_path, replace(SIZE, depth=3)))
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


@pytest.fixture(scope="module")
def ending(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy of the server's sizes that ends most of its completions with an answer, and not all of them."""
    return ending_policy(folder, tmp_path_factory.mktemp("ending") / "policy")


def test_a_dapo_fit_by_the_command_line_stays_in_step(server: Served, ending: Path, tmp_path: Path) -> None:
    """Every step is written by the weights of the step before, as the server says with each completion."""
    run = ServedFit(tmp_path, ending, server)
    run.write(4, {})
    ended = run.fit(is_apart=True)
    assert ended.code == 0, ended.err
    found = logged(run.run)
    assert set(found) == {1, 2, 3, 4}
    for numbers in found.values():
        assert 0 <= numbers["train/mismatch"] < 1e-5
        assert 0 <= numbers["train/mismatch_kl"] < 1e-8
        assert numbers["train/staleness"] == 0
    assert versions(run.run) == {1: {0}, 2: {1}, 3: {2}, 4: {3}}
    assert_stopped_and_left_out(run.run)
    run.assert_server_has_the_policy_of(4)


def test_a_fit_that_samples_ahead_goes_on_after_a_kill(server: Served, ending: Path, tmp_path: Path) -> None:
    """One step behind all the way, also across the kill: what was sampled ahead is in the checkpoint.

    The kill comes in step 4, while the server writes for step 5; the last checkpoint is of step 2.
    """
    run = ServedFit(tmp_path, ending, server)
    importance = {"class_path": "medix.losses.TruncatedImportance"}
    loss = {"class_path": "medix.losses.DAPOLoss", "init_args": {"importance": importance}}
    changes = {"loss": loss, "rollouts_ahead": 1}
    run.write(6, changes, "KillTrainer", step=4)
    assert run.fit(is_apart=True).code == -signal.SIGKILL
    assert set(logged(run.run)) == {1, 2, 3}
    resumed = run.fit()
    assert resumed.code == 0, resumed.err
    assert "step-000002.ckpt" in resumed.out
    found = logged(run.run)
    assert [found[step]["train/staleness"] for step in range(1, 7)] == [0, 1, 1, 1, 1, 1]
    assert versions(run.run) == {1: {0}, 2: {0}, 3: {1}, 4: {2}, 5: {3}, 6: {4}}
    assert found[1]["train/mismatch"] < 1e-5  # sampled with the weights that are trained
    for step in range(2, 7):
        assert 1e-4 < found[step]["train/drift"] < 0.5
        assert 0.5 < found[step]["train/importance_weight"] < 2
    assert_stopped_and_left_out(run.run)
    run.assert_server_has_the_policy_of(6)


def test_the_reward_rises_as_with_the_local_engine(
    server: Served,
    folder: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    record_property: Callable[[str, str], None],
) -> None:
    policy = loaded(folder)
    local = local_curves(policy, tmp_path_factory)
    found = curves(ServedEngine(SAMPLING, address(server), request_seconds=60), policy, tmp_path / "served")
    record_property("curves", shown(local=local, served=found))
    assert_same_rise(found, local)
    assert max(max(row) for row in found.mismatches) < 1e-5


def test_a_server_killed_in_the_middle_of_a_fit_ends_it_in_time_and_started_again_lets_it_go_on(
    server: Served, folder: Path, ending: Path, tmp_path: Path
) -> None:
    """The error names the prompts, and nothing of the step is kept."""
    run = ServedFit(tmp_path, ending, server)
    run.write(4, {}, "KillServer", step=3, group=server.child)
    ended = run.fit()
    assert time.time() - (tmp_path / "killed").stat().st_mtime < 120
    assert ended.code == 1
    assert re.search(r"medix: error: no completions for [1-4] of 4 prompts, of the samples '", ended.err), ended.err
    assert "python -m medix rollout serve" in ended.err
    assert server.process.wait(timeout=120) == 1
    assert set(logged(run.run)) == {1, 2}
    rollout_vllm.start_again(server, folder)
    resumed = run.fit()
    assert resumed.code == 0, resumed.err
    assert "step-000002.ckpt" in resumed.out
    assert versions(run.run) == {1: {0}, 2: {1}, 3: {2}, 4: {3}}
    assert max(numbers["train/mismatch"] for numbers in logged(run.run).values()) < 1e-5
    run.assert_server_has_the_policy_of(4)


def many(policy: VisionLanguagePolicy) -> list[Prompt]:
    return [render(policy, sample(f"s{n}", f"What is seen? {n}"), n) for n in range(24)]


def kill_at_work(server: Served) -> None:
    """Kill a server as soon as it computes completions."""
    end = time.monotonic() + 60
    while not re.search(r"num_requests_running\{[^}]*\} [1-9]", said_by(f"{address(server)}/metrics")):
        assert time.monotonic() < end, "it was never at work"
    server.kill()


def said_by(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read().decode()


def test_a_server_killed_in_the_middle_leaves_its_prompts_to_another_or_an_error_that_names_them(
    server: Served, policy: VisionLanguagePolicy
) -> None:
    """Must stay the last test: it kills the server.

    The server computes 32 sequences at once and is asked for twelve times as many: it is killed before they are ready.
    """
    long = Sampling(completions_per_prompt=32, max_completion_tokens=900)
    with rollout_servers.serving() as other:
        engine = ServedEngine(long, [address(server), other.url], request_seconds=60, patience=2)
        alone = ServedEngine(long, address(server), request_seconds=60, patience=2)
        alone.bind(policy)
        engine.bind(policy)
        prompts = many(policy)
        killing = threading.Thread(target=kill_at_work, args=(server,))
        killing.start()
        groups = engine.rollout(prompts)
        killing.join()
        assert [group.prompt for group in groups] == prompts
        assert len(other.asked) > len(prompts) // 2
    begun = time.monotonic()
    with pytest.raises(
        RolloutError, match=r"24 of 24 prompts, of the samples 's0', .* and 14 more: no server has been"
    ):
        alone.rollout(prompts)
    assert time.monotonic() - begun < 120
    assert server.process.wait(timeout=120) == 1
