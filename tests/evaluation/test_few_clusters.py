"""The mark of few clusters."""

from medix.evaluation.few_clusters import few_note, marked
from medix.evaluation.statistics import clustered_mean


def test_fewer_than_thirty_clusters_are_marked() -> None:
    assert [marked(f"{size} cases", clustered_mean([1.0] * size, range(size))) for size in (0, 4, 29, 30)] == [
        "0 cases",
        "4 cases *",
        "29 cases *",
        "30 cases",
    ]


def test_the_note_names_what_is_counted() -> None:
    assert few_note("cases") == "* at the number of cases: fewer than 30, so that the interval may be too narrow."
