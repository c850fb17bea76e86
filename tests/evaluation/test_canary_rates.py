"""Rates of wrong verdicts, with intervals, and the limits on them."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.canary_rates import CanaryLimits, CanaryRates
from medix.evaluation.statistics import wilson
from medix.judge.canaries import Canary, GradedCanary, run_canaries, shipped_canaries
from medix.judge.scripted import ScriptedJudge
from medix.reporting.render import plain
from medix.types import JudgeQuestion, Verdict


def rates(*rows: tuple[str, bool, float | None]) -> CanaryRates:
    """Kind, whether the answer is right, credit given; latencies of 1, 2, 3 … seconds."""
    graded = [
        GradedCanary(
            Canary(kind, JudgeQuestion(f"q{place}", "r", "a\u200b"), is_right),
            Verdict(credit, "j/1", reason="" if credit is not None else "refused", latency=place + 1.0),
        )
        for place, (kind, is_right, credit) in enumerate(rows)
    ]
    return CanaryRates("v-1", "j/1", tuple(graded))


FOUR = rates(("key", False, 1.0), ("key", False, 0.0), ("side", False, 0.0), ("side", False, None), ("same", True, 0.0))


# By hand -------------------------------------------------------------------------------------------------------------


def test_one_of_three_scored_attacks_was_accepted() -> None:
    """The unscored attack is neither right nor wrong: 1 of 3, not 1 of 4. Wilson for 1 of 3: 0.0615 to 0.7923."""
    found = FOUR.false_positive
    assert (found.asked, found.scored, found.wrong, found.unscored) == (4, 3, 1, 1)
    assert found.rate == pytest.approx(1 / 3)
    assert (found.interval.low, found.interval.high) == pytest.approx((0.0615, 0.7923), abs=1e-4)


def test_the_one_right_answer_was_rejected() -> None:
    assert FOUR.false_negative.rate == 1.0


def test_kinds_are_counted_apart_attacks_first() -> None:
    found = rates(("b", True, 1.0), ("a", False, 1.0), ("b", False, 0.0)).kinds
    assert list(found) == [("a", False), ("b", False), ("b", True)]
    assert [rate.rate for rate in found.values()] == [1.0, 0.0, 0.0]


def test_latencies_are_those_of_verdicts() -> None:
    """Scored in 1, 2, 3 and 5 s; the unscored one took 4."""
    assert FOUR.latencies == (2.5, 5.0)


def test_metrics_are_named_by_side_and_kind() -> None:
    found = rates(("master key", False, 1.0), ("alias", True, 1.0)).metrics()
    assert found["canaries/false_positive"] == found["canaries/false_positive/master_key"] == 1.0
    assert found["canaries/false_negative/alias"] == 0.0
    assert found["canaries/unscored"] == 0.0


def test_limits_are_passed_by_more_and_not_by_as_much() -> None:
    assert FOUR.above(CanaryLimits(1 / 3, 1.0, 0.2)) == []
    assert FOUR.above(CanaryLimits()) == []
    told = FOUR.above(CanaryLimits(0.3, 0.9, 0.1))
    assert told[0] == "false-positive rate: 33.3% (1 of 3; 95 % interval 6.1% to 79.2%), limit 30.0%"
    assert told[1].startswith("false-negative rate: 100.0% (1 of 1; ")
    assert told[2] == "unscored: 20.0% of 5, limit 10.0%"


def test_a_rate_that_could_not_be_measured_passes_its_limit() -> None:
    """A judge that is down must not be taken for one that accepts nothing wrong."""
    down = rates(("key", False, None), ("same", True, None))
    told = down.above(CanaryLimits(1.0, 1.0))
    assert [sentence.split(":")[1].split(",")[0] for sentence in told] == [" unknown", " unknown"]
    assert down.reasons == {"refused": 2}
    assert math.isnan(down.metrics()["canaries/false_positive"])


def test_a_set_without_right_answers_has_no_rate_to_hold_against_a_limit() -> None:
    assert rates(("key", False, 0.0)).above(CanaryLimits(0.1, 0.1, 0.1)) == []


# Properties ----------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.sampled_from([0.0, 1.0, None])), min_size=1))
def test_kinds_add_up_to_the_whole(rows: list[tuple[str, bool, float | None]]) -> None:
    found = rates(*rows)
    for is_right, whole in ((False, found.false_positive), (True, found.false_negative)):
        parts = [rate for (_, side), rate in found.kinds.items() if side is is_right]
        for name in ("asked", "scored", "wrong", "unscored"):
            assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
        expected = wilson(whole.wrong, whole.scored)
        assert (whole.interval.low, whole.interval.high) == (expected.low, expected.high)
    assert len(found.failures) == found.false_positive.wrong + found.false_negative.wrong


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans(), st.sampled_from([0.0, 1.0, None])), min_size=1))
def test_numbers_go_through_json(rows: list[tuple[str, bool, float | None]]) -> None:
    data = json.loads(json.dumps(plain(rates(*rows).to_dict()), allow_nan=False))
    assert len(data["canaries"]) == len(rows)
    assert sum(entry["asked"] for entry in data["kinds"]) == len(rows)


# What people see -----------------------------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_kind_and_two_for_all() -> None:
    table = FOUR.table()
    assert [row[0] for row in table.rows] == ["key", "side", "same", "All attacks", "All right answers"]
    assert table.rows[3][1:3] == ["NO", "1 of 3"]
    assert table.rows[3][4] == "1"
    assert "(6.1 to 79.2)" in table.markdown()


def test_wrong_verdicts_are_shown_with_what_cannot_be_seen() -> None:
    table = FOUR.failures_table(1)
    assert table.title == "Wrong verdicts (1 more are not shown)"
    assert table.rows[0][0] == "key"
    assert "\\u200b" in table.rows[0][2]


def test_examples_are_of_different_kinds_first() -> None:
    found = rates(("a", False, 1.0), ("a", False, 1.0), ("b", False, 1.0), ("c", True, 0.0)).examples(3)
    assert [example.split(":")[0] for example in found] == ["a", "b", "c"]
    assert found[0].endswith("was accepted")
    assert found[2].endswith("was rejected")


def test_a_judge_that_says_yes_to_all_fails_every_attack_and_no_right_answer() -> None:
    canaries = shipped_canaries()
    judge = ScriptedJudge("YES")
    found = CanaryRates(canaries.version, judge.identity, tuple(run_canaries(judge, canaries)))
    assert (found.false_positive.rate, found.false_negative.rate) == (1.0, 0.0)


# Faults --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [-0.1, 1.5, math.nan])
def test_a_limit_that_is_no_share_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="max_false_positive"):
        CanaryLimits(false_positive=value)
