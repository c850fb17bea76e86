"""Rows that contradict their modality or each other."""

from dataclasses import replace

import numpy as np
import pytest

from medix.audit.contradictions import Contradiction, contradictions, counted
from medix.audit.picture_facts import PictureFacts
from medix.audit.rows import AuditRow
from tests.audit.conftest import row

GREY = PictureFacts(64, 64, np.repeat(np.array([[0], [90]], np.uint8), 16, axis=0).repeat(32, axis=1), 0.0)
FLAT = replace(GREY, thumbnail=np.full((32, 32), 7, np.uint8))
FACTS = [GREY, replace(GREY, coloured=0.31), replace(GREY, fault="cut"), FLAT]


def found(*rows: AuditRow) -> list[tuple[Contradiction, str]]:
    return [(one.kind, one.detail) for one in contradictions(rows, FACTS)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"modality": "X_RAY", "question": "What does this CT show?"}, (Contradiction.QUESTION, "this ct")),
        ({"modality": "X_RAY", "reference": "a hyperdense rim"}, (Contradiction.ANSWER, "hyperdense")),
        ({"aliases": ("a hypoechoic mass",)}, (Contradiction.ANSWER, "hypoechoic")),
        ({"question": "What modality is this?", "reference": "MRI"}, (Contradiction.NAMED, "MRI")),
        ({"pictures": [0, 1]}, (Contradiction.COLOUR, "31% of its pixels are coloured")),
        ({"pictures": [2]}, (Contradiction.UNREADABLE, "cut")),
        ({"pictures": [3]}, (Contradiction.BLANK, "one shade of grey")),
    ],
)
def test_each_contradiction_is_named(fields: dict[str, object], expected: tuple[Contradiction, str]) -> None:
    assert found(row(0, **fields)) == [expected]
    assert found(row(0, is_against=True, **fields)) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"question": "What does this CT show?", "reference": "a hyperdense rim"},
        {"question": "Which modality is best to confirm this?", "reference": "MRI"},
        {"question": "What modality is this?", "reference": "ct."},
        {"modality": "OTHER", "reference": "hyperdense", "pictures": [1]},
        {"modality": "MICROSCOPY", "pictures": [1]},
        {"modality": None, "reference": "hyperdense"},
    ],
)
def test_what_belongs_to_the_modality_is_no_contradiction(fields: dict[str, object]) -> None:
    assert found(row(0, **fields)) == []


def test_two_answers_to_one_question_on_one_image_conflict_unless_they_mean_the_same() -> None:
    """Left and right conflict; "5 mm" and "0.5 cm" are equal, an alias is accepted, other images are another matter."""
    pair = [row(n, question=q, reference=r, pictures=[0]) for n, q, r in ((0, "Side?", "left"), (1, "side", "Right"))]
    assert found(*pair) == [(Contradiction.CONFLICT, "train: 0: left")]
    assert found(replace(pair[0], pictures=()), pair[1]) == []
    assert found(row(0, reference="5 mm"), row(1, reference="0.5 cm")) == []
    assert found(row(0, reference="left", aliases=("right",)), row(1, reference="right")) == []
    assert found(row(0, reference="left"), row(1, reference="right", dataset="other")) == []


def test_kinds_without_rows_are_counted_as_0() -> None:
    rows = [row(0, modality="X_RAY", reference="hyperdense, hypoechoic")]
    counts = counted(list(contradictions(rows, FACTS)))
    assert counts == {kind: int(kind is Contradiction.ANSWER) for kind in Contradiction}
