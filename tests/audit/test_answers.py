"""What is wrong with answers."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.audit.answer_lines import AnswerLine
from medix.audit.answers import KINDS, AnswerCheck, AnswerFindings
from medix.grammar import Fault
from medix.modality import ModalitySet

CHECK = AnswerCheck(ModalitySet())
GOOD = "<X_RAY><think>A bright line.</think><answer>fracture</answer>"
LINE = AnswerLine(1, "a", GOOD, "What is seen?", ("fracture",), "X_RAY")


def kinds(completion: str | None, **fields: object) -> list[str]:
    return [one.kind for one in CHECK.findings(replace(LINE, completion=completion, **fields))]


def test_an_answer_in_order_has_no_finding() -> None:
    assert kinds(GOOD) == []
    assert kinds(GOOD.removeprefix("<X_RAY><think>"), modality=None, has_images=False) == []  # the template opened it
    assert kinds("fracture", is_structured=False, modality=None) == []


@pytest.mark.parametrize(
    ("completion", "fields", "expected"),
    [
        (None, {}, ["no_completion"]),
        (GOOD, {"is_truncated": True}, ["truncated"]),
        (GOOD.removeprefix("<X_RAY>"), {}, ["no_tag"]),
        (GOOD.replace("X_RAY", "MRI_SCAN"), {}, ["wrong_tag"]),
        (GOOD, {"modality": "XRAY"}, ["unknown_modality"]),
        ("fracture", {"modality": "XRAY", "is_structured": False}, ["unknown_modality"]),
        (GOOD.replace("bright", "hyperdense"), {}, ["foreign_terms"]),
        (GOOD.replace("bright", "hyperdense"), {"modality": None}, ["foreign_terms"]),  # against its own tag
        (GOOD.replace("fracture", "a line of width 3"), {}, ["no_unit"]),
        (GOOD.replace("fracture", " "), {}, ["empty_answer"]),
        (GOOD + GOOD, {}, ["several_reasonings", "several_answers", "text_outside"]),
        ("<CT_SCAN> hyperechoic", {"is_structured": False, "modality": "CT_SCAN"}, ["foreign_terms"]),
    ],
)
def test_each_kind_is_found(completion: str | None, fields: dict[str, object], expected: list[str]) -> None:
    assert kinds(completion, **fields) == expected


def test_terms_of_question_and_reference_do_not_count() -> None:
    text = GOOD.replace("bright", "hyperdense")
    assert kinds(text, references=("a hyperdense line",)) == kinds(text, question="Hyperdense?") == []


def test_ignored_kinds_are_left_out_and_unknown_ones_refused() -> None:
    assert list(AnswerCheck(ModalitySet(), ["structure"]).findings(replace(LINE, completion=GOOD + GOOD))) == []
    assert list(AnswerCheck(ModalitySet(), ["truncated"]).findings(replace(LINE, is_truncated=True))) == []
    with pytest.raises(ValueError, match="--ignore colour: is no kind; kinds: structure, no_completion"):
        AnswerCheck(ModalitySet(), ["colour"])


def test_every_fault_of_the_grammar_is_a_kind() -> None:
    assert set(Fault) <= set(KINDS)


def test_answers_are_counted_once_and_findings_by_kind() -> None:
    """Three answers, of which one has two findings and one has one."""
    bad = GOOD.replace("X_RAY", "MRI_SCAN")
    lines = [LINE, replace(LINE, completion=bad, is_truncated=True), replace(LINE, number=3, completion=bad)]
    found = AnswerFindings.of(CHECK, lines)
    assert (found.answers, found.faulty) == (3, 2)
    assert list(found.table().rows) == [["truncated", "1", "33.3 %"], ["wrong_tag", "2", "66.7 %"]]
    assert found.without_words == 0
    data = found.to_dict()
    assert data["counts"] == {"truncated": 1, "wrong_tag": 2}
    assert data["findings"][2] == {
        "line": 3, "id": "a", "kind": "wrong_tag", "detail": "MRI_SCAN, and the image is X_RAY",
    }  # fmt: skip


def test_answers_without_listed_words_are_counted() -> None:
    """OTHER has no words, and without a tag an image of unknown modality cannot be checked; text only can."""
    lines = [
        replace(LINE, modality="OTHER", completion=GOOD.replace("X_RAY", "OTHER")),
        replace(LINE, modality=None, completion="fracture", is_structured=False),
        replace(LINE, modality=None, completion=GOOD),
        replace(LINE, modality=None, has_images=False, completion=GOOD.removeprefix("<X_RAY>")),
    ]
    assert AnswerFindings.of(CHECK, lines).without_words == 2


@given(st.text(max_size=80), st.booleans())
def test_it_never_raises(text: str, is_structured: bool) -> None:
    assert all(kind in KINDS for kind in kinds(text, is_structured=is_structured))
