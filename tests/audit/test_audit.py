"""The audit of a data set whose faults are known."""

import json

from medix.audit.audit import Audit
from medix.audit.duplicates import Kind, Relation
from medix.audit.leakage import Leak


def test_every_planted_duplicate_is_found_with_its_place_and_no_other(audited: Audit) -> None:
    counts = {key: count.pairs for key, count in audited.duplicates.counts.items() if count.pairs}
    assert counts == {
        (Kind.SAME_FILE, Relation.WITHIN_CASE): 1,
        (Kind.SAME_FILE, Relation.ACROSS_SPLITS): 1,
        (Kind.NEAR, Relation.ACROSS_CASES): 1,
        (Kind.NEAR, Relation.ACROSS_SPLITS): 1,
        (Kind.TURNED, Relation.ACROSS_CASES): 1,
    }
    [turned] = audited.duplicates.counts[Kind.TURNED, Relation.ACROSS_CASES].examples
    assert turned.turn == "mirrored"


def test_every_planted_leak_is_found_once(audited: Audit) -> None:
    [task] = audited.leakage
    assert task.counts == {Leak.ITEM: 1, Leak.IMAGE: 1, Leak.QUESTION: 0, Leak.NGRAM: 1, Leak.PHRASING: 0}
    assert (task.items, task.with_images, task.leaked, task.images, task.all_images) == (5, 3, 3, 2, 3)


def test_only_the_planted_contradiction_is_reported(audited: Audit) -> None:
    [one] = audited.contradictory
    assert (one.kind, one.detail) == ("answer of another modality", "hounsfield")


def test_findings_count_what_to_act_on(audited: Audit) -> None:
    counts = {what: count for what, count in audited.findings.items() if count}
    assert counts == {
        "items of benchmarks in the data": 3,
        "pairs of images across splits": 2,
        "answer of another modality": 1,
    }


def test_all_numbers_are_plain_data(audited: Audit) -> None:
    data = json.loads(json.dumps(audited.to_dict(), allow_nan=False))
    assert (data["samples"], data["compared_with"], data["images"]) == (12, 4, 11)
    assert data["tasks_not_compared"] == {"gone": "no file"}
    assert data["contradictory_rows"][0]["split"] == "train"
    assert data["leakage"][0]["examples"][0]["leak"] == "question and image"
    assert sum(one["samples"] for one in data["modalities"]) == 12
