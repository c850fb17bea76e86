"""Items whose texts are in the data, by runs of words."""

import pytest

from medix.audit.shared_runs import SharedRun, shared_runs
from medix.types import Sample
from tests.support.evaluations import choice, item, loaded

SHARED = [f"s{number}" for number in range(20)]


def words(kind: str, count: int) -> list[str]:
    return [f"{kind}{number}" for number in range(count)]


def sample(question: str, reference: str = "r") -> Sample:
    return Sample("1", question, reference, None)


@pytest.mark.parametrize(("own", "theirs", "share"), [(60, 27, None), (60, 26, 0.5), (26, 60, 0.5), (27, 60, None)])
def test_runs_are_found_if_they_are_half_of_one_of_the_texts(own: int, theirs: int, share: float | None) -> None:
    """Vignettes share wording such as "which of the following is the most likely cause of this patient's"."""
    run = SHARED[:13]
    row, asked = (" ".join([*run, *words(kind, count - 13)]) for kind, count in (("a", own), ("b", theirs)))
    found = shared_runs({4: sample(row)}, [loaded(item("1", asked))])
    assert found == ({("t", "1"): SharedRun(share, 4, " ".join(run))} if share else {})


def test_the_row_that_shares_most_is_named() -> None:
    """15 and 18 of 20 words; overlapping runs count their words once."""
    rows = {n: sample(" ".join([*SHARED[:count], *words("a", 90)])) for n, count in ((0, 15), (1, 18), (2, 13))}
    assert shared_runs(rows, [loaded(item("1", " ".join(SHARED)))])["t", "1"][:2] == (0.9, 1)


def test_choices_are_too_short_to_count_and_no_run_crosses_into_them() -> None:
    asked = choice("1", " ".join(SHARED[:13]), 0, "left or right", "both")
    put = " ".join([*SHARED[:13], "A)", "else", *words("a", 90)])
    assert shared_runs({0: sample(put)}, [loaded(asked)])["t", "1"].share == 1.0
    crossing = choice("1", " ".join(SHARED[:12]), 0, SHARED[12], "both")
    assert shared_runs({0: sample(" ".join(SHARED[:13]))}, [loaded(crossing)]) == {}
