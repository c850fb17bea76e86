"""Strengths of several models."""

import math

import numpy as np
import pytest
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

from medix.studies.preference.bradley_terry import BradleyTerry
from medix.studies.preference.rating import Rating
from tests.support.studies import rating


def test_two_models_by_hand() -> None:
    """Three wins against one: the log-odds are log 3, so strengths are ± 0.5493 and expected wins 3/4."""
    found = BradleyTerry.fit([rating("left", "a")] * 3 + [rating("right", "b")], 2)
    assert [one.estimate for one in found.strengths] == pytest.approx([math.log(3) / 2, -math.log(3) / 2])
    assert found.wins == pytest.approx((0.75, 0.25))


def simulated(seed: int = 0, count: int = 400) -> list[Rating]:
    draw = np.random.default_rng(seed)
    theta = np.array([0.8, 0.2, -0.3, -0.7])
    found = []
    for number in range(count):
        one, other = sorted(int(model) for model in draw.choice(4, 2, replace=False))
        is_win = draw.random() < 1 / (1 + math.exp(theta[other] - theta[one]))
        choice = "tie" if draw.random() < 0.2 else "left" if is_win else "right"
        found.append(rating(choice, str(number // 2), models=(one, other)))
    return found


def test_strengths_and_errors_are_those_of_statsmodels() -> None:
    """A binomial model of the differences to the last model, with errors clustered by case."""
    ratings = simulated()
    design = np.zeros((len(ratings), 4))
    for row, one in zip(design, ratings, strict=True):
        row[list(one.models)] = 1, -1
    scores = np.array([one.score(one.models[0]) for one in ratings])
    cases = np.array([int(one.cluster[2]) for one in ratings])
    kwds = {"groups": cases, "use_correction": False}
    fitted = GLM(scores, design[:, :3], family=Binomial()).fit(cov_type="cluster", cov_kwds=kwds)
    found = BradleyTerry.fit(ratings, 4)
    estimates = np.array([one.estimate for one in found.strengths])
    assert estimates[:3] - estimates[3] == pytest.approx(np.asarray(fitted.params), abs=1e-6)
    assert estimates.sum() == pytest.approx(0, abs=1e-9)
    centring = np.vstack([np.eye(3), np.zeros(3)]) - np.full((4, 3), 0.25)
    errors = np.sqrt(np.diag(centring @ fitted.cov_params() @ centring.T) * 200 / 199)
    assert [one.error for one in found.strengths] == pytest.approx(errors, rel=1e-5)


def test_intervals_hold_the_truth() -> None:
    theta, held = [0.8, 0.2, -0.3, -0.7], 0
    # ties of a fifth, as half wins, pull differences together: the truth is that of the shrunken chances
    for seed in range(150):
        ratings = [one for one in simulated(seed, 200) if one.winner is not None]
        found = BradleyTerry.fit(ratings, 4)
        held += sum(one.low <= true <= one.high for one, true in zip(found.strengths, theta, strict=True))
    assert 0.92 <= held / 600 <= 0.98


@pytest.mark.parametrize(
    "ratings",
    [
        [rating("left", models=(0, 1)), rating("left", models=(1, 2))],  # the first won all, the last none
        [rating("left", models=(0, 1)), rating("right", models=(0, 1))],  # the third was not compared
        [],
    ],
)
def test_strengths_that_do_not_exist_are_said_not_to(ratings: list[Rating]) -> None:
    found = BradleyTerry.fit(ratings, 3)
    assert found.fault
    assert all(math.isnan(one.estimate) for one in found.strengths)


def test_a_tie_is_a_way_back_and_repeats_are_left_out() -> None:
    ratings = [rating("left", models=(0, 1)), rating("tie", models=(0, 1))]
    found = BradleyTerry.fit([*ratings, rating("right", models=(0, 1), is_repeat=True)], 2)
    assert found.wins == pytest.approx((0.75, 0.25))
    assert math.isnan(found.strengths[0].low)  # one case
