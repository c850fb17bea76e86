"""Sums of memory allocations by phase."""

from hypothesis import given
from hypothesis import strategies as st

from medix.doctor.memory import Allocation, MemoryEstimate, Phase

GIB = 2**30
ESTIMATE = MemoryEstimate(
    [
        Allocation("weights", 4 * GIB, "2 x 2", (Phase.ALWAYS,), "fewer weights"),
        Allocation("cache", 10 * GIB, "5 x 2", (Phase.ROLLOUT,), "fewer rows"),
        Allocation("activations", 3 * GIB, "3 x 1", (Phase.LOSS, Phase.TEXT), "fewer tokens"),
        Allocation("small", GIB / 100, "a few", (Phase.TEXT,)),
    ]
)


def test_permanent_allocations_count_in_every_phase() -> None:
    assert ESTIMATE.total(Phase.ROLLOUT) == 14 * GIB
    assert ESTIMATE.total(Phase.NO_GRAD) == 4 * GIB
    assert ESTIMATE.peak is Phase.ROLLOUT


def test_a_breakdown_names_the_large_parts_and_sums_up_the_rest() -> None:
    assert ESTIMATE.breakdown(Phase.ROLLOUT) == "cache 10.0 GiB + weights 4.0 GiB"
    assert ESTIMATE.breakdown(Phase.TEXT) == "weights 4.0 GiB + activations 3.0 GiB + rest 10.2 MiB"


def test_the_remedy_begins_with_the_largest() -> None:
    assert ESTIMATE.remedy(Phase.ROLLOUT) == "fewer rows; or fewer weights"


def test_lines_hold_every_allocation_with_its_arithmetic_and_the_totals() -> None:
    lines = ESTIMATE.lines()
    assert "cache, rollout: 5 x 2 = 10.0 GiB" in lines
    assert "activations, head and loss, backward pass of the text layers: 3 x 1 = 3.0 GiB" in lines
    assert lines[-3:] == (
        "total, rollout: 14.0 GiB",
        "total, head and loss: 7.0 GiB",
        "total, backward pass of the text layers: 7.0 GiB",
    )


@given(st.lists(st.tuples(st.sampled_from(list(Phase)), st.integers(1, 10**12)), min_size=1))
def test_no_phase_takes_more_than_the_peak(entries: list[tuple[Phase, int]]) -> None:
    estimate = MemoryEstimate([Allocation("n", size, "h", (phase,)) for phase, size in entries])
    assert estimate.total(estimate.peak) == max(estimate.total(phase) for phase in Phase)
