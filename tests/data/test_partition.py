"""No unit is divided, and shares are met."""

import hashlib
import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.data.partition import NOTHING, Partition, as_shown, named_unit
from medix.data.sources.source import RowError
from tests.data.conftest import make_sample

PARTS = Partition.parse("train=0.8,val=0.1,test=0.1")
BARE = replace(make_sample(0), case="")


def test_the_part_is_the_interval_that_the_hash_falls_into() -> None:
    """By hand: the hash of [1, "d", "case", "case 0"] as a number from 0 to 1, against 0.8 and 0.9."""
    digest = hashlib.sha256(json.dumps([1, "d", "case", "case 0"]).encode()).hexdigest()
    place = int(digest[:16], 16) / 2**64
    expected = "train" if place < 0.8 else "val" if place < 0.9 else "test"
    assert PARTS.part("d", make_sample(0)) == expected
    assert PARTS.part("d", make_sample(1)) == expected  # of the same case


@given(case=st.text(min_size=1), other=st.text(min_size=1), seed=st.integers(0, 99))
def test_a_case_is_in_one_part_whatever_else_differs(case: str, other: str, seed: int) -> None:
    parts = Partition.parse("a=0.5,b=0.5", seed=seed)
    first, second = replace(make_sample(0), case=case), replace(make_sample(9, "X_RAY"), id=other, case=case)
    assert parts.part("d", first) == parts.part("d", second)


def test_shares_are_met_within_the_chance_of_the_draw() -> None:
    """Of 4000 cases, a share of 0.8 has a standard deviation of sqrt(0.8 * 0.2 / 4000) = 0.0063."""
    found = Counter(PARTS.part("d", replace(BARE, case=f"{number}")) for number in range(4000))
    assert abs(found["train"] / 4000 - 0.8) < 3 * 0.0063
    assert abs(found["val"] / 4000 - 0.1) < 3 * 0.0048
    others = Counter(
        (PARTS.part("d", sample), parts.part(dataset, sample))
        for number in range(400)
        for sample in [replace(BARE, case=f"{number}")]
        for parts, dataset in [(replace(PARTS, seed=2), "d"), (PARTS, "e")]
    )
    assert len(others) == 9  # another seed or data set draws anew


def test_samples_without_a_case_stay_with_those_of_the_same_images() -> None:
    same = [replace(BARE, id=f"{number}") for number in range(40)]
    assert len({PARTS.part("d", sample) for sample in same}) == 1
    texts = [replace(sample, images=()) for sample in same]
    assert len({PARTS.part("d", sample) for sample in texts}) > 1
    assert len({replace(PARTS, by="sample").part("d", sample) for sample in same}) > 1


def test_patients_are_named_in_the_metadata() -> None:
    parts = replace(PARTS, by="patient")
    of_one = [replace(make_sample(number), metadata={"subject_id": " p"[number % 2 :]}) for number in range(40)]
    assert len({parts.part("d", sample) for sample in of_one}) == 1
    with pytest.raises(
        RowError, match=r"reads the metadata patient or patient_id or PatientID or subject_id: .*subgroup: {patient: N"
    ):
        parts.part("d", make_sample(0))
    for nothing in ("NaN", "NA", "N/A", *NOTHING):
        with pytest.raises(RowError, match="reads the metadata"):
            parts.part("d", replace(make_sample(0), metadata={"patient": nothing}))


UNSEEN = ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u200e", "\ufe0f", "\0"]
"""Marks that are not shown: a patient with one in some of the rows would be in two parts."""


@given(st.text("P1 -\u00e9"), st.sampled_from(UNSEEN), st.sampled_from(" \u00a0\u2009\t"), st.integers(0, 9))
def test_names_that_look_alike_are_one_unit(name: str, mark: str, blank: str, place: int) -> None:
    assert named_unit(name[:place] + mark + name[place:]) == named_unit(f"{blank}{name}{mark}{blank}") == name.strip()
    assert as_shown(name.replace(" ", blank)) == name.strip()
    assert named_unit(f"{mark}N{mark}A ") == ""


def test_a_patient_in_the_metadata_is_in_one_part_whatever_marks_are_in_the_name() -> None:
    parts = replace(PARTS, by="patient")
    samples = [replace(make_sample(0), metadata={"patient": f"p{mark}1"}) for mark in ["", *UNSEEN]]
    for seed in range(20):
        assert len({replace(parts, seed=seed).part("d", sample) for sample in samples}) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("train=0.9,val=0.2", "the shares sum to 1.1"),
        ("train=0.9", "give two or more parts"),
        ("a=0.5,a=0.5", "with different names"),
        ("a=0,b=1", "give shares above 0"),
        ("a=0.5,b", "'b' is not NAME=SHARE"),
        ("a=nan,b=0.5", "give shares above 0"),
        ("a/b=0.5,c=0.5", "'a/b' is part of file names"),
    ],
)
def test_parts_that_make_no_sense(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Partition.parse(text)


def test_thirds_sum_to_one() -> None:
    assert Partition.parse("a=0.1,b=0.2,c=0.7").names == ("a", "b", "c")
