"""Weights and gates in a suite: what is refused, and what a spec says."""

import math
from pathlib import Path

import pytest

from medix.judge.scripted import ScriptedJudge
from medix.rewards import FormatReward, Gate, JudgeReward, ModalityReward, RewardSuite, Weighted
from medix.rewards.weighted import check_weights

SPEC = """
components:
  judge: {reward: {class_path: medix.rewards.JudgeReward}, weight: 0.6}
  format:
    reward: {class_path: medix.rewards.FormatReward}
    weight: 0.4
    gate: {component: judge}
"""
ROW = {"references": ["smaller"], "questions": ["q"], "modalities": ["X_RAY"]}
WELL_FORMED = "<X_RAY><think>r</think><answer>smaller</answer>"


def test_a_gate_in_a_spec_opens_by_the_judge(tmp_path: Path) -> None:
    """YES: 0.6 + 0.4 = 1. NO: 0 and, behind the gate, 0, though the format is kept and its own value says so."""
    path = tmp_path / "gated.yaml"
    path.write_text(SPEC)
    for reply, total in (("YES", 1.0), ("NO", 0.0)):
        table = RewardSuite.from_spec(path, judge=ScriptedJudge(reply)).score(completions=[WELL_FORMED], **ROW)
        assert table.total.tolist() == [total]
        assert table["format"].value.tolist() == [1.0]


def test_an_observer_may_open_a_gate() -> None:
    suite = RewardSuite(
        {
            "judge": Weighted(JudgeReward(ScriptedJudge("NO")), 0.0),
            "format": Weighted(FormatReward(), 0.5, Gate("judge")),
            "modality": Weighted(ModalityReward(), 0.5),
        }
    )
    assert suite.score(completions=[WELL_FORMED], **ROW).total.tolist() == [0.5]


def test_a_suite_whose_gates_wait_for_each_other_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"rewards\.components\.format\.gate\.component: .*format -> modality -> format"
    ):
        RewardSuite(
            {
                "format": Weighted(FormatReward(), 0.5, Gate("modality")),
                "modality": Weighted(ModalityReward(), 0.5, Gate("format")),
            }
        )


@pytest.mark.parametrize("name", ["judg", "format", ""])
def test_a_gate_on_nothing_or_on_itself_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"rewards\.components\.format\.gate\.component: .* there are modality"):
        RewardSuite({"format": Weighted(FormatReward(), 0.5, Gate(name)), "modality": Weighted(ModalityReward(), 0.5)})


def test_weights_that_do_not_sum_to_one_are_refused_with_names_weights_and_remedy() -> None:
    with pytest.raises(ValueError, match=r"sum to 1, got 1\.1 from a 0\.5, b 0\.6; scale them.*penalties"):
        check_weights({"a": Weighted(FormatReward(), 0.5), "b": Weighted(FormatReward(), 0.6)}, {})
    check_weights({"a": Weighted(FormatReward(), 0.5), "b": Weighted(FormatReward(), 0.5 + 5e-7)}, {})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "at least one component"),
        ({"total": 1.0}, "'total' cannot be a name"),
        ({"a/b": 1.0}, "'a/b' cannot be a name"),
        ({"a": -1.0, "b": 2.0}, r"a\.weight: -1"),
        ({"a": math.nan}, r"a\.weight: nan"),
    ],
)
def test_names_and_weights_that_cannot_be_are_refused(parts: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RewardSuite({name: Weighted(FormatReward(), weight) for name, weight in parts.items()})


def test_a_penalty_with_the_name_of_a_component_is_refused() -> None:
    with pytest.raises(ValueError, match="a is also the name of a component"):
        RewardSuite({"a": Weighted(FormatReward(), 1.0)}, penalties={"a": Weighted(FormatReward(), 1.0)})
