"""Clusters of two systems that hold the same items, or do not."""

import pytest

from medix.evaluation.same_clusters import OtherClusters, other_clusters


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("aabb", "xxyy", None),
        ("aabb", "bbaa", None),
        ("", "", None),
        ("aabb", "xxxx", OtherClusters(("0", "2"), False)),
        ("aaaa", "xxyy", OtherClusters(("0", "2"), True)),
        ("aabb", "xyxy", OtherClusters(("0", "1"), True)),
        ("abab", "xxyy", OtherClusters(("0", "1"), False)),
    ],
)
def test_only_which_items_a_cluster_holds_matters(first: str, second: str, found: OtherClusters | None) -> None:
    names = map(str, range(len(first)))
    assert other_clusters(zip(names, first, second, strict=True)) == found


def test_it_is_told_which_system_has_them_apart() -> None:
    told = OtherClusters(("3", "7"), True).told(("one", "other"), "image")
    assert told.startswith("items 3 and 7 are of one image in one and of two in other, so that no interval holds")
    assert "of one case in other and of two in one" in OtherClusters(("3", "7"), False).told(("one", "other"), "case")
