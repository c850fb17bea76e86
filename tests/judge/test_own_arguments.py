"""Arguments of judges of one's own."""

from collections.abc import Sequence
from pathlib import Path

from medix.judge.base import Judge
from medix.judge.cached import CachedJudge
from medix.judge.exact import ExactJudge
from medix.judge.hybrid import HybridJudge
from medix.judge.own_arguments import own_arguments
from medix.judge.panel import PanelJudge
from medix.judge.prompt import JudgePrompt, YesNoPrompt
from medix.judge.prompt_explained import ExplainedYesNoPrompt
from medix.judge.served import ServedJudge
from medix.types import JudgeQuestion, Verdict


class Contains(Judge):
    """Right where the reference is in the answer; its identity does not say how strictly."""

    def __init__(self, strict: bool = True, prompt: JudgePrompt | None = None, other: Judge | None = None) -> None:
        self.strict = strict
        self._prompt = prompt
        self.other = other

    @property
    def identity(self) -> str:
        return "contains"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(float(self._is_right(one)), "contains") for one in questions]

    def _is_right(self, question: JudgeQuestion) -> bool:
        return question.answer == question.reference if self.strict else question.reference in question.answer


class Plain(Judge):
    """Has no arguments."""

    identity = "plain"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(1.0, "plain") for _ in questions]


def test_judges_of_this_package_say_what_they_depend_on_in_their_identity() -> None:
    for judge in (None, ExactJudge(), ServedJudge("http://127.0.0.1:1/v1", "a"), HybridJudge(ExactJudge()), Plain()):
        assert own_arguments(judge) == ""


def test_each_argument_of_a_judge_of_ones_own_counts_and_equal_ones_are_equal() -> None:
    made = [
        Contains(), Contains(strict=False), Contains(prompt=YesNoPrompt()), Contains(prompt=ExplainedYesNoPrompt()),
        Contains(other=ExactJudge()), Contains(other=Contains()), Contains(other=Contains(strict=False)),
    ]  # fmt: skip
    assert len({own_arguments(judge) for judge in made}) == len(made)
    assert own_arguments(Contains(True, YesNoPrompt())) == own_arguments(Contains(prompt=YesNoPrompt()))


def test_it_is_found_inside_judges_of_this_package(tmp_path: Path) -> None:
    own = own_arguments(Contains())
    for judge in (CachedJudge(Contains(), str(tmp_path / "v")), HybridJudge(Contains()), PanelJudge([Contains()])):
        assert own_arguments(judge) == own
