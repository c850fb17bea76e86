"""Credit that a judge gives by degrees."""

from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.rewards.answer import AnswerRule
from medix.rewards.judged import JudgedReward


class RubricReward(JudgedReward):
    """The grade of a judge that is asked with a graded prompt, from 0 for the worst to 1 for the best.

    For answers of several findings, such as reports, which are seldom all right or all wrong: YES or NO would give a
    report with one finding of five missing what it gives an empty one. Use it in the place of ``JudgeReward``; answers
    of a few words are better served by that one. No published recipe uses it. Without a judge that reads prompts every
    row is unscored: an exact comparison of reports would be 0 for all of them.

    Args:
        prompt: how the judge is asked; the 0-5 prompt for reports if not given.
        judge: who grades; the suite's judge, asked with this prompt, if not given.
        answer_rule: what of the completion is graded; exactly one ``<answer>`` if not given.
        patience: seconds in which no verdict at all arrives, after which those still awaited are given up as unscored;
            keep it above the judge's own limit for one question.

    Raises:
        ValueError: a judge that cannot be asked with a prompt.
    """

    def __init__(
        self,
        prompt: JudgePrompt | None = None,
        judge: Judge | None = None,
        answer_rule: AnswerRule | None = None,
        patience: float = 600.0,
    ) -> None:
        self.prompt = prompt or ReportRubricPrompt()
        super().__init__(judge, answer_rule, patience)

    def _asked(self, judge: Judge) -> Judge:
        try:
            return judge.asking(self.prompt)
        except ValueError as error:
            raise ValueError(
                f"{type(self).__name__} grades with the prompt {self.prompt.version}, which its judge cannot be asked "
                f"with ({error}). Name such a judge in the spec (judge:), give one to the component alone "
                "(init_args.judge), or leave the component out of the suite"
            ) from error

    def _no_judge(self) -> str:
        return (
            f"no judge to ask with the prompt {self.prompt.version}; give the suite or the component one that reads "
            "prompts, such as medix.judge.ServedJudge"
        )
