import pytest

from medix.data.sources.modality_names import MODALITY_TAGS, NAMES, tag_of
from medix.modality import PAPER_MODALITIES, ModalitySet


@pytest.mark.parametrize(
    ("value", "tag"),
    [("CT", "CT_SCAN"), (" ct ", "CT_SCAN"), ("CT scan", "CT_SCAN"), ("x-RAY", "X_RAY"), ("<mri_scan>", "MRI_SCAN"),
     ("Computed Tomography", "CT_SCAN"), ("Magnetic Resonance Imaging", "MRI_SCAN"), ("sonography", "ULTRASOUND"),
     ("chest", None), ("", None)],
)  # fmt: skip
def test_modalities_are_read_in_any_case_and_spelling_of_their_tags(value: str, tag: str | None) -> None:
    assert tag_of(value, MODALITY_TAGS, ModalitySet()) == tag


def test_tags_are_those_of_the_modality_set() -> None:
    assert tag_of("ECG strip", {}, ModalitySet(["ECG_STRIP"])) == "ECG_STRIP"
    assert tag_of("CT_SCAN", {}, ModalitySet(["ECG_STRIP"])) is None


def test_every_tag_of_the_paper_but_other_has_names_and_no_name_two_tags() -> None:
    assert NAMES.keys() == set(PAPER_MODALITIES) - {"OTHER"}
    assert len({name.casefold() for name in MODALITY_TAGS}) == len(MODALITY_TAGS)
