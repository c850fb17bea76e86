"""Tests of differences, by hand and against statsmodels."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from medix.evaluation.significance import holm, mcnemar_exact


@settings(max_examples=10, deadline=None)  # theirs takes a tenth of a second
@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_equals_statsmodels(values: list[float]) -> None:
    expected = multipletests(values, method="holm")[1] if values else []
    assert holm(values) == pytest.approx(list(expected))


def test_holm_by_hand() -> None:
    """Of three tests 0.01 becomes 0.03, 0.03 becomes 0.06, and 0.04 no less than that; no test stays none."""
    assert holm([0.04, math.nan, 0.01, 0.03]) == pytest.approx([0.06, math.nan, 0.03, 0.06], nan_ok=True)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_mcnemar_equals_statsmodels(pairs: list[tuple[bool, bool]]) -> None:
    table = [[sum((a, b) == cell for a, b in pairs) for cell in row] for row in _CELLS]
    expected = mcnemar(table, exact=True).pvalue if table[0][1] + table[1][0] else 1.0
    assert mcnemar_exact([a for a, _ in pairs], [b for _, b in pairs]) == pytest.approx(expected)


_CELLS = (((True, True), (True, False)), ((False, True), (False, False)))


def test_mcnemar_of_twelve_against_four_by_hand() -> None:
    """2 · P(X ≤ 4 | 16, 1/2) = 2 · (1 + 16 + 120 + 560 + 1820) / 65536 = 0.0768."""
    first = [True] * 4 + [False] * 12
    assert mcnemar_exact(first, [not value for value in first]) == pytest.approx(5034 / 65536)
