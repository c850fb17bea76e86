"""The words of imaging that only some modalities have."""

import re
from collections import Counter

import pytest

from medix.judge.clinical.modality_terms import (
    DENIALS,
    DENIALS_AFTER,
    ELSEWHERE,
    ENTRIES,
    NAMES,
    ModalityEntry,
    ModalityTerms,
    asks_modality,
    named_modalities,
)
from medix.modality import PAPER_MODALITIES

TERMS = ModalityTerms()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.terms[0])
def test_every_entry_names_known_modalities_a_reason_and_terms_that_can_be_found(entry: ModalityEntry) -> None:
    assert set(entry.modalities) <= set(PAPER_MODALITIES) - {"OTHER", "GRAPHICS"}
    assert len(entry.reason) > 10
    foreign = next(name for name in PAPER_MODALITIES if name not in (*entry.modalities, "OTHER", "GRAPHICS"))
    for term in entry.terms:
        written = term.replace("#", "12")
        assert term in set(TERMS.foreign(written, foreign))
        assert list(TERMS.foreign(written, entry.modalities[0])) == []


def test_no_term_stands_twice() -> None:
    counts = Counter(term for entry in ENTRIES for term in entry.terms)
    assert [term for term, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("word", ["attenuation", "contrast", "enhancement", "opacity", "calcification", "t2", "drusen"])
def test_what_most_modalities_share_is_no_term(word: str) -> None:
    assert word not in {term for entry in ENTRIES for term in entry.terms}


def test_cues_are_words_in_the_form_that_texts_are_read_in() -> None:
    for cue in (*ELSEWHERE, *DENIALS, *DENIALS_AFTER):
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", cue)
    terms = {word for entry in ENTRIES for term in entry.terms for word in term.split()}
    assert not terms & set(DENIALS)


def test_a_name_of_a_modality_is_the_whole_text() -> None:
    assert named_modalities("X-ray.") == {"X_RAY", "MAMMOGRAPHY", "FLUOROSCOPY", "ANGIOGRAPHY"}
    assert named_modalities("MRI") == {"MRI_SCAN", "ANGIOGRAPHY"}
    assert named_modalities("a CT of the chest") == named_modalities("T2") == named_modalities("") == frozenset()
    assert set(NAMES) <= set(PAPER_MODALITIES)
    assert all(modality in named_modalities(name) for modality, names in NAMES.items() for name in names)


@pytest.mark.parametrize(
    ("question", "asks"),
    [
        ("What imaging modality was used?", True),
        ("What type of image is this?", True),
        ("How was this image taken?", True),
        ("Which imaging modality is best to confirm this?", False),
        ("Which modality is recommended next?", False),
        ("Where is the lesion?", False),
    ],
)
def test_questions_about_this_picture_are_told_from_those_about_another(question: str, asks: bool) -> None:
    assert asks_modality(question) is asks
