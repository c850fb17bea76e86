"""Credit that a judge gives by degrees."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from medix.judge.base import Judge
from medix.judge.exact import ExactJudge
from medix.judge.prompt import JudgePrompt, YesNoPrompt
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.judge.served import ServedJudge
from medix.rewards.answer import PublishedAnswer
from medix.rewards.format import FormatReward
from medix.rewards.judged import JudgeReward
from medix.rewards.rubric import RubricReward
from medix.rewards.suite import RewardSuite, Weighted
from medix.types import JudgeQuestion, Status, Verdict
from tests.support.components import BATCH, check_component, rows_of


class Grading(Judge):
    """Reads prompts; gives the grade that the test wrote down, over the best of the prompt."""

    def __init__(self, grades: Mapping[str, float | None], prompt: JudgePrompt | None = None) -> None:
        self.grades = dict(grades)
        self.prompt = prompt or YesNoPrompt()
        self.asked: list[JudgeQuestion] = []

    @property
    def identity(self) -> str:
        return f"grading/{self.prompt.version}"

    def asking(self, prompt: JudgePrompt) -> "Grading":
        return Grading(self.grades, prompt)

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        self.asked += questions
        return [self._grade(self.grades.get(question.answer)) for question in questions]

    def _grade(self, grade: float | None) -> Verdict:
        if grade is None:
            return Verdict(None, self.identity, reason="the judge is down")
        return Verdict(grade / self.prompt.best, self.identity)


GRADES = {"smaller": 5.0, "larger": 1.0, "heart attack": 4.0}


def judge_of(reward: RubricReward) -> Grading:
    assert isinstance(reward.judge, Grading)
    return reward.judge


def test_the_credit_is_the_grade_over_the_best_of_the_prompt() -> None:
    """5 of 5, 1 of 5, 4 of 5; no answer is 0 without a question; a judge that is down is unscored."""
    reward = RubricReward(judge=Grading(GRADES))
    scores = reward.score(BATCH)
    assert scores.value[:5].tolist() == pytest.approx([1.0, 0.2, 0.8, 0.0, 0.0])
    assert scores.status[5] is Status.UNSCORED
    assert scores.reason[5] == "the judge is down"
    assert [question.answer for question in judge_of(reward).asked] == [*GRADES, "no fracture"]


def test_the_judge_is_asked_with_the_prompt_for_reports_and_the_suites_other_components_are_not() -> None:
    judge = Grading(GRADES)
    rubric, yes_no = RubricReward(), JudgeReward()
    RewardSuite({"rubric": Weighted(rubric, 0.5), "judge": Weighted(yes_no, 0.5)}, judge=judge)
    assert isinstance(judge_of(rubric).prompt, ReportRubricPrompt)
    assert yes_no.judge is judge


def test_a_prompt_of_ones_own_is_used() -> None:
    class OfThree(ReportRubricPrompt):
        version = "of-three"
        options = ("0", "1", "2", "3")
        best = 3.0

        @property
        def constraint(self) -> Mapping[str, Any]:
            return {"choice": list(self.options)}

    reward = RubricReward(OfThree(), Grading({"smaller": 3.0}))
    assert judge_of(reward).identity == "grading/of-three"
    assert reward.score(rows_of(BATCH, [0])).value.tolist() == [1.0]


def test_without_a_judge_every_row_with_an_answer_is_unscored_and_none_is_guessed() -> None:
    reward = RubricReward()
    assert reward.judge is None
    reward.start(BATCH)
    scores = reward.score(BATCH)
    assert scores.status == (Status.UNSCORED,) * 3 + (Status.SCORED,) * 2 + (Status.UNSCORED,)
    assert "no judge for the prompt report-rubric-7" in scores.reason[0]
    assert "medix.judge.ServedJudge" in scores.reason[0]


def test_a_judge_that_reads_no_prompt_is_refused_with_the_component_and_the_remedy() -> None:
    for refuse in (
        lambda: RubricReward(judge=ExactJudge()),
        lambda: RewardSuite({"rubric": Weighted(RubricReward(), 1.0)}, judge=ExactJudge()),
    ):
        with pytest.raises(ValueError, match=r"RubricReward grades .* report-rubric-7.*exact/4.*Set a judge that does"):
            refuse()


def test_a_judge_of_its_own_stays_unless_replaced() -> None:
    reward = RubricReward(judge=Grading(GRADES))
    own = reward.judge
    reward.use_judge(Grading({}), replace=False)
    assert reward.judge is own
    reward.use_judge(Grading({"smaller": 0.0}), replace=True)
    assert reward.score(rows_of(BATCH, [0])).value.tolist() == [0.0]


def test_a_served_judge_is_asked_for_a_score_and_not_for_yes_or_no() -> None:
    reward = RubricReward(judge=ServedJudge("http://127.0.0.1:9/v1", "m"))
    assert reward.judge is not None
    assert reward.judge.identity.endswith("report-rubric-7")


@pytest.mark.parametrize("judge", [None, Grading(GRADES), Grading(dict.fromkeys((*GRADES, "no fracture"), 5.0))])
def test_the_contract_is_kept(judge: Judge | None, tmp_path: Path) -> None:
    check_component(RubricReward(judge=judge), "class_path: medix.rewards.rubric.RubricReward", tmp_path)


def test_the_contract_is_kept_with_another_answer_rule(tmp_path: Path) -> None:
    spec = """
        class_path: medix.rewards.rubric.RubricReward
        init_args: {answer_rule: {class_path: medix.rewards.PublishedAnswer},
                    prompt: {class_path: medix.judge.prompt_rubric.ReportRubricPrompt}}
    """
    check_component(RubricReward(judge=Grading(GRADES), answer_rule=PublishedAnswer()), spec, tmp_path)


def test_it_stands_in_a_suite_beside_others() -> None:
    suite = RewardSuite({"format": Weighted(FormatReward(), 0.5), "rubric": Weighted(RubricReward(), 0.5)})
    suite.use_judge(Grading({"smaller": 2.0}))
    table = suite.score(
        completions=BATCH.completions[:1], references=["smaller"], questions=["q"], modalities=["X_RAY"]
    )
    assert table.total.item() == pytest.approx(0.5 * 1 + 0.5 * 0.4)
