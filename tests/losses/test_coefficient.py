"""KL coefficients: a constant, and the controller by hand and against public code."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.losses.coefficient import AdaptiveCoefficient, FixedCoefficient
from tests.losses.cases import RESULTS


def test_a_fixed_coefficient_stays() -> None:
    coefficient = FixedCoefficient(0.01)
    coefficient.update(kl=99.0, sequences=512)
    assert coefficient.value == 0.01
    assert coefficient.state_dict() == {}


def test_the_controller_moves_by_the_clipped_error() -> None:
    """Target 2, horizon 100, 10 completions. KL 2.2 is an error of 0.1: × 1.01. KL 9 is clipped at 0.2: × 1.02."""
    coefficient = AdaptiveCoefficient(initial=1.0, target=2.0, horizon=100)
    coefficient.update(kl=2.2, sequences=10)
    assert coefficient.value == pytest.approx(1.01)
    coefficient.update(kl=9.0, sequences=10)
    assert coefficient.value == pytest.approx(1.01 * 1.02)


def test_golden_controller() -> None:
    coefficient = AdaptiveCoefficient(initial=0.2, target=6.0, horizon=10_000)
    values = []
    for kl in (1.0, 6.0, 12.0, 3.0):
        coefficient.update(kl, sequences=256)
        values.append(coefficient.value)
    assert values == pytest.approx(RESULTS["easyr1.adaptive_kl(init=.2,target=6,h=1e4,n=256; kl=1,6,12,3)"], abs=1e-12)


@given(before=st.lists(st.floats(0, 50), max_size=5), after=st.lists(st.floats(0, 50), max_size=5))
def test_a_resumed_controller_goes_on_alike(before: list[float], after: list[float]) -> None:
    straight, first, second = (AdaptiveCoefficient(0.1, 0.5, 1000) for _ in range(3))
    for kl in [*before, *after]:
        straight.update(kl, 64)
    for kl in before:
        first.update(kl, 64)
    second.load_state_dict(first.state_dict())
    for kl in after:
        second.update(kl, 64)
    assert second.value == straight.value


@given(error=st.floats(0.01, 100), sequences=st.integers(1, 1000))
def test_more_divergence_than_wanted_raises_the_weight_and_less_lowers_it(error: float, sequences: int) -> None:
    more, less = (AdaptiveCoefficient(initial=0.3, target=5.0, horizon=1000) for _ in range(2))
    more.update(5.0 * (1 + error), sequences)
    less.update(5.0 / (1 + error), sequences)
    bound = 0.2 * sequences / 1000 + 1e-12
    assert 0.3 < more.value <= 0.3 * (1 + bound)
    assert 0.3 * (1 - bound) <= less.value < 0.3


@pytest.mark.parametrize("name", ["initial", "target", "horizon"])
def test_arguments_of_the_controller_must_be_positive(name: str) -> None:
    arguments: dict[str, Any] = {"initial": 0.1, "target": 1.0, "horizon": 100, name: 0}
    with pytest.raises(ValueError, match=f"{name} of an adaptive KL coefficient must be positive, got 0"):
        AdaptiveCoefficient(**arguments)


def test_a_horizon_that_one_step_overruns_is_refused() -> None:
    with pytest.raises(ValueError, match="horizon 100 is too short for 512 completions"):
        AdaptiveCoefficient(0.1, 1.0, 100).update(0.0, 512)


@pytest.mark.parametrize("kl", [math.nan, math.inf, -math.inf])
def test_a_divergence_that_is_not_finite_moves_nothing(kl: float) -> None:
    coefficient = AdaptiveCoefficient(0.1, 1.0, 100)
    coefficient.update(kl, 8)
    assert coefficient.value == 0.1


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        FixedCoefficient(-1.0)
