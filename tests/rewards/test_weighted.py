"""Gates in a suite: what is refused, and what a spec says."""

from pathlib import Path

import pytest

from medix.judge.scripted import ScriptedJudge
from medix.rewards import FormatReward, Gate, JudgeReward, ModalityReward, RewardSuite, Weighted

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
