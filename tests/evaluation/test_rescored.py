"""Numbers of a slice."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from medix.advantages.grpo import GRPOAdvantage
from medix.evaluation.recorded_run import group_records
from medix.evaluation.rescore_rows import rows_of
from medix.evaluation.rescored import Rescored, slice_of, summarise
from medix.rollout.signal import SpreadFilter
from tests.support.recorded import groups, records, suite


def _rows():  # type: ignore[no-untyped-def]
    lines = records(suite(), groups(3), step=1) + records(suite(), groups(3), step=2)
    found = list(group_records(iter(lines), "file"))
    rollouts = [group.rollout for group in found]
    other = suite(None, 0.5, 0.0, 0.5)
    return rows_of(found, rollouts, other.score_rollouts(rollouts), GRPOAdvantage(), SpreadFilter())


def test_a_slice_holds_its_rows_alone() -> None:
    """X-ray: totals 1, 0.75, 0.5, 0 before; modality without weight makes the second right as well: 1, 1, 0.5, 0."""
    rows = _rows()
    part = slice_of("X_RAY", rows, rows.modality == "X_RAY")
    assert (part.completions, part.groups, part.cases) == (8, 2, 1)
    assert (part.total.before, part.total.after) == (pytest.approx(0.5625), pytest.approx(0.625))
    assert part.total.difference.estimate == pytest.approx(0.0625)
    assert math.isnan(part.total.difference.low)  # one case is too little for an interval
    assert part.best_changed == 0.0
    assert part.tau == pytest.approx(5 / math.sqrt(6 * 5))


def test_means_over_steps_and_histogram_count_what_there_is() -> None:
    found = summarise(_rows())
    assert [step for step, _, _ in found["steps"]] == [1, 2]
    assert found["steps"][0][1:] == pytest.approx(found["steps"][1][1:])
    assert sum(count for _, count in found["taus"]) == 6
    assert sum(count for _, _, count in found["totals"]) == 24


def test_rows_without_any_score_are_no_error_and_no_number() -> None:
    rows = _rows()
    nothing = np.full(24, np.nan)
    rows.before = replace(rows.before, total=nothing, signal=nothing, advantage=nothing)
    found = summarise(rows)
    assert found["totals"] == found["advantages"] == found["steps"] == []
    assert math.isnan(found["slices"][0].total.before)


def test_plain_data_has_no_nan() -> None:
    rows = _rows()
    rows.before.total[:] = np.nan
    found = Rescored(facts={}, notes=[], weights={}, **summarise(rows))
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["slices"][0]["total"]["before"] is None
