"""Graded credit given by a judge."""

from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.rewards.answer import AnswerRule
from medix.rewards.judged import JudgedReward


class RubricReward(JudgedReward):
    """The grade of a judge with a graded prompt, from 0 (worst) to 1 (best).

    For answers with several findings, such as reports, which are seldom completely right or wrong: with YES or NO, a
    report that misses one finding of five earns as little as an empty one. Use it instead of ``JudgeReward``, which is
    better for answers of a few words. No published recipe uses it. Without a judge that supports prompts every row is
    unscored, because an exact comparison of reports would give 0 to all of them.

    Args:
        prompt: the judge's prompt; the 0-5 prompt for reports if not given.
        judge: grades the answers; the suite's judge, with this prompt, if not given.
        answer_rule: extracts the answer from the completion; exactly one ``<answer>`` if not given.
        patience: seconds without any verdict after which the outstanding ones are unscored; set it higher than the
            judge's own timeout of one question.

    Raises:
        ValueError: the judge does not support prompts.
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
                f"{type(self).__name__} grades with the prompt {self.prompt.version}, which its judge does not support "
                f"({error}). Set a judge that does in the spec (judge:) or for this component only (init_args.judge), "
                "or remove the component from the suite"
            ) from error

    def _no_judge(self) -> str:
        return (
            f"no judge for the prompt {self.prompt.version}; give the suite or the component one that supports "
            "prompts, such as medix.judge.ServedJudge"
        )
