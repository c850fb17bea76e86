"""Proposals of synonyms."""

from pathlib import Path

import pytest

from medix.audit.synonyms import Synonyms, find_synonyms, reference_counts
from medix.yaml_text import read_yaml_file
from tests.support.encoders import CountingEncoder

NEAR = {
    "heart attack": [1.0, 0.0], "myocardial infarction": [0.8, 0.6], "left lung": [0.0, 1.0], "right lung": [0.0, 1.0],
    "5 mm": [0.0, 0.0, 1.0], "6 mm": [0.0, 0.0, 1.0],
}  # fmt: skip


def synonyms(counts: dict[str, int], threshold: float = 0.75) -> Synonyms:
    return find_synonyms(counts, CountingEncoder(NEAR), threshold)


def test_similar_answers_are_proposed_and_sides_and_numbers_never_are() -> None:
    """The cosine of (1, 0) and (0.8, 0.6) is 0.8; left and right lung have a cosine of 1, and so have the sizes."""
    found = synonyms(dict.fromkeys(NEAR, 1) | {"myocardial infarction": 3, "liver": 5})
    [pair] = found.proposals
    assert (pair.first, pair.second, pair.counts) == ("myocardial infarction", "heart attack", (3, 1))
    assert pair.cosine == pytest.approx(0.8)
    assert found.refused == 2
    assert {pair.fault.partition(":")[0] for pair in found.refused_examples} == {"laterality", "number"}
    assert found.aliases() == {
        "myocardial infarction": ["heart attack"], "heart attack": ["myocardial infarction"],
    }  # fmt: skip
    assert synonyms(dict.fromkeys(NEAR, 1), threshold=0.81).proposals == ()
    assert find_synonyms(dict.fromkeys(NEAR, 1), CountingEncoder(NEAR)).proposals == ()  # as abdomen and stomach, 0.84


def test_the_words_that_differ_must_be_similar_by_themselves() -> None:
    vectors = {"acute cholecystitis": [1.0, 0.0], "acute appendicitis": [1.0, 0.1]}
    found = find_synonyms(dict.fromkeys(vectors, 1), CountingEncoder(vectors))
    assert found.proposals == ()
    assert found.refused_examples[0].fault == "appendicitis and cholecystitis are not similar"


def test_equal_long_and_unreadable_answers_are_not_compared() -> None:
    """Two spellings are one answer; 13 words and Chinese are left out."""
    encoder = CountingEncoder()
    found = find_synonyms({"Left lung": 2, "left lung.": 1, "word " * 13: 1, "左肺": 1}, encoder)
    assert (found.compared, found.left_out) == (1, 2)
    assert encoder.calls == [["Left lung"]]


def test_the_file_is_what_builds_of_shards_read(tmp_path: Path) -> None:
    """``yes`` and ``1`` stay texts, and answers that differ in case only are one key."""
    vectors = {"yes": [1.0], "affirmative": [1.0], "Heart Attack": [0.0, 1.0], "heart attack": [0.0, 1.0]}
    found = find_synonyms(reference_counts([" yes ", "affirmative", "yes"]), CountingEncoder(vectors))
    (tmp_path / "aliases.yaml").write_text(found.to_yaml())
    content = read_yaml_file(tmp_path / "aliases.yaml", yes_is_text=True).content
    assert content == found.aliases()
    assert find_synonyms({}, CountingEncoder()).to_yaml().endswith("{}\n")
