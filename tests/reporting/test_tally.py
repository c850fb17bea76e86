"""Means only after adding up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.reporting.tally import Tally, constant_components, has_spread, judge_tally, reward_tally, signal_tally
from medix.types import CompletionScores, ComponentScore, ScoredGroup, Status, Verdict
from tests.support.fake_training import CountingJudge, FakeSuite, make_group, make_sample, score_by, write


def test_a_mean_of_ranks_weighs_their_counts() -> None:
    """Rank 0 saw 1, 1, 1, rank 1 saw 0: the mean is 3/4, not the mean of means 1/2."""
    first, second = Tally(), Tally()
    for value in (1, 1, 1):
        first.add("x", value)
    second.add("x", 0)
    assert Tally.merged([first, second]).means() == {"x": 0.75}


def test_a_mean_over_nothing_is_nan_and_its_key_is_known() -> None:
    tally = Tally()
    tally.add("x", 0, 0)
    assert math.isnan(tally.means()["x"])


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-5, 5)), max_size=30), st.integers(0, 30))
def test_merging_equals_adding_to_one(entries: list[tuple[str, int]], cut: int) -> None:
    whole, first, second = Tally(), Tally(), Tally()
    for index, (key, value) in enumerate(entries):
        whole.add(key, value)
        (first if index < cut else second).add(key, value)
    assert Tally.merged([first, second]).entries == whole.entries


def test_unscored_completions_leave_the_mean_and_are_counted_beside_it() -> None:
    groups = [score_by([1.0, math.nan, 0.0, math.nan], make_group(make_sample(1, "CT_SCAN"), list("abcd")))]
    means = reward_tally(groups).means()
    assert means["reward/total"] == 0.5
    assert means["reward/total/unscored"] == 0.5
    assert means["reward/judge/CT_SCAN"] == 0.5


def test_a_component_that_does_not_apply_is_neither_scored_nor_unscored() -> None:
    groups = FakeSuite(CountingJudge()).score_groups([make_group(make_sample(1, None), [write(None, "lung")])])
    tally = reward_tally(groups)
    assert "reward/modality" not in tally.entries
    assert tally.means()["reward/judge/TEXT_ONLY"] == 1.0


def test_signal_by_hand() -> None:
    """Totals 1, 0: spread 1/2. Totals 0.3, 0.3: none. One repeated text of four. Tokens 1, 2, 1, 1 each at -0.5."""
    groups = [
        score_by([1.0, 0.0], make_group(make_sample(1), ["a", "b c"])),
        score_by([0.3, 0.3], make_group(make_sample(2), ["d", "d"])),
    ]
    assert signal_tally(groups).means() == pytest.approx(
        {"signal/without": 0.5, "signal/without/judge": 0.5, "signal/spread": 0.25, "signal/duplicates": 0.25,
         "signal/tokens": 1.25, "signal/logprob": -0.5, "signal/truncated": 0.0}
    )  # fmt: skip


def test_spread_needs_two_scored_totals() -> None:
    assert not has_spread([])
    assert not has_spread([1.0])
    assert not has_spread([0.1 + 0.2, 0.3])
    assert has_spread([0.3, 0.31])


def judged(*verdicts: Verdict | None) -> ScoredGroup:
    """A group with one completion per verdict; None was not asked about."""
    group = make_group(make_sample(1), ["a"] * len(verdicts))
    scores = tuple(CompletionScores(0.0, {"judge": ComponentScore(0.0, Status.SCORED, "", v)}) for v in verdicts)
    return ScoredGroup(group, scores)


def test_what_the_judge_did_by_hand() -> None:
    """Five rows asked about, three of them the same question: 3 distinct of 5; 1 of these 3 looked up; the other two
    took 1 s and 3 s; one of five rows unscored; one gave a confidence."""
    shared = Verdict(1.0, "j", latency=1.0, confidence=0.75)
    groups = [
        judged(shared, shared, shared, Verdict(0.0, "j", latency=9.0, is_cached=True)),
        judged(Verdict(None, "j", reason="down", latency=3.0), None),
    ]
    assert judge_tally(groups).means() == pytest.approx(
        {"judge/unscored": 0.2, "judge/distinct": 0.6, "judge/cached": 1 / 3, "judge/seconds": 2.0,
         "judge/confidence": 0.75}
    )  # fmt: skip


def test_without_a_judge_its_keys_are_there_and_nan() -> None:
    means = judge_tally([judged(None)]).means()
    assert set(means) == {f"judge/{key}" for key in ("unscored", "distinct", "cached", "seconds", "confidence")}
    assert all(math.isnan(value) for value in means.values())


def test_a_component_that_differs_in_no_group_taught_nothing() -> None:
    """Judge 1, 0 in one of two groups; modality 1, 1 in both; a group with one scored value counts for neither."""
    suite, sample = FakeSuite(CountingJudge(fails_on=["down"])), make_sample(1)
    texts = [("lung", "heart"), ("lung", "lung"), ("lung", "down")]
    groups = suite.score_groups([make_group(sample, [write("X_RAY", text) for text in pair]) for pair in texts])
    means = signal_tally(groups).means()
    assert (means["signal/without/judge"], means["signal/without/modality"]) == (0.5, 1.0)
    alone = signal_tally(groups[:1]).means()["signal/spread"]
    assert means["signal/spread"] == pytest.approx(alone / 2)  # of two groups: that with one total has no spread, not 0
    steps = [means | {"reward/modality": 1.0}, means | {"reward/modality": 1.0}]
    assert constant_components(steps) == [
        "Reward component modality was the same for all completions of a group in each of 2 steps (always 1.000): it "
        "taught nothing."
    ]
    assert constant_components([{"signal/without/judge": 1.0}, {"signal/without/judge": 0.9}]) == []


def test_a_group_with_equal_totals_and_other_signals_is_not_without_signal() -> None:
    group = make_group(make_sample(1), ["a", "b"])
    scored = ScoredGroup(group, tuple(CompletionScores(0.5, {}, normalised=signal) for signal in (0.1, -0.1)))
    means = signal_tally([scored]).means()
    assert (means["signal/without"], means["signal/spread"]) == (0.0, 0.0)
