"""The lexicon of the consistency reward."""

import re
from collections import Counter

import pytest

from medix.modality import PAPER_MODALITIES
from medix.rewards.consistency import ModalityConsistencyReward
from medix.rewards.modality_words import DENIALS, DENIALS_AFTER, ELSEWHERE, LEXICON, ModalityTerms


@pytest.mark.parametrize("entry", LEXICON, ids=lambda entry: entry.terms[0])
def test_every_entry_names_known_modalities_a_reason_and_terms_that_can_be_found(entry: ModalityTerms) -> None:
    assert set(entry.modalities) <= set(PAPER_MODALITIES) - {"OTHER", "GRAPHICS"}
    assert len(entry.reason) > 10
    foreign = next(name for name in PAPER_MODALITIES if name not in (*entry.modalities, "OTHER", "GRAPHICS"))
    for term in entry.terms:
        written = term.replace("#", "12")
        assert term in ModalityConsistencyReward().foreign_terms(written, foreign)
        assert ModalityConsistencyReward().foreign_terms(written, entry.modalities[0]) == ()


def test_no_term_stands_twice() -> None:
    counts = Counter(term for entry in LEXICON for term in entry.terms)
    assert [term for term, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("word", ["attenuation", "contrast", "enhancement", "opacity", "calcification", "t2", "drusen"])
def test_what_most_modalities_share_is_no_term(word: str) -> None:
    assert word not in {term for entry in LEXICON for term in entry.terms}


def test_cues_are_words_in_the_form_that_texts_are_read_in() -> None:
    for cue in (*ELSEWHERE, *DENIALS, *DENIALS_AFTER):
        assert re.fullmatch(r"[a-z]+( [a-z]+)*", cue)
    terms = {word for entry in LEXICON for term in entry.terms for word in term.split()}
    assert not terms & set(DENIALS)
