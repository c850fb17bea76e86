"""Judges and components beside people."""

import json
import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from medix.evaluation.few_clusters import few_note
from medix.evaluation.label_agreement import LabelAgreement, ThresholdSweep
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


@pytest.mark.parametrize(
    ("sizes", "alike", "sensitivity", "specificity", "prevalence", "least", "most"),
    [
        ((50, 1), False, 0.97, 0.97, 0.5, 0.93, 1.0),
        ((100, 1), False, 0.98, 0.98, 0.5, 0.93, 1.0),
        ((100, 1), False, 0.98, 0.9, 0.9, 0.93, 0.98),
        ((100, 1), False, 0.875, 0.875, 0.5, 0.93, 0.97),  # kappa 0.75
        ((50, 5), False, 0.97, 0.97, 0.5, 0.93, 0.98),
        ((50, 5), True, 0.97, 0.97, 0.5, 0.93, 1.0),
        ((50, 5), True, 0.98, 0.9, 0.9, 0.93, 1.0),
    ],
)
def test_intervals_of_kappas_near_one_hold_the_truth(
    sizes: tuple[int, int],
    alike: bool,
    sensitivity: float,
    specificity: float,
    prevalence: float,
    least: float,
    most: float,
) -> None:
    """Answers of a question are judged each for itself, or all alike."""
    questions, each = sizes
    yes = prevalence * sensitivity + (1 - prevalence) * (1 - specificity)
    equal = prevalence * sensitivity + (1 - prevalence) * specificity
    chance = prevalence * yes + (1 - prevalence) * (1 - yes)
    truth = (equal - chance) / (1 - chance)
    draw = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        size = (questions, 1) if alike else sizes
        people = draw.random(size) < prevalence
        judge = draw.random(size) < np.where(people, sensitivity, 1 - specificity)
        people, judge = (np.broadcast_to(one, sizes).ravel() for one in (people, judge))
        labels = [Label(_QUESTIONS[n // each], bool(one)) for n, one in enumerate(people)]
        found = LabelAgreement("judge", labels, judge.tolist(), [""] * len(labels)).kappa
        held += found.low <= truth <= found.high
    assert least <= held / 400 <= most


_QUESTIONS = [JudgeQuestion(str(number), "a", "b") for number in range(100)]


def test_full_agreement_is_no_certainty_by_hand() -> None:
    """Five answers accepted and five rejected, and half an answer in each of the four cells: 5.5, 0.5, 0.5, 5.5, so
    that kappa is 11 / 12 - 1 / 12 = 5 / 6. Without an equal answer, of 11: (10 · 11 - 61) / (121 - 61) = 49 / 60;
    without half an equal one, of 11.5: 0.8257576; without half an unequal one: 0.9132075."""
    found = LabelAgreement("judge", _labels(*[True] * 5, *[False] * 5), [True] * 5 + [False] * 5, [""] * 10).kappa
    others = [49 / 60] * 10 + [0.8257576] * 2 + [0.9132075] * 2
    error = math.sqrt(0.9 * sum((one - sum(others) / 14) ** 2 for one in others))
    assert (found.estimate, found.high) == (1.0, 1.0)
    assert found.error == pytest.approx(error, abs=1e-6)
    assert found.low == pytest.approx(5 / 6 - 2.262157 * error, abs=1e-6)


def test_rates_of_few_questions_are_marked() -> None:
    """60 questions, of which people accept 29 or 30: sensitivity rests on these."""
    for accepted, cell in ((29, "29 *"), (30, "30")):
        labels = _labels(*[True] * accepted, *[False] * (60 - accepted))
        found = LabelAgreement("judge", labels, [label.is_same for label in labels], [""] * 60)
        rates = found.tables()[0]
        assert rates.rows[0][rates.columns.index("Fewest questions")] == cell
        assert found.notes == ([few_note("questions")] if accepted == 29 else [])
        assert found.to_dict()["few_clusters"] == (accepted == 29)


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


@pytest.mark.parametrize(
    ("accepted", "starred", "mark"),
    [
        ({0.5: [True] * 4, 0.7: [True, False, False, False]}, "0.7 *", "* largest kappa"),
        ({0.5: [True] * 4, 0.7: [False] * 4}, None, "no kappa is above 0, so that none is better"),
        (
            {0.5: [False, True, True, True], 0.7: [False, False, True, True]},
            None,
            "no kappa is above 0, so that none is",
        ),
        ({0.5: [None] * 4}, None, "no kappa is above 0, so that none is better"),
    ],
)
def test_a_threshold_is_starred_only_where_it_is_better_than_chance(
    accepted: dict[float, list[bool | None]], starred: str | None, mark: str
) -> None:
    labels = _labels(True, True, False, False)
    sweep = ThresholdSweep("part", {one: LabelAgreement("j", labels, yes, [""] * 4) for one, yes in accepted.items()})
    table = sweep.table()
    assert [row[0] for row in table.rows if row[0].endswith("*")] == ([] if starred is None else [starred])
    assert f"({mark}" in table.title
