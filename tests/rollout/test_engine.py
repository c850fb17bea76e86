"""The contract of rollout engines."""

import re
from collections.abc import Sequence

import pytest

from medix.policy.base import Policy
from medix.rollout.engine import EvaluationSampling, OnCompletion, RolloutEngine, Sampling
from medix.types import Completion, FinishReason, Prompt, RolloutGroup, Sample
from tests.support.policies import BigramPolicy


class _Silent(RolloutEngine):
    def bind(self, policy: Policy) -> None:
        pass

    def rollout(
        self, prompts: Sequence[Prompt], on_completion: OnCompletion | None = None, sampling: Sampling | None = None
    ) -> list[RolloutGroup]:
        return []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("completions_per_prompt", 0), ("max_completion_tokens", 0), ("temperature", -0.1), ("top_p", 0.0),
        ("top_p", 1.1), ("top_k", -1), ("stop", ("</answer>", "")),
    ],
)  # fmt: skip
def test_impossible_settings_are_refused_by_name_and_value(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=re.escape(f"sampling.{name}: {value} is outside")):
        Sampling(**{name: value})  # type: ignore[arg-type]


def test_the_number_of_publishes_is_in_the_state() -> None:
    engine, resumed = _Silent(Sampling()), _Silent(Sampling())
    for _ in range(3):
        engine.publish(BigramPolicy())
    resumed.load_state_dict(engine.state_dict())
    assert resumed.policy_version == 3


def test_the_first_stop_text_ends_a_completion() -> None:
    sampling = Sampling(stop=("</answer>", "END"))
    assert sampling.after_stop("<answer>yes</answer> END") == len("<answer>yes</answer>")
    assert sampling.after_stop("END</answer>") == 3
    assert sampling.after_stop("<answer>yes") is None
    assert Sampling().after_stop("END") is None


def test_evaluation_keeps_its_own_defaults_where_a_spec_gives_only_some_keys() -> None:
    made = EvaluationSampling(max_completion_tokens=64)
    assert (made.completions_per_prompt, made.temperature, made.top_p) == (1, 0.6, 0.95)
    assert (Sampling().completions_per_prompt, Sampling().temperature, Sampling().top_p) == (8, 1.0, 1.0)


def test_an_engine_that_shows_nothing_before_the_end_hands_over_the_whole() -> None:
    class Whole(_Silent):
        def rollout(
            self, prompts: Sequence[Prompt], on_completion: OnCompletion | None = None, sampling: Sampling | None = None
        ) -> list[RolloutGroup]:
            completion = Completion("left", (1,), (0.0,), FinishReason.STOP)
            return [RolloutGroup(prompt, (completion,), 0) for prompt in prompts]

    grown: list[str] = []
    group = Whole(Sampling()).stream(Prompt(Sample("1", "q", "r", None), (1,)), grown.append, Sampling())
    assert grown == [group.completions[0].text] == ["left"]
