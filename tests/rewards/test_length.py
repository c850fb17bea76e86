"""The soft overlong penalty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.rewards import SoftOverlongPenalty
from medix.types import Status
from tests.support.components import BATCH


@pytest.mark.parametrize(
    ("tokens", "value"), [(0, 0), (80, 0), (81, -0.05), (90, -0.5), (100, -1), (101, -1), (1000, -1)]
)
def test_the_penalty_falls_linearly_inside_the_buffer(tokens: int, value: float) -> None:
    """Eq. 13 with L_max 100, L_cache 20: at 90 tokens ((100 - 20) - 90) / 20 = -0.5."""
    assert SoftOverlongPenalty(100, 20)._penalty(tokens) == pytest.approx(value)


@given(st.integers(1, 5000), st.integers(0, 10_000), st.integers(0, 10_000), st.data())
def test_longer_is_never_better(limit: int, one: int, other: int, data: st.DataObject) -> None:
    penalty = SoftOverlongPenalty(limit, data.draw(st.integers(1, limit)))
    values = [penalty._penalty(count) for count in sorted((one, other))]
    assert all(isinstance(value, float) and -1 <= value <= 0 for value in values)
    assert values[0] >= values[1]  # type: ignore[operator]


def test_a_row_without_a_token_count_is_unscored() -> None:
    scores = SoftOverlongPenalty(100, 20).score(BATCH)
    assert scores.status == (Status.SCORED,) * 5 + (Status.UNSCORED,)
    assert "token_counts" in scores.reason[5]


@pytest.mark.parametrize("buffer", [0, -1, 101])
def test_a_buffer_that_does_not_fit_is_refused(buffer: int) -> None:
    with pytest.raises(ValueError, match=f"buffer_tokens: {buffer}"):
        SoftOverlongPenalty(100, buffer)
