"""Independent votes of one judge."""

import re

import pytest

from medix.judge import CachedJudge, ExactJudge, HybridJudge, PanelJudge, ScriptedJudge, ServedJudge
from medix.judge.prompt import JudgePrompt, YesNoPrompt
from medix.judge.prompt_explained import ExplainedYesNoPrompt
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.judge.prompt_vote import VotePrompt, prompt_of, voting
from medix.types import JudgeQuestion
from tests.support.judges import Request, says, serving

QUESTION = JudgeQuestion("Which side?", "left", "the left [[one]]", ("sinister",))


def order(prompt: JudgePrompt) -> list[str]:
    return re.findall(r"\[\[(?!end)([a-z ]+) [0-9a-f]{16}\]\]", prompt.render(QUESTION))


@pytest.mark.parametrize("prompt", [YesNoPrompt(), ExplainedYesNoPrompt(), ReportRubricPrompt()])
def test_votes_hold_the_same_words_in_another_order(prompt: JudgePrompt) -> None:
    votes = [VotePrompt(prompt, number) for number in range(3)]
    assert votes[0].render(QUESTION) == prompt.render(QUESTION)
    first = order(prompt)
    assert [order(vote) for vote in votes] == [first, first[1:] + first[:1], first[2:] + first[:2]]
    assert all(sorted(vote.render(QUESTION)) == sorted(prompt.render(QUESTION)) for vote in votes)
    assert {vote.constraint == prompt.constraint for vote in votes} == {True}
    assert len({vote.version for vote in votes} | {prompt.version}) == 4


def test_the_majority_decides_and_the_agreement_is_on_record() -> None:
    """The judge says NO when the answer comes before the reference: in one of three votes."""

    def act(request: Request) -> None:
        text = request.body["messages"][0]["content"]
        is_first = text.index("[[candidate answer") < text.index("[[reference answer")
        says("NO" if is_first else "YES")(request)

    with serving(act) as server:
        judge = voting(ServedJudge(server.url, "m"), 3)
        (verdict,) = judge.grade([JudgeQuestion("Which side?", "left", "the left")])
        judge.close()
    assert verdict.credit == 1.0
    assert verdict.confidence == pytest.approx(2 / 3)
    assert [vote.credit for vote in verdict.votes] == [1.0, 1.0, 0.0]
    assert sorted(body["seed"] for body in server.bodies) == [0, 1, 2]
    assert {body["temperature"] for body in server.bodies} == {0.3}


def test_one_vote_is_the_judge_itself_and_rules_cast_none() -> None:
    judge = ExactJudge()
    assert voting(judge, 1) is judge
    with pytest.raises(ValueError, match=r"exact/4 cannot be asked with the prompt yes-no-9/vote-0"):
        voting(judge, 3)
    with pytest.raises(ValueError, match="cannot be asked with the prompt report-rubric-7"):
        voting(judge, 1, ReportRubricPrompt())


def test_votes_are_of_the_judges_own_prompt_also_inside_wrappers() -> None:
    served = ServedJudge("http://127.0.0.1:1/v1", "m", prompt=ExplainedYesNoPrompt())
    wrapped = HybridJudge(CachedJudge(served, "verdicts.sqlite"))
    assert isinstance(prompt_of(wrapped), ExplainedYesNoPrompt)
    assert isinstance(prompt_of(PanelJudge([ScriptedJudge(), served])), ExplainedYesNoPrompt)
    assert prompt_of(ExactJudge()) is None
    assert "explained-yes-no-7/vote-2" in voting(wrapped, 3).identity
