"""Accuracies corrected for the errors of a judge."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.judge_errors import JudgeErrors
from medix.evaluation.statistics import Interval, proportion, wilson

MANY = 10**7


def _errors(sensitivity: tuple[int, int], specificity: tuple[int, int]) -> JudgeErrors:
    return JudgeErrors("judge", wilson(*sensitivity), wilson(*specificity))


def test_the_corrected_accuracy_by_hand() -> None:
    """0.66 measured, both rates 0.9: (0.66 + 0.9 - 1) / (0.9 + 0.9 - 1) = 0.7."""
    found = _errors((90, 100), (90, 100)).corrected(wilson(660, 1000))
    assert found.estimate == pytest.approx(0.7)
    assert found.low < 0.7 < found.high
    assert found.method == "rogan-gladen"


def test_the_interval_by_hand() -> None:
    """660 of 1,000; 90 of 100 twice; z = 1.959964, z² = 3.841459. p' = (660 + 1.920729) / 1003.841459 = 0.6593877;
    rates 91/102 = 0.8921569, slope 0.7843137; centre (0.6593877 + 0.8921569 - 1) / 0.7843137 = 0.7032193.
    Parts 2.237361e-4, 9.432650e-4 twice: variance 2.237361e-4 + 9.432650e-4 · (0.4945174 + 0.0880788) = 7.732790e-4,
    error 0.02780789 / 0.7843137 = 0.0354551; shift 7.682918 · 9.432650e-4 · (0.7032193 - 0.2967807) = 0.0029455."""
    found = _errors((90, 100), (90, 100)).corrected(wilson(660, 1000))
    assert found.error == pytest.approx(0.0354551, abs=2e-7)
    assert found.low == pytest.approx(0.7032193 + 0.0029455 - 1.959964 * 0.0354551, abs=1e-6)
    assert found.high == pytest.approx(0.7032193 + 0.0029455 + 1.959964 * 0.0354551, abs=1e-6)


@given(st.integers(0, 300))
def test_a_judge_without_errors_changes_nothing(right: int) -> None:
    measured = wilson(right, 300)
    found = _errors((MANY, MANY), (MANY, MANY)).corrected(measured)
    assert found.estimate == pytest.approx(measured.estimate)
    assert found.low == pytest.approx(measured.low, abs=0.012)
    assert found.high == pytest.approx(measured.high, abs=0.012)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(0, 200))
def test_corrected_accuracies_are_shares_inside_their_interval(sensitivity: int, specificity: int, right: int) -> None:
    errors = _errors((sensitivity, 100), (specificity, 100))
    if sensitivity + specificity <= 100:
        with pytest.raises(ValueError, match="sum to at most 1"):
            errors.corrected(wilson(right, 200))
        return
    found = errors.corrected(wilson(right, 200))
    assert 0 <= found.low <= found.estimate <= found.high <= 1


def test_two_judges_of_known_error_recover_the_truth() -> None:
    """Policies of accuracy 0.35 and 0.8, judged with sensitivity and specificity (0.9, 0.9) and (0.7, 0.95), which are
    measured on 200 answers each; cases of 1 to 5 questions. The measured accuracy alone misses the truth."""
    draw = np.random.default_rng(11)
    for truth in (0.35, 0.8):
        for yes, no in ((0.9, 0.9), (0.7, 0.95)):
            held = missed = 0
            for _ in range(500):
                errors = _errors((int(draw.binomial(200, yes)), 200), (int(draw.binomial(200, no)), 200))
                cases = np.repeat(np.arange(150), draw.integers(1, 6, 150))
                rights = draw.random(len(cases)) < draw.beta(truth * 4, (1 - truth) * 4, 150)[cases]
                said = np.where(rights, draw.random(len(cases)) < yes, draw.random(len(cases)) >= no)
                measured = proportion(said.astype(float).tolist(), cases.tolist())
                found = errors.corrected(measured)
                held += found.low <= truth <= found.high
                missed += not measured.low <= truth <= measured.high
            assert held / 500 >= 0.925, (truth, yes, no)
            assert held > 500 - missed or missed < 100


def test_more_labels_narrow_the_interval_and_fewer_cases_widen_it() -> None:
    measured = wilson(660, 1000)
    widths = [
        found.high - found.low
        for found in (_errors((9 * n, 10 * n), (9 * n, 10 * n)).corrected(measured) for n in (5, 50, 5000))
    ]
    assert widths[0] > widths[1] > widths[2]
    cases = [case for case in range(50) for _ in range(20)]
    clustered = proportion([float(case % 3 > 0) for case in cases], cases)
    wide = _errors((900, 1000), (900, 1000)).corrected(clustered)
    assert wide.high - wide.low > 4 * (clustered.high - clustered.low) / 4
    assert wide.clusters == 50


def test_an_unmeasured_rate_and_too_few_cases_give_no_number() -> None:
    with pytest.raises(ValueError, match="errors of judge are not known"):
        _errors((9, 10), (0, 0)).corrected(wilson(1, 2))
    few = Interval(0.5, math.nan, math.nan, 4, 2, "clustered wilson")
    found = _errors((9, 10), (9, 10)).corrected(few)
    assert found.estimate == pytest.approx(0.5)
    assert math.isnan(found.low)
    assert math.isnan(_errors((9, 10), (9, 10)).corrected(wilson(0, 0)).estimate)


def test_rates_are_read_from_the_file_that_was_written(tmp_path: Path) -> None:
    errors = _errors((90, 100), (80, 90))
    data = json.loads(json.dumps(errors.to_dict()).replace("NaN", "null"))
    (tmp_path / "errors.json").write_text(json.dumps(data))
    found = JudgeErrors.read(tmp_path / "errors.json")
    assert found.corrected(wilson(5, 9)) == errors.corrected(wilson(5, 9))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"judge": "j", "sensitivity": 1, "specificity": 2}'])
def test_another_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(ValueError, match=r"other\.json: not the error rates of a judge.*judge agreement --json"):
        JudgeErrors.read(tmp_path / "other.json")
