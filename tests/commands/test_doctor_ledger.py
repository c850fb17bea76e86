"""Sums of what takes memory, by moment."""

from hypothesis import given
from hypothesis import strategies as st

from medix.commands.doctor_ledger import Ledger, Moment, Need

GIB = 2**30
LEDGER = Ledger(
    [
        Need("weights", 4 * GIB, "2 x 2", Moment.ALWAYS, "fewer weights"),
        Need("cache", 10 * GIB, "5 x 2", Moment.ROLLOUT, "fewer rows"),
        Need("activations", 3 * GIB, "3 x 1", Moment.UPDATE, "fewer tokens"),
        Need("crumbs", GIB / 100, "a few", Moment.UPDATE),
    ]
)


def test_what_is_always_there_counts_at_every_moment() -> None:
    assert LEDGER.total(Moment.ROLLOUT) == 14 * GIB
    assert LEDGER.total(Moment.SCORING) == 4 * GIB
    assert LEDGER.peak is Moment.ROLLOUT


def test_a_sum_names_the_large_parts_and_adds_up_the_crumbs() -> None:
    assert LEDGER.sum(Moment.ROLLOUT) == "cache 10.0 GiB + weights 4.0 GiB"
    assert LEDGER.sum(Moment.UPDATE) == "weights 4.0 GiB + activations 3.0 GiB + rest 10.2 MiB"


def test_the_remedy_begins_with_the_largest() -> None:
    assert LEDGER.remedy(Moment.ROLLOUT) == "fewer rows; or fewer weights"


def test_lines_hold_every_need_with_its_arithmetic_and_the_totals() -> None:
    lines = LEDGER.lines()
    assert "cache, the rollout: 5 x 2 = 10.0 GiB" in lines
    assert lines[-3:] == (
        "in all at the rollout: 14.0 GiB",
        "in all at passes without gradient: 4.0 GiB",
        "in all at the update: 7.0 GiB",
    )


@given(st.lists(st.tuples(st.sampled_from(list(Moment)), st.integers(1, 10**12)), min_size=1))
def test_no_moment_takes_more_than_the_peak(entries: list[tuple[Moment, int]]) -> None:
    ledger = Ledger([Need("n", size, "h", moment) for moment, size in entries])
    assert ledger.total(ledger.peak) == max(ledger.total(moment) for moment in Moment)
