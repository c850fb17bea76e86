"""Time of a step: each term by hand, and the rates of a run in place of assumed ones."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from medix.doctor.measured_run import MeasuredRate, MeasuredRun
from medix.doctor.model_size import Layer, ModelSize
from medix.doctor.rank import Rank
from medix.doctor.step_time import Assumptions, StepTime, active_parameters

TEXT = Layer(count=2, hidden_size=10, intermediate_size=30, query_width=10, key_width=5)
MODEL = ModelSize(
    parameters=4000, trained=4000, adapters=0, largest_trained=0, outside_layers=0, text=TEXT, vision=None,
    patches_per_token=1, vocab_size=100, context_length=1000,
)  # fmt: skip
ROUND = Assumptions(
    tflops=1e-6, utilisation=0.5, terabytes_per_second=1e-6, sampling_utilisation=0.5, sequences=4,
    completion_tokens=10, prompt_tokens=20, with_signal=0.5, gigabytes_per_second=1e-6, scaling=0.5,
)  # fmt: skip


def time_of(
    assumed: Assumptions = ROUND,
    measured: MeasuredRun | None = None,
    gpu_memory: int = 0,
    dependence: Any = None,
    ranks: int = 2,
    servers: int = 0,
    **model: Any,
) -> StepTime:
    """8 prompts of 20 tokens, 2 completions each of 10 tokens, on 2 ranks, which sample where there are no servers."""
    module = SimpleNamespace(
        prompts_per_step=8,
        engine=SimpleNamespace(sampling=SimpleNamespace(completions_per_prompt=2), base_url=["http://s"] * servers),
        loss=SimpleNamespace(needs_reference_logprobs=False), reward_kl=None, rollouts=None,
        preparation=SimpleNamespace(image_dependence=dependence),
    )  # fmt: skip
    rank = SimpleNamespace(
        module=module, policy=SimpleNamespace(gradient_checkpointing=False), model=replace(MODEL, **model),
        plan=SimpleNamespace(ranks=ranks), completion_tokens=100, prompt_tokens=400,
        gpu_memory=gpu_memory,
    )  # fmt: skip
    return StepTime(cast(Rank, rank), assumed, measured)


def seconds(time: StepTime) -> dict[str, float]:
    return {term.name: term.seconds for term in time.terms}


def test_active_parameters_are_those_of_the_layers() -> None:
    """Two layers of 2 x 10 x (10 + 5) = 300 for attention and 3 x 10 x 30 = 900 for the MLP."""
    assert active_parameters(TEXT) == 2 * (300 + 900)


def test_passes_take_their_operations_at_the_assumed_rate() -> None:
    """Forward: 2 x 8 x (20 x 2,400 + 2 x 10 x (2,400 + 1,000)) = 1,856,000 operations; 2 ranks x 1e6 x 0.5 a second."""
    found = seconds(time_of())
    assert found["old_logprobs"] == pytest.approx(1.856)
    assert seconds(time_of(dependence="measured"))["old_logprobs"] == pytest.approx(2 * 1.856)
    assert found["update"] == pytest.approx(3 * 1.856)


def test_sampling_reads_weights_and_cache_for_each_token() -> None:
    """16 / 0.5 = 32 completions, 2 engines x 4 at once: 4 x 10 passes.

    One reads 8,000 bytes of weights and 4 x 4 x 2 x 5 x (20 + 10 / 2) = 4,000 of cache, at 1e6 x 0.5 bytes a second.
    """
    assert seconds(time_of())["rollout"] == pytest.approx(40 * 12_000 / 0.5e6)


def test_a_server_decodes_what_its_memory_holds() -> None:
    """0.9 x 11,111 - 8,000 bytes of weights leave 2,000 for keys and values of 1,000 each: two at once, 80 passes."""
    found = seconds(time_of(gpu_memory=11_112))["rollout"]
    assert found == pytest.approx(80 * 10_000 / 0.5e6, rel=1e-3)


def test_a_step_is_the_sum_and_the_judge_is_asked_for_every_sampled_completion() -> None:
    time = time_of()
    assert time.seconds == pytest.approx(0.96 + 4 * 1.856 + 8.0)
    assert time.tokens == 160
    assert time.questions == 32


def test_without_lengths_half_of_the_limits_is_taken() -> None:
    time = time_of(replace(ROUND, completion_tokens=0, prompt_tokens=0))
    assert (time.completion_tokens, time.prompt_tokens) == (50, 200)


def test_the_vision_tower_counts_for_prompts() -> None:
    """One layer of 4 x 6 x 6 + 2 x 6 x 8 = 240, four patches a token: 8 x 20 tokens x 960 x 2 operations more."""
    vision = Layer(count=1, hidden_size=6, intermediate_size=8, query_width=6, key_width=6)
    found = seconds(time_of(vision=vision, patches_per_token=4))["old_logprobs"]
    assert found == pytest.approx(1.856 + 2 * 8 * 20 * 960 / 1e6)


def of_run(ranks: int = 2, servers: int = 0) -> MeasuredRun:
    """Half of what it sampled was trained; 16 completions of 10 tokens a step."""
    rates = {name: MeasuredRate(0.1) for name in ("rollout", "reward", "old_logprobs", "update")}
    return MeasuredRun("runs/mine", ranks, rates | {"publish": MeasuredRate(3.0, True)}, 5, 10.0, 0.5, servers)


OF_ITS_OWN = {"rollout": 16.0, "reward": 16.0, "old_logprobs": 16.0, "update": 16.0, "publish": 3.0}
"""160 tokens of 0.1 s; publishing takes what it takes."""


@pytest.mark.parametrize("servers", [0, 3])
def test_a_plan_from_the_rates_of_its_own_run_has_the_seconds_of_the_run(servers: int) -> None:
    """What was sampled for nothing is in the seconds of sampling already, whatever share of signal is assumed."""
    unsaid = replace(ROUND, completion_tokens=0, with_signal=0.1)
    time = time_of(unsaid, of_run(servers=servers), servers=servers)
    assert seconds(time) == pytest.approx(OF_ITS_OWN)
    assert time.seconds == pytest.approx(4 * 16 + 3)
    assert {(term.basis, term.assumes) for term in time.terms} == {("measured", ())}
    assert time.questions == 32


@pytest.mark.parametrize(
    ("ranks", "servers", "changed"),
    [
        (4, 0, {"rollout": 16.0, "old_logprobs": 16.0, "update": 16.0}),  # half of the work at half of the rate
        (4, 3, {"old_logprobs": 16.0, "update": 16.0}),
        (2, 6, {"rollout": 8.0}),
    ],
)
def test_a_measured_term_is_divided_by_what_the_computed_one_is_divided_by(
    ranks: int, servers: int, changed: dict[str, float]
) -> None:
    """Served sampling by the servers, publishing and verdicts by nothing, passes and own sampling by the ranks."""
    run = of_run(servers=3 if servers else 0)
    found = time_of(measured=run, ranks=ranks, servers=servers)
    assert seconds(found) == pytest.approx(OF_ITS_OWN | changed)
    computed = {term.name: term.divided_by for term in time_of(ranks=ranks, servers=servers).terms}
    assert {term.name: term.divided_by for term in found.terms} == {"reward": ""} | computed
    scaled = {term.name for term in found.terms if "scaling" in term.assumes}
    assert scaled == {term.name for term in found.terms if ranks != 2 and term.divided_by == "ranks"}


def test_sampling_of_another_kind_than_the_run_had_is_computed() -> None:
    found = time_of(measured=of_run(servers=3))
    assert found.terms[0] == replace(time_of().terms[0], assumes=found.terms[0].assumes)
    assert "with_signal" not in found.terms[0].assumes


def test_rates_that_the_run_lacks_stay_assumed_and_both_say_so() -> None:
    """160 tokens x 0.1 s on one rank; on two half of it, at half the rate."""
    run = replace(of_run(ranks=1), rates={"update": MeasuredRate(0.1)})
    terms = {term.name: term for term in time_of(measured=run).terms}
    assert terms["update"].line() == (
        "update (measured rate): 160 tokens x 0.1 s a token in runs/mine x 1 / 2 ranks / 0.5 = 16.0 s"
    )
    assert {name for name, term in terms.items() if term.basis == "assumed"} == {"rollout", "old_logprobs", "publish"}


def test_a_completion_is_as_long_as_in_the_run_unless_the_limit_is_below() -> None:
    unsaid = replace(ROUND, completion_tokens=0)
    assert time_of(unsaid, of_run()).completion_tokens == 10
    assert time_of(unsaid, replace(of_run(), completion_tokens=300.0)).completion_tokens == 100


def test_assumptions_are_read_from_the_command_line() -> None:
    assert Assumptions.of(["tflops=312", "utilisation=0.4"]) == Assumptions(tflops=312, utilisation=0.4)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("speed=3", "--assume speed=3: expected NAME=NUMBER with one of tflops, "),
        ("tflops=fast", "--assume tflops=fast: expected NAME=NUMBER"),
        ("utilisation=1.5", "--assume utilisation=1.5: must be a share above 0, at most 1"),
        ("tflops=0", "--assume tflops=0: must be a positive number"),
    ],
)
def test_impossible_assumptions_are_refused(pair: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Assumptions.of([pair])
