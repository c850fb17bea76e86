"""Where images that are alike stand."""

import numpy as np
import pytest

from medix.audit.duplicates import Duplicates, Kind, Relation
from medix.audit.near_pictures import NearPairs
from medix.audit.rows import AuditRow
from tests.audit.conftest import row


def near(*pairs: tuple[int, int, int]) -> NearPairs:
    """Pairs of images with how they are turned."""
    first, second, turn = (np.array([pair[part] for pair in pairs], np.int64) for part in range(3))
    return NearPairs(first, second, turn, np.full(len(pairs), 0.99))


def counted(rows: list[AuditRow], pairs: NearPairs) -> dict[tuple[Kind, Relation], int]:
    return {key: count.pairs for key, count in Duplicates(rows, pairs).counts.items() if count.pairs}


@pytest.mark.parametrize(
    ("one", "other", "relation"),
    [
        ({"case": "c"}, {"case": "c"}, Relation.WITHIN_CASE),
        ({"case": "c"}, {"case": "d"}, Relation.ACROSS_CASES),
        ({"case": "c"}, {"case": "c", "dataset": "e"}, Relation.ACROSS_CASES),
        ({"case": "c"}, {}, Relation.CASE_UNKNOWN),
        ({}, {}, Relation.CASE_UNKNOWN),
        ({"case": "c"}, {"case": "c", "split": "val"}, Relation.ACROSS_SPLITS),
        ({"case": "c"}, {"case": "c", "split": "train", "is_against": True}, Relation.ACROSS_SPLITS),
    ],
)
def test_two_rows_are_related_by_case_and_split(one: dict, other: dict, relation: Relation) -> None:  # type: ignore[type-arg]
    same = [row(0, pictures=[0], **one), row(1, pictures=[0], **other)]
    assert counted(same, near()) == {(Kind.SAME_FILE, relation): 1}
    alike = [row(0, pictures=[0], **one), row(1, pictures=[1], **other)]
    assert counted(alike, near((0, 1, 0))) == {(Kind.NEAR, relation): 1}
    assert counted(alike, near((0, 1, 3))) == {(Kind.TURNED, relation): 1}


def test_what_only_serves_to_be_compared_with_is_not_reported_by_itself() -> None:
    rows = [row(n, split, pictures=[0], is_against=True) for n, split in enumerate(("val", "test", "val"))]
    assert counted(rows, near()) == {}


def test_the_strongest_relation_of_several_places_counts_and_its_rows_are_shown() -> None:
    """One image in case c twice, in case d, and in validation; another only in case c."""
    rows = [
        row(0, pictures=[0], case="c"), row(1, pictures=[0, 0], case="c"), row(2, pictures=[0], case="d"),
        row(3, "val", pictures=[0], case="e"), row(4, pictures=[1], case="c"),
    ]  # fmt: skip
    found = Duplicates(rows, near((0, 1, 0)))
    [pair] = found.counts[Kind.SAME_FILE, Relation.ACROSS_SPLITS].examples
    assert 3 in pair.rows
    count = found.counts[Kind.NEAR, Relation.ACROSS_SPLITS]
    assert (count.pairs, count.pictures, count.samples) == (1, {0, 1}, {0, 1, 2, 3, 4})
    assert found.of(Relation.ACROSS_SPLITS) == 2


def test_thousands_of_questions_on_one_image_without_cases_are_one_pair() -> None:
    rows = [row(number, pictures=[0]) for number in range(1_000)]
    assert counted(rows, near()) == {(Kind.SAME_FILE, Relation.CASE_UNKNOWN): 1}
