"""Losses and advantages as parts of one model."""

import warnings
from typing import Any

import pytest

from medix.advantages import Advantage, DrGRPOAdvantage, GRPOAdvantage, RLOOAdvantage
from medix.losses import (
    AdaptiveCoefficient,
    CISPOLoss,
    ClippedSurrogate,
    ComposedLoss,
    DAPOLoss,
    DrGRPOLoss,
    GroupLoss,
    GRPOLoss,
    GSPOLoss,
    GSPOTokenLoss,
    ReferenceKL,
    RewardKL,
    SequenceSum,
    SequenceSumNorm,
    TokenRatio,
)
from medix.modules.composition import compose
from medix.modules.group_rl import GroupRLModule
from medix.modules.update import Update
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.format import FormatReward
from medix.rewards.length import SoftOverlongPenalty
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from tests.losses.cases import rows

ADVANTAGES = {kind.__name__: kind for kind in (GRPOAdvantage, DrGRPOAdvantage, RLOOAdvantage)}
PAPERS: dict[type[GroupLoss], tuple[str, str]] = {
    GRPOLoss: ("GRPOAdvantage", "2402.03300"),
    DAPOLoss: ("GRPOAdvantage", "2503.14476"),
    GSPOLoss: ("GRPOAdvantage", "2507.18071"),
    GSPOTokenLoss: ("GRPOAdvantage", "2507.18071"),
    CISPOLoss: ("GRPOAdvantage", "2506.13585"),
    DrGRPOLoss: ("DrGRPOAdvantage", "2503.20783"),
}


def told(loss: GroupLoss, advantage: Advantage) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        compose(loss, advantage, 7)
    return [str(one.message) for one in caught]


@pytest.mark.parametrize("advantage", ADVANTAGES)
@pytest.mark.parametrize("loss", PAPERS, ids=lambda kind: kind.__name__)
def test_a_loss_with_another_advantage_than_its_papers_is_warned_about_with_the_remedy(
    loss: type[GroupLoss], advantage: str
) -> None:
    wanted, paper = PAPERS[loss]
    found = told(loss(), ADVANTAGES[advantage]())
    assert len(found) == (advantage != wanted)
    for text in found:
        assert text.startswith(f"model.advantage: {advantage} with model.loss: {loss.__name__} is not the algorithm of")
        assert paper in text
        assert f"{{class_path: medix.advantages.{wanted}}}" in text
        assert "medix.losses.ComposedLoss" in text


def test_subclasses_belong_where_their_bases_do() -> None:
    class OwnLoss(DrGRPOLoss):
        pass

    class OwnAdvantage(DrGRPOAdvantage):
        pass

    assert told(OwnLoss(), OwnAdvantage()) == []
    assert len(told(OwnLoss(), GRPOAdvantage())) == 1


def test_a_composed_loss_promises_no_paper() -> None:
    for advantage in ADVANTAGES.values():
        assert told(ComposedLoss(TokenRatio(), ClippedSurrogate(0.2, 0.2, None), SequenceSum()), advantage()) == []


def module(loss: GroupLoss, advantage: Advantage | None = None, limit: int = 50, **changes: Any) -> GroupRLModule:
    return GroupRLModule(
        policy=VisionLanguagePolicy("nowhere"),
        engine=LocalEngine(Sampling(completions_per_prompt=3, max_completion_tokens=limit)),
        loss=loss,
        update=Update(prompts_per_update=2),
        prompts_per_step=2,
        max_steps=1,
        advantage=advantage,
        **({"rewards": RewardSuite({"format": Weighted(FormatReward(), 1.0)})} | changes),
    )


def test_a_model_warns_when_it_is_composed() -> None:
    with pytest.warns(UserWarning, match=r"GRPOAdvantage with model\.loss: DrGRPOLoss is not the algorithm"):
        module(DrGRPOLoss())


@pytest.mark.parametrize(
    ("loss", "divisor"),
    [
        (DrGRPOLoss(), 50),
        (DrGRPOLoss(aggregate=SequenceSumNorm(20)), 20),
        (DAPOLoss(aggregate=SequenceSumNorm()), 50),
    ],
)
def test_dr_grpo_divides_by_the_generation_budget(loss: GroupLoss, divisor: int) -> None:
    """One completion of 3 tokens, ratio 1, A = -1: 3 / 50, though the longest completion has 3 tokens."""
    module(loss, DrGRPOAdvantage() if isinstance(loss, DrGRPOLoss) else None)
    assert loss(rows([[1.0, 1.0, 1.0]], [-1.0])).loss.item() == pytest.approx(3 / divisor)


@pytest.mark.parametrize("key", ["model.loss.reference_kl", "model.reward_kl"])
def test_a_coefficient_that_a_step_would_overrun_is_refused_at_the_start(key: str) -> None:
    """Steps of 2 x 3 completions: a horizon of 1.2 could make the coefficient 0, after any number of steps."""

    def composed(horizon: float) -> GroupRLModule:
        coefficient = AdaptiveCoefficient(0.1, 1.0, horizon)
        if key == "model.reward_kl":
            return module(DAPOLoss(), reward_kl=RewardKL("k1", coefficient))
        return module(DAPOLoss(reference_kl=ReferenceKL("k3", coefficient)))

    with pytest.raises(ValueError, match=rf"{key}\.coefficient: horizon 1.2 is too short for 6 completions"):
        composed(1.2)
    composed(1.3)


def test_a_length_penalty_beyond_the_generation_budget_is_refused() -> None:
    """Completions are cut at 50 tokens; with a limit of 100 and a buffer of 20 the penalty would be 0 for ever."""

    def composed(limit: int) -> GroupRLModule:
        parts = {"format": Weighted(FormatReward(), 1.0)}
        return module(DAPOLoss(), rewards=RewardSuite(parts, {"length": Weighted(SoftOverlongPenalty(limit, 20), 1.0)}))

    with pytest.raises(ValueError, match=r"penalties\.length\.max_completion_tokens: 100 exceeds .*_tokens: 50,"):
        composed(100)
    composed(50)
