"""What callbacks need of a module, said where it is missing."""

import lightning.pytorch as lightning
import pytest

from medix.callbacks.watched import accuracy_component, accuracy_judge, reward_judges, watched
from medix.judge.own_arguments import named
from medix.rewards import JudgeReward
from tests.support.fake_training import CountingJudge, FakeModule, FakeSuite


def test_a_module_with_steps_is_watched() -> None:
    module = FakeModule()
    assert watched(module) is module


def test_another_module_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(TypeError, match=r"LightningModule has no step, max_steps, .* need a GroupRLModule"):
        watched(lightning.LightningModule())


def test_judges_of_the_rewards_are_named_once_and_in_order() -> None:
    module = FakeModule()
    judges = {name: FakeSuite(CountingJudge(name[0])) for name in ("b1", "a", "b2")}
    module.rewards.components = {"format": object(), **judges}  # type: ignore[dict-item]
    assert reward_judges(module) == [named(CountingJudge(name)) for name in "ba"]
    module.rewards.components = {}
    assert reward_judges(module) == []


def test_the_judge_of_the_accuracy_is_that_of_the_first_judge_reward_or_else_the_first() -> None:
    module, (first, second) = FakeModule(), (CountingJudge("a"), CountingJudge("b"))
    rubric: dict[str, object] = {"format": object(), "rubric": FakeSuite(first)}
    module.rewards.components = {**rubric, "b": JudgeReward(second), "c": JudgeReward(first)}  # type: ignore[dict-item]
    assert accuracy_judge(module) is second
    assert accuracy_component(module) == ("b", module.rewards.components["b"], second)
    module.rewards.components = rubric  # type: ignore[assignment]
    assert accuracy_judge(module) is first
    module.rewards.components = {}
    assert accuracy_judge(module) is None
