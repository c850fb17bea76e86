"""Rows in order, from one process or several."""

import os
import signal
from collections import Counter
from collections.abc import Iterator

import pytest

from medix.data import row_pool
from medix.data.row_pool import outcomes
from medix.data.sources.source import RowError, Source, SourceRow
from medix.types import Sample
from tests.data.conftest import make_sample


class Pids(Source):
    """Samples that name the process that made them."""

    def rows(self) -> Iterator[SourceRow]:
        return (SourceRow(f"row {number}", number) for number in range(60))

    def sample(self, row: SourceRow) -> Sample:
        if row.content == 59:
            os._exit(1)  # as the kernel kills for memory
        if row.content == 7:  # as if it were sent to the whole group
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
        if row.content % 5 == 4:
            raise RowError("key", b"\0" * 9, "remedy", "kind", refused=True)
        self.counts["seen"] += row.content
        return Sample(str(row.content), str(os.getpid()), "r", None)

    def fingerprint(self) -> str:
        return ""


def test_outcomes_are_in_order_with_errors_and_counts_of_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_pool, "SMALL", 4)
    source = Pids()
    found = []
    with pytest.raises(RuntimeError, match="was killed, which the kernel does when memory is short; give fewer"):
        found.extend(outcomes(source, enumerate(source.rows()), 2))
    given = outcomes(source, list(enumerate(source.rows()))[:59], 2)
    found = list(given)
    assert [one.number for one in found] == list(range(59))
    assert [one.where for one in found[:2]] == ["row 0", "row 1"]
    samples = [one.result for one in found if isinstance(one.result, Sample)]
    assert str(os.getpid()) not in {sample.question for sample in samples}
    assert sum((one.counts for one in found), Counter())["seen"] == sum(n for n in range(59) if n % 5 != 4)
    error = found[4].result
    assert isinstance(error, RowError)
    assert (error.key, error.value, error.remedy, error.kind, error.refused) == (
        "key",
        b"\0" * 9,
        "remedy",
        "kind",
        True,
    )


def test_few_rows_are_made_here_and_rows_that_cannot_be_read_are_errors() -> None:
    class Given(Pids):
        def sample(self, row: SourceRow) -> Sample:
            return make_sample(row.content)

    rows = [(0, SourceRow("a", 1)), (1, SourceRow("b", RowError("row", "{", "correct it", "json")))]
    first, second = outcomes(Given(), rows, 8)
    assert first.result == make_sample(1)
    assert str(second.result) == "row: '{'; correct it"
