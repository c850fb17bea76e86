"""Which columns are read, and which files."""

import os
from pathlib import Path
from typing import Any

import pytest

from medix.data.sources.jsonl import JsonlSource
from medix.data.sources.table_file import TableError
from medix.data.sources.table_schema import Columns, TableData
from medix.data.sources.table_source import Reading
from tests.data.conftest import picture
from tests.support.sources import faults, samples
from tests.support.tables import jsonl

ROW: dict[str, Any] = {"question": "q", "answer": "a", "image": "a.png", "name": "Jane Doe", "view": "PA", "kind": "CT"}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(picture(1))
    return jsonl(tmp_path / "in" / "rows.jsonl", [ROW, ROW | {"question": "r", "kind": "MRI"}])


def test_a_schema_keeps_only_the_columns_that_it_names(rows: Path) -> None:
    columns = Columns("question", "answer", images=["image"], modality="kind", subgroup={"projection": "view"})
    data = TableData(columns, modality_tags={"CT": "CT_SCAN"}, filter={"kind": "CT"})
    (found,) = samples(JsonlSource(rows, Reading(data)))
    assert (found.modality, found.metadata) == ("CT_SCAN", {"projection": "PA"})
    recognised, _ = samples(JsonlSource(rows))
    assert recognised.metadata == {"name": "Jane Doe", "view": "PA", "kind": "CT"}
    asked, _ = samples(JsonlSource(rows, Reading(question="Which view?", answer_from="view", modality_column="kind")))
    assert (asked.question, asked.reference, asked.modality) == ("Which view?", "PA", "CT_SCAN")
    assert asked.metadata == {"question": "q", "answer": "a", "name": "Jane Doe"}


def test_one_question_of_all_rows_leaves_id_case_source_and_patient_as_they_are(rows: Path) -> None:
    jsonl(rows, [ROW | {"id": "s1", "case": "c", "patient_id": "p", "source": "ward", "modality": "CT"}])
    (found,) = samples(JsonlSource(rows))
    (asked,) = samples(JsonlSource(rows, Reading(question="Which view?", answer_from="view")))
    for one in (found, asked):
        assert (one.id, one.case, one.source, one.modality) == ("s1", "c", "ward", "CT_SCAN")
        assert one.metadata["patient_id"] == "p"


def test_images_in_a_column_of_another_name_are_a_fault_unless_a_schema_says_so(rows: Path) -> None:
    jsonl(rows, [{"question": "Which?", "answer": "lung", "scan": "a.png"}])
    for reading in (Reading(), Reading(question="Which?", answer_from="answer")):
        told = "scan: 'a.png'; no column is known as one of images, and this one holds some; call it image in all rows"
        assert told in faults(JsonlSource(rows, reading))[0]
    assert samples(JsonlSource(rows, Reading(TableData(Columns("question", "answer")))))[0].images == ()


def test_usual_names_of_modalities_are_known_with_a_schema_too(rows: Path) -> None:
    jsonl(rows, [ROW | {"question": name, "m": name} for name in ("CT", "Magnetic Resonance Imaging", "DX")])
    columns = Columns("question", "answer", images=["image"], modality="m")
    found = samples(JsonlSource(rows, Reading(TableData(columns, modality_tags={"DX": "X_RAY"}))))
    assert [one.modality for one in found] == ["CT_SCAN", "MRI_SCAN", "X_RAY"]
    assert "m: 'DX'; it is no tag" in faults(JsonlSource(rows, Reading(TableData(columns))))[0]


def test_a_column_of_modalities_may_be_named(rows: Path) -> None:
    found = samples(JsonlSource(rows, Reading(modality_column="kind")))
    assert [one.modality for one in found] == ["CT_SCAN", "MRI_SCAN"]
    assert "view: 'PA'; it is no tag" in faults(JsonlSource(rows, Reading(modality_column="view")))[0]


@pytest.mark.parametrize(
    ("reading", "told"),
    [
        (Reading(TableData(Columns("questions", "answer"))), r"no column 'questions' \(data.columns.question\)"),
        (Reading(TableData(Columns("question", "answer"), filter={"lang": "en"})), r"'lang' \(data.filter.lang\)"),
        (Reading(modality_column="tag"), r"no column 'tag' \(--modality-column\)"),
        (Reading(question="q", answer_from="finding"), r"no column 'finding' \(--answer-from\)"),
    ],
)
def test_a_column_that_is_missing_is_named_with_its_option(rows: Path, reading: Reading, told: str) -> None:
    with pytest.raises(TableError, match=told):
        samples(JsonlSource(rows, reading))


def test_a_schema_and_an_option_do_not_both_name_the_answer(rows: Path) -> None:
    data = TableData(Columns(answer="answer"))
    with pytest.raises(TableError, match="--answer-from view: --columns names the answer too"):
        samples(JsonlSource(rows, Reading(data, question="q", answer_from="view")))
    asked, _ = samples(JsonlSource(rows, Reading(data, question="Normal?")))
    assert (asked.question, asked.reference) == ("Normal?", "a")


def test_files_outside_of_the_root_are_not_read(rows: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture(2))
    os.symlink(tmp_path / "secret.png", tmp_path / "in" / "link.png")
    os.symlink(tmp_path / "in" / "a.png", tmp_path / "in" / "inner.png")
    names = ["../secret.png", str(tmp_path / "secret.png"), "link.png", "inner.png", "a.png"]
    jsonl(rows, [ROW | {"question": name, "image": name} for name in names])
    told = faults(JsonlSource(rows))
    assert len(told) == 3
    for name, one in zip(names, told, strict=False):
        assert f"image: {name!r}; the file " in one
        assert "lies outside of" in one
        assert "name a wider folder with --root" in one
    assert f"(it leads to {tmp_path / 'secret.png'})" in told[2]
    assert not faults(JsonlSource(rows, Reading(root=tmp_path)))


def test_the_fingerprint_changes_with_rows_images_and_arguments(rows: Path) -> None:
    before = JsonlSource(rows).fingerprint()
    assert JsonlSource(rows).fingerprint() == before
    assert JsonlSource(rows, Reading(modality_column="kind")).fingerprint() != before
    (rows.parent / "a.png").write_bytes(picture(1, size=(8, 8)))
    image = JsonlSource(rows).fingerprint()
    jsonl(rows, [ROW])
    assert len({before, image, JsonlSource(rows).fingerprint()}) == 3
