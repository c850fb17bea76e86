"""The judge of a run that is over."""

import pytest

from medix.judge.cached import CachedJudge
from medix.judge.exact import ExactJudge
from medix.judge.prompt import YesNoPrompt
from medix.judge.recorded import RecordedJudge
from medix.types import Verdict
from tests.support.asked import FAULTS, AtOnce, Counting, question

YES = Verdict(1.0, "served/m/1", reply="YES", explanation="why", latency=2.0, confidence=0.9)
UNSCORED = Verdict(None, "served/m/1", reason="the judge was down")


def test_what_is_on_record_is_repeated_as_it_was() -> None:
    [verdict] = RecordedJudge({question(): YES}).grade([question()])
    assert verdict == Verdict(
        1.0, "served/m/1", reply="YES", explanation="why", latency=2.0, confidence=0.9, is_cached=True
    )
    assert RecordedJudge({question(): YES}).submit(question()).result() == verdict


def test_without_a_fallback_the_rest_is_unscored() -> None:
    judge = RecordedJudge({question("x"): UNSCORED})
    on_record, not_on_record = judge.grade([question("x"), question("y")])
    assert (on_record.credit, on_record.reason, on_record.judge) == (None, "the judge was down", "served/m/1")
    assert (not_on_record.credit, not_on_record.judge) == (None, "recorded")
    assert "not on record" in not_on_record.reason
    assert not not_on_record.is_cached
    assert "not on record" in judge.submit(question("y")).result().reason


def test_a_fallback_is_asked_what_is_missing_or_unscored_all_at_once() -> None:
    fallback = Counting(0.0)
    judge = RecordedJudge({question("x"): YES, question("y"): UNSCORED}, fallback)
    verdicts = judge.grade([question("z"), question("x"), question("y"), question("z")])
    assert [verdict.credit for verdict in verdicts] == [0.0, 1.0, 0.0, 0.0]
    assert [verdict.is_cached for verdict in verdicts] == [False, True, False, False]
    assert fallback.calls == [[question("z"), question("y")]]
    assert judge.submit(question("w")).result().credit == 0.0
    assert judge.identity == "recorded, else counting"


def test_the_same_words_with_other_aliases_are_another_question() -> None:
    judge = RecordedJudge({question(): YES})
    assert judge.grade([question("a", "r", "q", "alias")])[0].credit is None


def test_each_prompt_has_its_own_record() -> None:
    version = YesNoPrompt.version
    graded = Verdict(0.4, f"served/m/{version}")
    judge = RecordedJudge({question(): YES}, by_prompt={version: {question(): graded}})
    assert judge.asking(YesNoPrompt()).grade([question()])[0].credit == 0.4
    assert judge.grade([question()])[0].credit == 1.0


def test_a_prompt_that_is_not_on_record_goes_to_the_fallback_or_is_refused() -> None:
    asking = RecordedJudge({question(): YES}, Counting(0.0)).asking(YesNoPrompt())
    [verdict] = asking.grade([question()])
    assert (verdict.credit, verdict.judge) == (0.0, f"counting/{YesNoPrompt.version}")
    with pytest.raises(ValueError, match=rf"no verdicts are on record under the prompt {YesNoPrompt.version}"):
        RecordedJudge({}).asking(YesNoPrompt())


def test_canaries_are_put_to_the_fallback(tmp_path: object) -> None:
    exact = ExactJudge()
    assert RecordedJudge({}, CachedJudge(exact, f"{tmp_path}/v.sqlite")).without_cache() is exact
    alone = RecordedJudge({})
    assert alone.without_cache() is alone


def test_closing_closes_the_fallback() -> None:
    fallback = AtOnce()
    RecordedJudge({}, fallback).close()
    assert fallback.is_closed
    RecordedJudge({}).close()


@pytest.mark.parametrize(("kind", "reason"), FAULTS)
def test_a_fallback_that_fails_is_a_reason(kind: type[Counting], reason: str) -> None:
    judge = RecordedJudge({question("x"): YES}, kind())
    verdicts = judge.grade([question("x"), question("y"), question("z")])
    assert verdicts[0].credit == 1.0
    if kind.__name__ not in {"Cancelled", "Failed", "RaisingAhead"}:  # those fail where they are asked ahead
        assert all(verdict.credit is None and reason in verdict.reason for verdict in verdicts[1:])
