"""Whether a column of answers holds texts of choices or letters is known from its other rows."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import datasets
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medix.data.row_pool import outcomes
from medix.data.sources.answer_kind import with_answer_kind
from medix.data.sources.csv_file import CsvSource
from medix.data.sources.hub import HubSource
from medix.data.sources.jsonl import JsonlSource
from medix.data.sources.parquet import ParquetSource
from medix.data.sources.source import RowError
from medix.data.sources.table import Table
from medix.data.sources.table_file import TableError
from medix.data.sources.table_schema import Columns, TableData
from medix.data.sources.table_source import Reading, TableSource
from medix.data.sources.webdataset import WebDatasetSource
from medix.modality import ModalitySet
from tests.support.sources import faults, results, samples
from tests.support.tables import jsonl, parquet
from tests.support.tars import tar

SCHEMA = TableData(Columns("question", "answer", choices="choices"))
UNCLEAR = {"question": "Which region?", "choices": ["C", "B", "A", "E"], "answer": "A"}
COUNTED = {"question": "How many?", "choices": ["3", "20", "23", "46"], "answer": 3}
LETTER = {"question": "Which organ?", "choices": ["liver", "skin"], "answer": "B"}
TEXT = LETTER | {"question": "Which one?", "answer": "skin"}
OPEN = {"question": "What is it?", "choices": [], "answer": "A thing"}
AGREES = {"question": "Which group?", "choices": ["A", "B"], "answer": "A"}
NUMBER = LETTER | {"question": "Which one is it?", "answer": 1}


def kind(*rows: Mapping[str, Any] | RowError, data: TableData = SCHEMA) -> str:
    return with_answer_kind(data, lambda _: rows, ModalitySet()).answers


def test_rows_of_which_the_answer_can_be_read_in_one_way_only_say_how_it_is_read() -> None:
    says_nothing = [UNCLEAR, COUNTED, OPEN, AGREES, RowError("row", "", ""), {"choices": 3, "answer": "B"}]
    assert kind(*says_nothing, LETTER) == "letters"
    assert kind(TEXT, *says_nothing) == "texts"
    for rows in ([], [NUMBER], [LETTER, TEXT], [TEXT, NUMBER], [LETTER, NUMBER]):
        assert kind(*says_nothing, *rows) == ""


def test_an_answer_is_read_without_its_tag_and_rows_that_a_filter_leaves_out_say_nothing() -> None:
    tagged = LETTER | {"answer": "<CT_SCAN> B", "image": "a.png", "split": "test"}
    columns = Columns("question", "answer", choices="choices", images=["image"])
    assert kind(tagged, data=TableData(columns)) == "letters"
    assert kind(tagged, data=TableData(columns, filter={"split": "train"})) == ""


def test_rows_are_read_only_where_they_could_say_it() -> None:
    def unread(columns: list[str]) -> Iterator[Mapping[str, Any]]:
        raise AssertionError(columns)

    for data in (
        TableData(Columns(answer="a")),
        TableData(Columns(answer_letter="a", choices="c")),
        TableData(Columns(answer="a", choices="c"), answers="texts"),
    ):
        assert with_answer_kind(data, unread, ModalitySet()) is data


def _csv(path: Path, rows: list[dict[str, Any]]) -> Path:
    cells = [[row["question"], str(row["choices"]), str(row["answer"])] for row in rows]
    lines = [",".join(json.dumps(one) for one in row) for row in cells]
    path.write_text("question,choices,answer\n" + "\n".join(lines) + "\n")
    return path


def _source(kind: str, folder: Path, rows: list[dict[str, Any]]) -> TableSource | WebDatasetSource:
    folder.mkdir()
    if kind == "jsonl":
        return JsonlSource(jsonl(folder / "t.jsonl", rows))
    if kind == "csv":
        return CsvSource(_csv(folder / "t.csv", rows))
    if kind == "webdataset":
        members = {f"{number}": {"json": row} for number, row in enumerate(rows)}
        return WebDatasetSource(str(tar(folder / "t.tar", members)), Reading())
    rows = [row | {"answer": str(row["answer"])} for row in rows]
    written = parquet(folder / "train.parquet", rows)
    if kind == "parquet":
        return ParquetSource(written)
    return HubSource(str(folder), Reading(), "train")


KINDS = ["jsonl", "csv", "parquet", "hub", "webdataset"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_unclear_row_is_read_as_the_others_of_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    for number, (clear, references) in enumerate([(LETTER, ["C", "skin"]), (TEXT, ["A", "skin"])]):
        source = _source(kind, tmp_path / f"set-{number}", [UNCLEAR, clear])
        assert [one.reference for one in samples(source)] == references
        counts = sum((found.counts for found in outcomes(source, enumerate(source.rows()), 1)), Counter[str]())
        assert any(note.endswith("as the column's other answers are: 1") for note in source.notes(counts))


@pytest.mark.parametrize("kind", KINDS)
def test_an_unclear_row_is_a_fault_where_the_others_do_not_say_how_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    source = _source(kind, tmp_path / "set", [UNCLEAR, LETTER, TEXT, COUNTED])
    first, second = faults(source)
    assert "answer: 'A'; it is the text of the choice 'A' and the letter of 'C'; state what the column holds" in first
    assert "answer: '3'; it is the text of the choice '3' and the number of '23' or '46'; state what" in second


LABELLED = {"question": "Which blood group?", "choices": ["AB", "O", "B", "A"], "answer": "D. A"}


@pytest.mark.parametrize("other", [LETTER, TEXT, LETTER | {"answer": "B. skin"}, LETTER | {"answer": "(A) liver"}])
@pytest.mark.parametrize("kind", KINDS)
def test_a_label_with_the_text_of_its_choice_has_one_meaning_whatever_the_other_answers_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, other: dict[str, Any]
) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [
        other,
        LABELLED,
        {"question": "Which region?", "choices": ["E", "A", "C", "B"], "answer": "B. A"},
        {"question": "How many?", "choices": ["1", "3", "4", "5"], "answer": "B. 3"},
    ]
    source = _source(kind, tmp_path / "set", rows)
    assert [one.reference for one in samples(source)][1:] == ["A", "A", "3"]
    path = jsonl(tmp_path / "t.jsonl", rows)
    assert [one.answer_index for one in Table(SCHEMA, "t", path.parent)][1:] == [3, 1, 1]


def test_a_letter_and_a_text_of_two_choices_are_told_as_the_cell_has_them(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "t.jsonl", [LETTER, LABELLED | {"answer": "B. AB"}])
    told = "answer: 'B. AB'; it is the text of the choice 'AB' and the letter of 'O'; correct the letter or the text"
    assert told in faults(JsonlSource(path))[0]
    with pytest.raises(TableError, match=f"row 2: columns.{told}"):
        list(Table(SCHEMA, "t", tmp_path))


TEXTS = [*"ABCDEx", *"12345", "AB", "5.0", "liver", "left lung", "None", "vitamin D"]
FORMS = [
    "{letter}. {text}",
    "({letter}) {text}",
    "Option {letter}: {text}",
    "{letter}",
    "({letter})",
    "{text}",
    "{number}",
]


@st.composite
def columns(draw: st.DrawFn) -> list[tuple[dict[str, Any], int, str]]:
    """Rows with the place of what their answers mean, and how they are written."""
    forms, found = draw(st.lists(st.sampled_from(FORMS), min_size=1, max_size=4, unique=True)), []
    for number in range(draw(st.integers(1, 6))):
        choices = draw(st.lists(st.sampled_from(TEXTS), min_size=2, max_size=5, unique=True))
        place, form = draw(st.integers(0, len(choices) - 1)), draw(st.sampled_from(forms))
        answer = form.format(letter="ABCDE"[place], text=choices[place], number=place)
        found.append(({"question": f"Question {number}?", "choices": choices, "answer": answer}, place, form))
    return found


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(columns())
def test_an_answer_of_one_meaning_is_never_read_as_another_choice(
    tmp_path: Path, column: list[tuple[dict[str, Any], int, str]]
) -> None:
    """A text, a letter or a number may have another meaning; a label with a text has not."""
    path = jsonl(tmp_path / "t.jsonl", [row for row, _, _ in column])
    read = [None if isinstance(one, RowError) else one.reference for _, one in results(JsonlSource(path))]
    for (row, place, form), reference in zip(column, read, strict=True):
        said, right = row["answer"].strip("()"), row["choices"][place]
        is_text_of_other = said in row["choices"] and said != right
        is_letter_of_other = said in "ABCDE"[: len(row["choices"])] and said != "ABCDE"[place]
        if "{letter}" in form and "{text}" in form:
            assert reference == right
        elif form == "{number}" or is_text_of_other or is_letter_of_other:
            assert reference in (None, *row["choices"])
        else:
            is_number = form == "{text}" and right.removesuffix(".0").isdigit()  # of a choice, too
            assert reference in ((right, None) if is_number else (right,))
    try:
        rows = list(Table(SCHEMA, "t", path.parent))
    except TableError:
        assert None in read
        return
    assert [row.answers[0] if row.answer_index is not None else None for row in rows] == read


def test_rows_whose_answer_is_none_of_the_choices_are_counted_in_tasks_and_faults_of_builds(tmp_path: Path) -> None:
    path, table = jsonl(tmp_path / "t.jsonl", [LETTER, TEXT | {"answer": "bone"}]), Table(SCHEMA, "t", tmp_path)
    assert [one.answer_index for one in table] == [1, None]
    assert table.notes == ("rows whose answer is none of their choices, so that no letter is right: 1",)
    assert "answer: 'bone'; it is none of the choices (liver, skin); correct" in faults(JsonlSource(path))[0]


@pytest.mark.parametrize("answers", ["texts", "letters"])
def test_builds_and_tasks_read_a_column_as_the_schema_states(tmp_path: Path, answers: Any) -> None:
    expected = {"texts": "A", "letters": "C"}[answers]
    data = TableData(SCHEMA.columns, answers=answers)
    path = jsonl(tmp_path / "t.jsonl", [UNCLEAR])
    assert [one.reference for one in samples(JsonlSource(path, Reading(data)))] == [expected]
    assert [one.answers for one in Table(data, "t", tmp_path)] == [(expected,)]


@pytest.mark.parametrize(("clear", "expected"), [(LETTER, "C"), (TEXT, "A"), (AGREES, "")])
def test_tasks_read_an_unclear_row_as_builds_do(tmp_path: Path, clear: dict[str, Any], expected: str) -> None:
    path, table = jsonl(tmp_path / "t.jsonl", [UNCLEAR, clear]), Table(SCHEMA, "t", tmp_path)
    if expected:
        assert samples(JsonlSource(path))[0].reference == expected
        assert next(iter(table)).answers == (expected,)
        assert len(list(table)) == 2
        assert table.notes[0].endswith("as the column's other answers are: 1")
        return
    told = "'A'; it is the text of the choice 'A' and the letter of 'C'; state what the column holds"
    assert told in faults(JsonlSource(path))[0]
    with pytest.raises(TableError, match=told):
        list(table)


@pytest.mark.parametrize("answer", [0, 1, "0", "1"])
def test_numbers_of_choices_are_never_their_texts(tmp_path: Path, answer: Any) -> None:
    """MMLU as JSON lines, and what says that the column counts them."""
    rows = [COUNTED, {**LETTER, "answer": answer}]
    path = jsonl(tmp_path / "t.jsonl", rows)
    unclear, none = faults(JsonlSource(path))
    assert "state what the column holds, in --columns or the data of a task: columns: {answer_index: NA" in unclear
    assert none.endswith("or state in --columns that the column counts them from 0 (columns: {answer_index: NAME})")
    columns = Columns("question", answer_index="answer", choices="choices")
    counted, _ = samples(JsonlSource(path, Reading(TableData(columns))))
    assert counted.reference == "46"
    with pytest.raises(
        TableError, match=r"row 1: columns\.answer: '3'; it is the text of the choice '3' and the number"
    ):
        list(Table(SCHEMA, "t", tmp_path))
