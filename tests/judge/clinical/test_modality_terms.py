"""The words of imaging that only some modalities have."""

import re
from collections import Counter

import pytest

from medix.judge.clinical.modality_terms import (
    DENIALS,
    DENIALS_AFTER,
    ELSEWHERE,
    ENTRIES,
    FOLLOWERS,
    NAMES,
    POINTERS,
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
    for cue in (*ELSEWHERE, *DENIALS, *DENIALS_AFTER, *POINTERS, *FOLLOWERS):
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


@pytest.mark.parametrize(
    ("text", "modality", "term"),
    [
        ("What does this chest X-ray show?", "MRI_SCAN", "this x ray"),
        ("In this contrast-enhanced CT, where is the lesion?", "X_RAY", "this ct"),
        ("Which organ is shown on this computed tomography scan?", "X_RAY", "this computed tomography"),
        ("What is seen in this brain MRI?", "CT_SCAN", "this mri"),
        ("What is seen in this T2-weighted axial MR?", "CT_SCAN", "this mr"),
        ("On this PA radiograph, is the heart enlarged?", "CT_SCAN", "this radiograph"),
        ("This T2-weighted image shows a mass.", "CT_SCAN", "t2 weighted"),
        ("This lung window shows a mass.", "X_RAY", "lung window"),
        ("This is a brain. An MRI follows this chest pain.", "CT_SCAN", None),
        ("This chest has no fracture on X-ray.", "CT_SCAN", None),
        ("Is this axial?", "X_RAY", None),
        ("Where is the mass in this left knee and hip MRI?", "X_RAY", "this mri"),
        ("This 3D whole-body CT shows metastases.", "MRI_SCAN", "this ct"),
        ("Is this paediatric skull radiograph normal?", "CT_SCAN", "this radiograph"),
        ("What joins this and MRI?", "X_RAY", None),
        ("This is a chest X-ray.", "CT_SCAN", "this x ray"),
        ("This is a chest X-ray, PA view.", "CT_SCAN", "this x ray"),
        ("This is an axial CT scan of the abdomen.", "X_RAY", "this ct"),
        ("The image shows a T2-weighted sagittal MRI with a lesion.", "CT_SCAN", "this mri"),
        ("The image is an ultrasound.", "X_RAY", "this ultrasound"),
        ("The image provided is a CT.", "X_RAY", "this ct"),
        ("The image you provided appears to be a chest CT scan of an adult.", "X_RAY", "this ct"),
        ("The attached medical image is from an axial CT.", "X_RAY", "this ct"),
        ("This scan is an MRI.", "X_RAY", "this mri"),
        ("The image provided is a CT-guided biopsy.", "MICROSCOPY", None),
        ("The image provided is not a CT.", "X_RAY", None),
        ("The image above shows a CT scanner.", "CLINICAL_PHOTOGRAPHY", None),
        ("This is a CT-guided biopsy.", "MICROSCOPY", None),
        ("This is an X-ray tube. The image shows an MRI machine.", "CLINICAL_PHOTOGRAPHY", None),
        ("This is a CT contrast agent.", "X_RAY", None),
        ("This is not a CT.", "X_RAY", None),
        ("It is doubtful whether this is a CT.", "X_RAY", None),
        ("This is a CT or an MRI.", "X_RAY", None),
        ("The image is a copy of a CT.", "X_RAY", None),
        ("Is this a chest X-ray?", "CT_SCAN", None),
    ],
)
def test_a_body_part_or_a_plane_may_stand_before_the_name_of_the_picture(
    text: str, modality: str, term: str | None
) -> None:
    found = list(TERMS.foreign(text, modality))
    assert (term in found) if term else not found
    if term:
        assert list(TERMS.foreign(text, modality, [text])) == []
