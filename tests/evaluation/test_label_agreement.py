"""Judges and components beside people."""

import json
import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from medix.evaluation.label_agreement import LabelAgreement
from medix.evaluation.labels import Label
from medix.judge.agreement import cohen_kappa
from medix.types import JudgeQuestion


def _labels(*same: bool, kind: str = "") -> list[Label]:
    return [Label(JudgeQuestion(f"q{n}", "left", "left"), value, kind) for n, value in enumerate(same)]


def test_rates_by_hand() -> None:
    """Ten answers, six of which people accept; the judge finds five of these, accepts one of four, leaves one out.

    Sensitivity 5 / 6, specificity 2 / 3, precision 5 / 6, agreement 7 / 9; chance (6·6 + 3·3) / 81 = 45 / 81, so
    kappa (63 - 45) / (81 - 45) = 1 / 2.
    """
    labels = _labels(*[True] * 6, *[False] * 4)
    found = LabelAgreement("judge", labels, [True] * 5 + [False, True, False, False, None], ["down"] * 10)
    assert found.errors.sensitivity.estimate == pytest.approx(5 / 6)
    assert found.errors.specificity.estimate == pytest.approx(2 / 3)
    assert found.precision.estimate == pytest.approx(5 / 6)
    assert found.agreement.estimate == pytest.approx(7 / 9)
    assert found.kappa.estimate == pytest.approx(0.5)
    assert found.prevalence == pytest.approx(6 / 9)
    assert found.confusion == {
        "accepted_yes": 5, "accepted_no": 1, "accepted_unscored": 0,
        "rejected_yes": 1, "rejected_no": 2, "rejected_unscored": 1,
    }  # fmt: skip
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert (data["answers"], data["scored"], data["unscored"]) == (10, 9, {"down": 1})


def test_kappa_is_that_of_other_libraries_and_its_interval_holds_the_truth() -> None:
    """400 answers of 200 questions; the judge copies people in 80 %, else throws a coin: kappa is near 0.8."""
    draw = np.random.default_rng(5)
    held = 0
    for _ in range(60):
        people = draw.random(400) < 0.5
        judge = np.where(draw.random(400) < 0.8, people, draw.random(400) < 0.5)
        labels = [Label(JudgeQuestion(str(n // 2), "a", "b"), bool(one)) for n, one in enumerate(people)]
        found = LabelAgreement("judge", labels, [bool(one) for one in judge], [""] * 400).kappa
        assert found.estimate == pytest.approx(cohen_kappa_score(people, judge))
        assert found.estimate == pytest.approx(cohen_kappa(list(zip(people.tolist(), judge.tolist(), strict=True))))
        held += found.low <= 0.8 <= found.high
    assert held >= 52
    assert found.clusters == 200


def test_questions_with_several_answers_are_clusters() -> None:
    labels = [Label(JudgeQuestion(f"q{n % 6}", "a", "b"), n % 6 < 3) for n in range(60)]
    accepted = [n % 6 in {0, 1, 3} for n in range(60)]
    found = LabelAgreement("judge", labels, accepted, [""] * 60)
    assert found.agreement.clusters == 6
    assert found.agreement.high - found.agreement.low > 0.5


def test_nothing_scored_is_no_number() -> None:
    found = LabelAgreement("judge", _labels(True, False), [None, None], ["down"] * 2)
    assert math.isnan(found.agreement.estimate)
    assert math.isnan(found.kappa.estimate)
    assert [len(table.rows) for table in found.tables()] == [1, 1]


def test_kinds_have_rates_of_their_own() -> None:
    labels = [*_labels(True, False, kind="short"), *_labels(True, True, kind="long")]
    found = LabelAgreement("judge", labels, [True, None, False, True], ["", "down", "", ""])
    assert {kind: part.agreement.estimate for kind, part in found.kinds.items()} == {"long": 0.5, "short": 1.0}
    data = found.to_dict()
    assert {kind: part["unscored"] for kind, part in data["kinds"].items()} == {"long": {}, "short": {"down": 1}}
    assert data["unscored"] == {"down": 1}
