"""What the cells of one row become."""

from base64 import b64encode
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from medix.data.sources.source import RowError
from medix.data.sources.stored_image import unread_image
from medix.data.sources.table_file import TextRow
from medix.data.sources.table_images import ImageFiles
from medix.data.sources.table_sample import TableSample, told_counts
from medix.data.sources.table_schema import Columns, TableData
from medix.modality import ModalitySet
from medix.types import Sample
from tests.data.conftest import picture

COLUMNS = Columns("q", "a", id="i", context="c", choices="o", images=["x", "y"], modality="m")


def made(cells: dict[str, Any], columns: Columns = COLUMNS, **arguments: Any) -> Sample:
    data = TableData(columns)
    sample = TableSample(data, ModalitySet(), **arguments)
    return sample.of("row 1", cells, ImageFiles(data, Path("."), ExitStack()), Counter())


def test_context_question_and_choices_stand_below_each_other() -> None:
    found = made({"i": 1, "q": "Which?", "c": ["one", "two"], "o": ["x", "y"], "a": "B"})
    assert found.question == "one\n\ntwo\n\nWhich?\n\nChoices:\nA. x\nB. y"
    assert (found.id, found.reference, found.modality) == ("1", "y", None)


def test_markers_count_the_images_that_are_there() -> None:
    """Data sets number images by their columns: without the first, the second is image 1."""
    cells = {"i": "1", "q": "See <image 2>.", "a": "b", "y": picture(1), "m": "CT_SCAN"}
    assert made(cells).question == "See <image 1>."
    with pytest.raises(RowError, match=r"q: .*names image 3, which does not exist"):
        made(cells | {"q": "See <image 3>."})


def test_an_image_that_is_not_stored_is_not_decoded() -> None:
    cells = {"i": "1", "q": "q", "a": "<X_RAY> b", "x": b"\xff\xd8\xff cut"}
    assert made(cells, keep=unread_image).images == (cells["x"],)
    with pytest.raises(RowError, match="x: 'x'; an image of 7 bytes cannot be decoded"):
        made(cells)


def test_an_answer_that_is_not_the_choice_that_a_number_names_is_a_fault() -> None:
    """Files of benchmarks have such rows, and a build would accept any text as an answer."""
    columns = Columns("q", ["a", "s"], choices="o", answer_index="n")
    cells = {"q": "Which?", "o": ["x", "y"], "n": 1, "a": "y.", "s": "z"}
    assert (made(cells, columns).reference, made(cells, columns).aliases) == ("y", ("y.", "z"))
    with pytest.raises(RowError, match="a: 'z'; it is neither the letter nor the text of 'y', which the row says is r"):
        made(cells | {"a": "z"}, columns)


def test_a_question_that_lists_its_choices_in_another_order_is_a_fault() -> None:
    """The answer B would be two choices."""
    cells = {"i": 1, "o": ["left", "right", "both"], "a": "B"}
    asked = "Which side? (A) left (B) right (C) both"
    assert made(cells | {"q": asked}).question == asked
    for listed in (
        "(A) right (B) left (C) both",
        "A. Right.\nB. Left.\nC. Both.",
        "**1.** right\n**2.** left\n**3.** both",
        "\uff08A\uff09right\uff08B\uff09left\uff08C\uff09both",
        "A='right' B='left' C='both'",
        "It is seen in A. right B. left C. both",
        "A. middle\nB. left\nC. right\nD. both",
        "(A) right (B) left",
        "Is it A, B or both?\nA. both\nB. left\nC. right",
    ):
        with pytest.raises(RowError, match=r"lists the choices in another order than their column \(left, right, both"):
            made(cells | {"q": f"Which side?\n{listed}"})
    own = "There were (a) both, (b) right, (c) left. Which side?\nA. left\nB. right\nC. both"
    assert made(cells | {"q": own}).question == own  # its own list stands in order, below another one
    fewer = made(cells | {"q": "Which side? (A) left (B) right"})
    assert fewer.question.endswith("Choices:\nA. left\nB. right\nC. both")


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"i": " "}, "i: ' '; give every row a unique id"),
        ({"m": "CT_SCAN", "x": None}, "m: 'CT_SCAN'; a modality without an image"),
        ({"m": "CT_SCAN", "a": "<X_RAY> b"}, "a: '<X_RAY>'; the modality of the row is CT_SCAN; correct one of them"),
        ({"a": float("nan")}, "a: None; give the reference"),
        ({"a": ["<X_RAY> b", "<X_RAY> c"]}, "a: '<X_RAY> c'; <X_RAY> would be a part of the reference"),
        ({"q": None}, "q: ''; give the question"),
        ({"q": True}, "q: True; a bool is no text"),
    ],
)
def test_a_row_that_lacks_or_contradicts_something(cells: dict[str, Any], told: str) -> None:
    with pytest.raises(RowError) as caught:
        made({"i": "1", "q": "q", "a": "b", "x": picture(1)} | cells)
    assert str(caught.value).startswith(told)


def test_a_row_whose_image_stands_in_another_column_is_no_text_only_sample() -> None:
    cells = {"i": "1", "q": "q", "a": "b", "x": None, "scan": "ct/1.png"}
    assert made(cells).images == made(cells | {"scan": "a text"}, is_guessed=True).images == ()
    with pytest.raises(RowError, match=r"scan: 'ct/1.png'; images are read from x and y; call the column image in all"):
        made(cells, is_guessed=True)
    assert len(made(cells | {"x": picture(1), "m": "CT_SCAN"}, is_guessed=True).images) == 1


def test_rows_without_an_image_are_told_where_others_have_one() -> None:
    counts: Counter[str] = Counter()
    data = TableData(Columns("q", "a", images=["x"]))
    for image in (None, picture(1), None):
        files = ImageFiles(data, Path("."), ExitStack())
        TableSample(data, ModalitySet()).of("row", {"q": "q", "a": "a", "x": image}, files, counts)
    assert told_counts(counts) == ["rows without an image, which became text-only samples: 2"]
    assert told_counts(Counter()) == []


IMAGE = {"i": "1", "q": "q", "a": "<CT_SCAN> b", "x": picture(1)}


def test_a_modality_that_is_no_tag_is_a_fault_also_where_the_answer_has_one() -> None:
    data = TableData(COLUMNS, modality_tags={"CT": "CT_SCAN"})
    files = ImageFiles(data, Path("."), ExitStack())
    of = TableSample(data, ModalitySet()).of
    with pytest.raises(RowError, match="m: 'sonography'; it is no tag"):
        of("row 1", IMAGE | {"m": "sonography"}, files, Counter())
    assert of("row 1", IMAGE | {"m": " ct "}, files, Counter()).modality == "CT_SCAN"
    assert of("row 1", {"i": "1", "q": "q", "a": "b", "m": "none"}, files, Counter()).modality is None


def test_a_column_of_the_modality_has_the_tags_of_the_set() -> None:
    data = TableData(COLUMNS)
    made = TableSample(data, ModalitySet(["ECG_STRIP"]))
    cells = IMAGE | {"a": "b", "m": "ECG_STRIP"}
    assert made.of("row 1", cells, ImageFiles(data, Path("."), ExitStack()), Counter()).modality == "ECG_STRIP"


@pytest.mark.parametrize("answer", ["C", "z"])
def test_an_answer_that_is_none_of_the_choices_is_a_fault(answer: str) -> None:
    with pytest.raises(RowError, match=f"a: '{answer}'; it is none of the choices \\(x, y\\)"):
        made({"i": "1", "q": "q", "o": ["x", "y"], "a": answer})


def test_cases_have_no_blanks_around_them_and_patients_are_metadata_too() -> None:
    """A patient with a blank in one of two rows would be in two parts; --by patient reads the metadata."""
    columns = Columns("q", "a", case="patient")
    found = made({"q": "q", "a": "b", "patient": " P1\u00a0"}, columns, keeps_columns=True)
    assert (found.case, found.metadata["patient"].strip()) == ("P1", "P1")
    assert made({"q": "q", "a": "b", "patient": " \u200b"}, columns).case == ""
    assert made({"q": "q", "a": "b", "patient": "P\u200b1\ufeff"}, columns).case == "P1"


def test_words_for_nothing_in_csv_are_not_asked_and_are_no_modality() -> None:
    columns, asked = Columns("q", "a", context="c", images=["x"], modality="m"), "What is shown?"
    row = TextRow(q="NA", c="nan", a="<X_RAY> b", x="data:image/png;base64," + b64encode(picture(1)).decode(), m="NA")
    found = made(row, columns, question=asked)
    assert (found.question, found.modality) == (asked, "X_RAY")
    with pytest.raises(RowError, match="give the question"):
        made(row, columns)
    with pytest.raises(RowError, match="m: 'none'; it is no tag"):
        made(TextRow(row | {"m": "none", "a": "b"}), columns, question=asked)


def test_a_patient_of_csv_is_the_same_in_a_column_with_a_gap_and_in_one_without() -> None:
    """pandas writes whole numbers as 11.0 where one of them is missing; other columns stay as they are."""
    columns = Columns("q", "a", id="i", case="case")
    row = TextRow(q="q", a="2.0", i="7.0", case="11.0", patient_id="12.0", dose="5.0")
    found = made(row, columns, keeps_columns=True)
    assert (found.id, found.case, found.reference) == ("7", "11", "2.0")
    assert found.metadata == {"patient_id": "12", "dose": "5.0"}
    stated = Columns("q", "a", subgroup={"patient": "patient_id", "dose": "dose"})
    assert made(row, stated).metadata == {"patient": "12", "dose": "5.0"}


def test_columns_that_are_stored_though_nothing_names_them_are_told() -> None:
    """Not those that are empty, nor those of a schema; and columns of lists are told to be lost."""
    cells = {"q": "q", "a": "a", "patient_name": "Jane Doe", "mrn": 12, "list": [1], "none": None}
    data, counts = TableData(Columns("q", "a")), Counter[str]()
    stored = "columns stored as metadata: mrn, patient_name; to store only columns that you name, give --columns FILE"
    lost = "columns not stored, or not of every row, because cells are neither text nor numbers: list"
    for keeps, told in ((False, []), (True, [stored, lost])):
        files = ImageFiles(data, Path("."), ExitStack())
        TableSample(data, ModalitySet(), keeps_columns=keeps).of("row", cells, files, counts)
        assert told_counts(counts) == told


def test_choices_that_stand_in_the_question_are_not_written_below_it_again() -> None:
    cells = {"i": "1", "o": ["left", "right"], "a": "B"}
    for question in ("Which?\nA. left\nB. Right", "Which? (A) left (B) right"):
        found = made(cells | {"q": question})
        assert (found.question, found.reference) == (question, "right")


def test_a_row_whose_answer_is_nothing_but_a_tag_is_refused() -> None:
    row = TextRow(q="q", a="<CT_SCAN>\nnan", x="data:image/png;base64," + b64encode(picture(1)).decode())
    with pytest.raises(RowError, match="it stands for nothing in CSV; give the reference"):
        made(row, Columns("q", "a", images=["x"]))


def test_a_reference_names_images_as_the_question_does() -> None:
    """Without the first image, the second is image 1 in the choices, and so it is in the answer."""
    cells = {"i": "1", "q": "Which?", "o": ["<image 2>", "none"], "a": "A", "y": picture(1), "m": "CT_SCAN"}
    found = made(cells)
    assert found.question.endswith("A. <image 1>\nB. none")
    assert found.reference == "<image 1>"


def test_an_age_of_minus_1_is_no_metadata_and_is_told() -> None:
    data = TableData(Columns("q", "a", subgroup={"age": "y"}), bands={"age": [18, 65]})
    counts, files = Counter[str](), ImageFiles(data, Path(), ExitStack())
    ages = [-1, 17, "-1.0", None]
    found = [
        TableSample(data, ModalitySet()).of("row", {"q": "Which?", "a": "left", "y": age}, files, counts)
        for age in ages
    ]
    assert [one.metadata for one in found] == [{}, {"age": "<18"}, {}, {}]
    assert told_counts(counts) == ["rows whose age is below 0, which counts as not given: 2"]


def test_a_column_without_a_name_is_no_metadata() -> None:
    cells = {"q": "q", "a": "a", "": 0, " ": 1, "b": 2}
    assert made(cells, Columns("q", "a"), keeps_columns=True).metadata == {"b": "2"}


def test_a_list_of_images_that_is_not_read_is_shown_with_its_column() -> None:
    columns = Columns("q", "a", images=["x"])
    for value, told in (
        ("[a.png, b.png]", "x: '[a.png, b.png]'; is neither JSON nor a list"),
        (3, "x: 3; give a file"),
    ):
        with pytest.raises(RowError) as caught:
            made({"q": "q", "a": "a", "x": value}, columns)
        assert str(caught.value).startswith(told)
        assert str(caught.value).count("b.png") <= 1
