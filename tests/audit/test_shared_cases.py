"""Cases in several splits."""

from dataclasses import replace
from pathlib import Path

import pytest

from medix.audit.shared_cases import SharedCases, shared_cases
from medix.data.manifest import Manifest, ShardEntry
from tests.audit.conftest import row

SHARD = ShardEntry("a.tar", "0" * 64, 1, 1)


def test_cases_of_two_splits_are_named_with_their_data_set() -> None:
    rows = [
        row(0, case="p1", dataset="d"), row(1, case="p2", dataset="d"), row(2, case="", dataset="d"),
        row(3, "val", case="p2", dataset="d"), row(4, "val", case="p2", dataset="d"), row(5, "val", dataset="d"),
        row(6, "val", case="p1", dataset="other"), row(7, "test", case="p9", dataset="d"),
    ]  # fmt: skip
    assert shared_cases(rows) == [SharedCases("train", "val", ("d: p2",))]
    (told,) = SharedCases("train", "val", tuple(f"d: {number}" for number in range(7))).sentences()
    assert told == "7 cases of val are in train, too: d: 0, d: 1, d: 2, d: 3, d: 4, …"


def test_a_case_is_recognised_by_a_further_name() -> None:
    rows = [row(0, case="p1", metadata={"case_names": "s1"}), row(1, "val", case="s1")]
    assert [pair.cases for pair in shared_cases(rows)] == [("d: s1",)]


def test_splits_that_only_serve_to_be_compared_with_are_not_compared_with_each_other() -> None:
    rows = [row(0, "a", case="p", is_against=True), row(1, "b", case="p", is_against=True)]
    assert shared_cases(rows) == []
    assert [(pair.first, pair.second) for pair in shared_cases([row(2, case="p"), *rows])] == [
        ("train", "a"), ("train", "b"),
    ]  # fmt: skip


@pytest.mark.parametrize("salt", ["1" * 16, "2" * 16])
def test_pseudonyms_by_different_salts_are_said_not_to_be_comparable(salt: str) -> None:
    train = Manifest("train", "CT_SCAN", "CC0", "none", (SHARD,), dataset="d", salt_digest="1" * 16)
    val = replace(train, name="val", salt_digest=salt, path=Path("val.yaml"))
    rows = [
        replace(row(0, case="0" * 16, dataset="d"), manifest=train),
        replace(row(1, "val", case="f" * 16, dataset="d"), manifest=val),
    ]
    found = shared_cases(rows)
    assert len(found) == (salt != train.salt_digest)
    for pair in found:
        (told,) = pair.sentences()
        assert told.startswith("val and train: cases cannot be compared, as val.yaml and manifest.yaml have pseudonyms")


def test_cases_of_one_name_in_data_sets_that_are_not_named_may_be_the_same() -> None:
    """But not where both are named, as by ``--dataset``."""
    rows = [row(0, case="p1", dataset="train"), row(1, "val", case="p1", dataset="val")]
    (pair,) = shared_cases(rows)
    assert (pair.cases, pair.doubtful, pair.is_open) == ((), ("p1",), True)
    (told,) = pair.sentences()
    assert told.startswith("val and train have 1 names of cases or samples in common (p1), in different data sets")
    assert "shards build --dataset" in told
    assert shared_cases([row(0, case="p1", dataset="d"), row(1, "val", case="p1", dataset="e")]) == []


def test_every_case_of_a_name_is_counted() -> None:
    """Cases p1 and p2 of validation have a study in common, which is in training."""
    rows = [row(0, case="s"), *(row(n, "val", case=f"p{n}", metadata={"case_names": "s"}) for n in (1, 2))]
    assert [pair.cases for pair in shared_cases(rows)] == [("d: p1", "d: p2")]
