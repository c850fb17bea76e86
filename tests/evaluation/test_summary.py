"""Means over what was scored."""

import dataclasses
import math

import numpy as np
import pytest

from medix.evaluation.rescore_rows import after_of, before_of
from medix.evaluation.statistics import wilson
from medix.evaluation.summary import accepted_wrongly, by_modality, by_source, summarise
from medix.reporting.record import CompletionRecord, ComponentRecord, record_group
from medix.reporting.table import MISSING, majority
from medix.reporting.tally import reward_tally
from medix.rewards import EmbeddingReward, FormatReward, RewardSuite, Weighted
from medix.types import ScoredGroup, Verdict
from tests.support.encoders import CountingEncoder
from tests.support.fake_training import MODALITIES, CountingJudge, FakeSuite, make_group, make_sample, write
from tests.support.recorded import two_sets


def _records(rows: list[tuple[str | None, str, str, str]]) -> list[CompletionRecord]:
    """Rows of modality, source, case and answer; the reference is always ``lung``."""
    suite = FakeSuite(CountingJudge(fails_on=["down"]))
    groups = [
        make_group(make_sample(index, modality, source, case), [write("X_RAY" if modality else None, answer)])
        for index, (modality, source, case, answer) in enumerate(rows)
    ]
    return [r for g in suite.score_groups(groups) for r in record_group(g, MODALITIES, step=1, split="val")]


ROWS = [
    ("X_RAY", "slake", "", "lung"),
    ("CT_SCAN", "slake", "", "heart"),
    (None, "medqa", "", "lung"),
    ("X_RAY", "slake", "", "down"),
]


def test_summary_by_hand() -> None:
    """Verdicts 1, 0, 1, none: accuracy 2/3 with bounds 2/4 and 3/4. Totals 1, 0, 1, none: 2/3.
    Two of three images are named right."""
    found = summarise(_records(ROWS))
    assert found.accuracy == wilson(2, 3)
    assert found.reward.estimate == pytest.approx(2 / 3)
    assert found.modality_accuracy == wilson(2, 3)
    assert (found.unscored, found.unscored_reward) == (0.25, 0.25)
    assert found.bounds == (0.5, 0.75)
    assert found.components == {"judge": pytest.approx(2 / 3), "modality": pytest.approx(2 / 3)}
    assert found.component_unscored == {"judge": 0.25, "modality": 0.0}
    assert found.reasons == {"judge: connection refused": 1}


def test_the_majority_answer_is_the_most_common_reference_regardless_of_case_and_spaces() -> None:
    records = [
        dataclasses.replace(record, reference=text)
        for record, text in zip(_records(ROWS), ("The  Lung", "left", "the lung", "up"), strict=True)
    ]
    found = summarise(records)
    assert (found.majority, found.majority_answer) == (0.5, "The  Lung")
    assert majority(found.to_dict()) == "50.0 % (The Lung)"
    assert majority({}) == MISSING
    assert math.isnan(summarise([]).majority)


def test_an_unscored_answer_is_not_a_wrong_answer() -> None:
    assert summarise(_records([ROWS[0], ROWS[3]])).accuracy.estimate == 1.0


@pytest.mark.parametrize(
    ("credit", "rewarded", "judge", "expected"),
    [
        (0.0, 1.0, "weak", 1.0),
        (0.0, 0.0, "weak", 0.0),
        (1.0, 1.0, "weak", 0.0),
        (1.0, 0.0, "weak", 0.0),
        (0.0, None, "weak", None),
        (None, 1.0, "weak", None),
        (0.0, 1.0, "exact", None),  # the judge that validates: it cannot tell that it errs
        (0.0, 1.0, "exact (0123456789ab)", 1.0),
    ],
)
def test_a_wrong_answer_that_another_judge_rewards_is_counted(
    credit: float | None, rewarded: float | None, judge: str, expected: float | None
) -> None:
    by = Verdict(rewarded, judge.partition(" ")[0], "", "x", asked=judge if " " in judge else "")
    judged = ComponentRecord(rewarded, "scored", is_judged=True, verdict=by)
    similar = ComponentRecord(1.0, "scored")
    (record,) = _records(ROWS[:1])
    record = dataclasses.replace(
        record, verdict=Verdict(credit, "exact"), components={"judge": judged, "embedding": similar}
    )
    assert accepted_wrongly(record) == expected
    if judge == "exact":  # which is the judge too where it was asked in the words of an answer rule
        named = dataclasses.replace(record, verdict=Verdict(credit, "exact", asked="exact asked by PublishedAnswer"))
        assert accepted_wrongly(named) is None
    nothing = dataclasses.replace(record, verdict=Verdict.without_answer("exact"))
    assert accepted_wrongly(nothing) is None  # the weak judge was asked about what an answer rule found
    share = summarise([record, dataclasses.replace(record, components={"embedding": similar})]).accepted_wrong
    assert share == expected or (expected is None and math.isnan(share))


def test_slices_by_modality_and_source() -> None:
    records = _records(ROWS)
    assert {name: part.completions for name, part in by_modality(records).items()} == {
        "CT_SCAN": 1, "TEXT_ONLY": 1, "X_RAY": 2,
    }  # fmt: skip
    assert {name: part.completions for name, part in by_source(records).items()} == {"medqa": 1, "slake": 3}
    assert math.isnan(by_modality(records)["TEXT_ONLY"].modality_accuracy.estimate)


def test_questions_of_one_case_are_clustered() -> None:
    rows = [("X_RAY", "slake", f"p{i // 4}", "lung" if i // 4 % 2 else "heart") for i in range(24)]
    found = summarise(_records(rows)).accuracy
    assert (found.clusters, found.count, found.method) == (6, 24, "clustered wilson")
    assert found.high - found.low > wilson(12, 24).high - wilson(12, 24).low


def test_nothing_judged_is_nan_and_not_zero() -> None:
    found = summarise([])
    assert math.isnan(found.accuracy.estimate)
    assert math.isnan(found.unscored)


def test_two_data_sets_that_count_from_one_keep_all_samples_sources_and_cases() -> None:
    """Ids 1 to 6 in each of two data sets, cases 1 to 3; ``a`` is right on 2 of 6, ``b`` on 5 of 6: 7/12 over 12
    samples of 6 cases. Both have a source ``web`` (of ``b``: ids 2, 4, 6), and ``b`` has ``slake`` (1, 3, 5) besides.
    """
    records = two_sets(right={"a": 2, "b": 5}, sources={"a": ("web",), "b": ("web", "slake")})
    found = summarise(records)
    assert (found.samples, found.completions, found.cases) == (12, 12, 6)
    assert found.accuracy.estimate == pytest.approx(7 / 12)
    assert found.accuracy.clusters == 6
    sources = {name: (part.samples, part.accuracy.estimate) for name, part in by_source(records).items()}
    assert sources == {
        "a/web": (6, pytest.approx(2 / 6)), "b/web": (3, pytest.approx(2 / 3)), "slake": (3, 1.0),
    }  # fmt: skip


def test_samples_and_completions_are_told_apart() -> None:
    """Two completions of each of four samples."""
    records = [dataclasses.replace(record, index=index) for record in _records(ROWS) for index in (0, 1)]
    assert (summarise(records).samples, summarise(records).completions) == (4, 8)


def test_sources_of_data_sets_have_names_of_their_own_whatever_they_hold() -> None:
    """A and B have a ``slake``; C calls one of its sources ``A/slake``, and E one as a last resort is called."""
    sources = [
        ("A", "slake"),
        ("B", "slake"),
        ("C", "A/slake"),
        ("D", "x"),
        ("C/A", "slake"),
        ("E", '["C", "A/slake"]'),
    ]
    record = _records(ROWS)[0]
    records = [dataclasses.replace(record, dataset=dataset, source=source) for dataset, source in sources]
    found = by_source(records)
    assert len(found) == len(sources)
    assert {name: part.completions for name, part in by_source(records[:4]).items()} == {
        "A/slake": 1, "B/slake": 1, "C/A/slake": 1, "x": 1,
    }  # fmt: skip


def test_what_stays_out_of_means_stays_out_of_every_mean() -> None:
    """An encoder of English: of two answers to 左肺 the equal one is credited, which would make the mean one over right
    answers only. What counts are the two answers to ``lung``, one of them wrong: 1/2, as in the suite's own means."""
    parts = {"format": Weighted(FormatReward(), 0.5), "embedding": Weighted(EmbeddingReward(CountingEncoder()), 0.5)}
    suite = RewardSuite(parts, modalities=MODALITIES)
    rollouts = [
        make_group(make_sample(number, reference=reference), [write("X_RAY", reference), write("X_RAY", "heart")])
        for number, reference in enumerate(["左肺", "lung"])
    ]
    table = suite.score_rollouts(rollouts)
    scored = [ScoredGroup.from_state(group.to_state(), group.rollout.prompt) for group in suite.score_groups(rollouts)]
    lines = [record for group in scored for record in record_group(group, MODALITIES, step=1, split="train")]
    records = [CompletionRecord.from_json(line.to_json()) for line in lines]
    assert [record.components["embedding"].value for record in records] == [1.0, None, 1.0, 0.0]
    suite.accumulate(table, ["X_RAY"] * 4)
    means = [suite.compute()["reward/embedding"].item(), reward_tally(scored).means()["reward/embedding"]]
    means += [summarise(records).components["embedding"]]
    means += [np.nanmean(one.values["embedding"]) for one in (before_of(records), after_of(table))]
    assert means == [0.5] * 5
    assert [record.total for record in records] == [1.0, 1.0, 1.0, 0.5]
