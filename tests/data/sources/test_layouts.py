import pytest

from medix.data.sources.layouts import MODALITY_TAGS, recognised, tag_of, told
from medix.modality import ModalitySet


@pytest.mark.parametrize(
    ("names", "name", "meaning"),
    [
        ("id image source problem solution", "MBZUAI/medix-rl-data",
         "question: problem, answer: solution, id: id, images: image, source: source"),
        ("images problem answer", "EasyR1", "question: problem, answer: answer, images: images"),
        ("image question answer", "VQA-RAD, SLAKE, PathVQA", "question: question, answer: answer, images: image"),
        ("question answer choices subject", "MMLU, pmc_vqa",
         "question: question, answer: answer, choices: choices; no column of images, so that all rows are text only"),
        ("image question answer options", "MedQA",
         "question: question, answer: answer, choices: options, images: image"),
        ("question answer bild", "VQA-RAD, SLAKE, PathVQA",
         "question: question, answer: answer; no column of images, so that all rows are text only"),
        ("qid img_name question answer modality q_lang", "VQA-RAD, SLAKE, PathVQA",
         "question: question, answer: answer, id: qid, images: img_name, modality: modality"),
        ("id image problem solution aliases case", "MBZUAI/medix-rl-data",
         "question: problem, answer: solution, answer: aliases, id: id, images: image, case: case"),
    ],
)  # fmt: skip
def test_columns_are_recognised_by_name(names: str, name: str, meaning: str) -> None:
    found = recognised(names.split())
    assert found is not None
    assert (found[0].name, told(found[1])) == (name, meaning)


def test_choices_of_pmc_vqa_and_names_of_modalities() -> None:
    names = ["Figure_path", "Question", "Answer", *(f"Choice {letter}" for letter in "ABCD")]
    found = recognised(names)
    assert found is not None
    assert found[1].columns.choices == names[3:]
    slake = recognised(["question", "answer", "modality"])
    assert slake is not None
    assert slake[1].modality_tags["MRI"] == "MRI_SCAN"
    assert recognised(["text", "label"]) is None


@pytest.mark.parametrize(
    ("value", "tag"),
    [("CT", "CT_SCAN"), (" ct ", "CT_SCAN"), ("CT scan", "CT_SCAN"), ("x-RAY", "X_RAY"), ("<mri_scan>", "MRI_SCAN"),
     ("sonography", None), ("", None)],
)  # fmt: skip
def test_modalities_are_read_in_any_case_and_spelling_of_their_tags(value: str, tag: str | None) -> None:
    assert tag_of(value, MODALITY_TAGS, ModalitySet()) == tag


def test_tags_are_those_of_the_modality_set() -> None:
    assert tag_of("ECG strip", {}, ModalitySet(["ECG_STRIP"])) == "ECG_STRIP"
    assert tag_of("CT_SCAN", {}, ModalitySet(["ECG_STRIP"])) is None
