"""The card's table of numbers; see test_checkpoint.py for whole cards."""

from pathlib import Path
from typing import Any

import pytest

from medix.cli import build_module
from medix.export.card import model_card
from medix.judge.own_arguments import named
from medix.modules.group_rl import GroupRLModule
from medix.rewards import JudgeReward, RewardSuite, Weighted
from tests.support.fake_training import CountingJudge
from tests.support.inside import working_in
from tests.support.runs import small_spec, write_spec

VALIDATIONS: list[dict[str, Any]] = [
    {"step": 0, "reward": 0.25, "accuracy": 0.5, "unscored": 0.0},
    {"step": 5, "reward": 0.75, "accuracy": 0.625, "modality_accuracy": None, "unscored": 0.125},
    {"step": 9, "reward": 0.99, "accuracy": 0.99, "modality_accuracy": None, "unscored": 0.0},
]


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> GroupRLModule:
    folder = tmp_path_factory.mktemp("card")
    with working_in(folder):
        return build_module(write_spec(folder, small_spec(folder, Path("some/policy"))))


def test_a_card_needs_no_weights_and_states_use_base_and_tags(module: GroupRLModule) -> None:
    card = model_card(module, {}, step=5, validations=[])
    assert module.policy.model is None
    assert "**Research use, not for clinical decisions.**" in card
    assert "base_model: some/policy" in card
    assert "CT_SCAN" in card
    assert "- train data: not stated" in card


def test_one_step_is_one_step(module: GroupRLModule) -> None:
    assert f", 1 step of {module.prompts_per_step} prompts" in model_card(module, {}, step=1, validations=[])


def test_numbers_are_those_of_the_step(module: GroupRLModule) -> None:
    card = model_card(module, {}, step=5, validations=VALIDATIONS)
    assert "| reward | 0.250 | 0.750 |" in card
    assert "| accuracy | 0.500 | 0.625 |" in card
    assert "| unscored | 0.000 | 0.125 |" in card
    assert "0.990" not in card


def test_what_was_not_measured_is_said_so(module: GroupRLModule) -> None:
    card = model_card(module, {}, step=5, validations=VALIDATIONS)
    assert "| modality accuracy | not measured | not measured |" in card


def test_a_step_without_validation_gets_no_numbers(module: GroupRLModule) -> None:
    assert "(steps with one: 0, 5, 9)" in model_card(module, {}, step=7, validations=VALIDATIONS)
    assert "(steps with one: none)" in model_card(module, {}, step=7, validations=[])


def test_the_judge_named_is_the_one_that_rewarded(module: GroupRLModule) -> None:
    """A component may have a judge of its own, which no other judge of the spec replaces."""
    assert module.judge is not None
    given = module.rewards
    module.rewards = RewardSuite({"judge": Weighted(JudgeReward(CountingJudge("own")), 1.0)})
    try:
        assert f"\n- judge: {named(CountingJudge('own'))}\n" in model_card(module, {}, step=5, validations=[])
    finally:
        module.rewards = given


def test_the_precision_of_training_is_stated(module: GroupRLModule) -> None:
    assert "- precision: 32-true\n" in model_card(module, {}, step=5, validations=[])
    card = model_card(module, {"trainer": {"precision": "bf16"}}, step=5, validations=[])
    assert "- precision: bf16-mixed; computed in another precision" in card


def test_the_step_compared_with_is_named_comparable_and_earlier(module: GroupRLModule) -> None:
    def entry(step: int, judge: str) -> dict[str, Any]:
        return {"step": step, "reward": step / 10, "judge": judge}

    made = [entry(0, "a"), entry(4, "b"), entry(8, "b"), entry(12, "a")]
    assert "| on validation | after step 4 | after step 8 |" in model_card(module, {}, step=8, validations=made)
    assert "\n\nJudged by b.\n" in model_card(module, {}, step=8, validations=made)
    card = model_card(module, {}, step=4, validations=made)
    assert "\n\nJudged by b.\n" in card
    assert "The validation of step 0 was made with another judge, and is not compared." in card
    assert "No earlier validation was made" in model_card(module, {}, step=0, validations=made)


def test_stretches_under_other_conditions_are_told(module: GroupRLModule) -> None:
    stretches = [("1 to 2", "as the run began"), ("3 to 4", "model.lr: 1 -> 2"), ("5 to 5", "model.lr: 2 -> 1")]
    card = model_card(module, {}, step=5, validations=[], stretches=stretches)
    assert (
        "- the run was continued under other conditions; the above is how it ended:\n  - steps 1 to 2: as the run "
        "began\n  - steps 3 to 4: model.lr: 1 -> 2\n  - steps 5 to 5: model.lr: 2 -> 1\n" in card
    )
    assert "other conditions" not in model_card(module, {}, step=5, validations=[])
