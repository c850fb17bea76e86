"""Two scorings as columns."""

from dataclasses import replace

import numpy as np

from medix.advantages.grpo import GRPOAdvantage
from medix.advantages.max_variance_subset import MaxVarianceSubset
from medix.advantages.subset import Subset
from medix.evaluation.recorded_run import group_records
from medix.evaluation.rescore_rows import ABSENT, NOT_APPLICABLE, SCORED, UNSCORED, Rows, before_of, joined, rows_of
from medix.reporting.record import CompletionRecord
from medix.rollout.signal import SpreadFilter
from tests.support.fake_training import CountingJudge, make_group, make_sample, write
from tests.support.recorded import groups, records, suite


def _rows(lines: list[CompletionRecord], subset: Subset | None = None) -> Rows:
    found = list(group_records(iter(lines), "file"))
    rollouts = [group.rollout for group in found]
    return rows_of(found, rollouts, suite().score_rollouts(rollouts), GRPOAdvantage(), SpreadFilter(), subset)


def test_what_a_row_was_is_one_of_four() -> None:
    texts = [write(None, "lung"), write(None, "heart")]
    lines = records(suite(CountingJudge(fails_on=["heart"])), [make_group(make_sample(1, None), texts)])
    lines.append(replace(lines[0], index=2, total=None, components={}))
    before = before_of(lines)
    assert before.status.tolist() == [SCORED, UNSCORED, ABSENT]
    assert before.statuses["judge"].tolist() == [SCORED, UNSCORED, ABSENT]
    assert before.statuses["modality"].tolist() == [NOT_APPLICABLE, NOT_APPLICABLE, ABSENT]
    assert np.isnan(before.total[1:]).all()


def test_groups_of_different_sizes_are_compared_each_in_their_own() -> None:
    lines = records(suite(), groups(1)) + records(suite(), [make_group(make_sample(9), [write("X_RAY", "lung"), "x"])])
    rows = _rows(lines)
    assert rows.groups.tolist() == [4, 2]
    assert rows.group.tolist() == [0, 0, 0, 0, 1, 1]
    assert rows.change.pairs.tolist() == [6, 1]
    assert np.allclose(rows.before.advantage, rows.after.advantage)
    assert np.isclose(rows.before.advantage[4], 1 / np.sqrt(2), atol=1e-5)


def test_what_the_subset_of_a_run_leaves_out_has_no_advantage() -> None:
    rows = _rows(records(suite(), groups(1)), MaxVarianceSubset(2))
    kept = np.flatnonzero(~np.isnan(rows.before.advantage))
    assert sorted(rows.before.signal[kept]) == [rows.before.signal.min(), rows.before.signal.max()]
    assert np.allclose(rows.before.advantage, rows.after.advantage, equal_nan=True)


def test_a_single_completion_has_no_advantage_and_no_order() -> None:
    rows = _rows(records(suite(), [make_group(make_sample(1), ["x"])]))
    assert np.isnan(rows.before.advantage).all()
    assert np.isnan(rows.change.tau).all()
    assert rows.has_signal_after.tolist() == [0.0]


def test_parts_join_with_groups_numbered_on_and_missing_components_as_not_there() -> None:
    first, second = _rows(records(suite(), groups(2))), _rows(records(suite(), groups(1)))
    del second.before.values["judge"], second.before.statuses["judge"]
    rows = joined([first, second])
    assert rows.group.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert rows.before.statuses["judge"].tolist() == [SCORED] * 8 + [ABSENT] * 4
    assert np.isnan(rows.before.values["judge"][8:]).all()
    assert len(rows.change.tau) == 3


def test_cases_of_one_name_in_two_data_sets_are_two_clusters_also_in_a_run_that_began_without_data_sets() -> None:
    """Step 1 was recorded without a data set. Case p0 is of ``a`` and ``b``, p1 of ``a`` alone: only the latter's is
    clear."""
    plain = records(suite(), groups(2))
    new = {"a": plain, "b": plain[:4]}
    parts = [_rows([replace(line, step=2, dataset=name) for line in lines]) for name, lines in new.items()]
    assert set(joined([_rows(plain), *parts]).cluster.tolist()) == {
        ("", "case", "p0"), ("a", "case", "p0"), ("b", "case", "p0"), ("a", "case", "p1"),
    }  # fmt: skip
    assert joined([_rows(plain)]).cluster.shape == (8,)
