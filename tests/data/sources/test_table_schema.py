"""Schemas that contradict themselves."""

import re
from pathlib import Path
from typing import Any

import pytest

from medix.data.sources.table_schema import Columns, TableData, read_table_data, table_data
from medix.spec.spec_reading import SPECS


def test_every_column_is_named_by_its_key() -> None:
    columns = Columns(question="q", answer=["a", "b"], images=["i"], subgroup={"Sex": "s"})
    assert list(columns.named()) == [
        ("columns.question", "q"), ("columns.answer", "a"), ("columns.answer", "b"), ("columns.images", "i"),
        ("columns.subgroup.Sex", "s"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"columns": Columns(question="q")}, "names no answer"),
        ({"columns": Columns(answer="a", choices="c"), "fixed_choices": ["yes"]}, "both name the choices"),
        (
            {"columns": Columns(answer="a"), "fixed_choices": ["B. no", "A. yes"]},
            r"data.fixed_choices: \['B. no', 'A. yes'\]: the choices begin with labels that are",
        ),
        (
            {"columns": Columns(answer="a"), "fixed_choices": ["x"] * 27},
            r"data.fixed_choices: .*: there are 27 choices, and 26 letters for them",
        ),
        ({"columns": Columns(answer="a", modality="m"), "modality": "CT_SCAN"}, "both name the modality"),
        (
            {"columns": Columns(answer_letter="a"), "answers": "texts"},
            "data.columns.answer names no",
        ),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(arguments: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TableData(**arguments)


@pytest.mark.parametrize("name", ["modality", "Question type", " source", "reference in training", " "])
def test_a_subgroup_may_not_be_called_what_tables_are_called_anyway(name: str) -> None:
    """It would replace that table, or be replaced by it."""
    with pytest.raises(ValueError, match="tables by modality, question_type, source"):
        Columns(answer="a", subgroup={name: "c"})


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("filter", {"c": True}, "'filter.c': True is not allowed; give a text, a whole number, or a list of texts"),
        ("filter", {"c": None}, "'filter.c': None is not allowed"),
        ("modality_tags", {"CT": 1}, "'modality_tags.CT': 1 is not allowed; give a tag"),
        ("bands", {"age": 18}, "'bands.age': 18 is not allowed; give a list of numbers"),
        ("columns", {"answer": "a", "subgroup": ["sex"]}, "'columns.subgroup': ['sex'] is no mapping; write subgroup"),
    ],
)
def test_a_value_of_another_kind_is_told_with_what_is_allowed(key: str, value: Any, told: str) -> None:
    with pytest.raises(ValueError, match=re.escape(told)):
        table_data({"columns": {"answer": "a"}, key: value})


def test_a_task_is_named_by_its_name_or_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = read_table_data(Path("mmmu_medical"))
    assert named == read_table_data(SPECS / "tasks" / "mmmu_medical.yaml")
    monkeypatch.chdir(tmp_path)
    Path("mmmu_medical").write_text("columns: {answer: a}\n")
    assert read_table_data(Path("mmmu_medical")).columns.answer == "a" != named.columns.answer
    with pytest.raises(ValueError, match="--columns mmmu: cannot be opened"):
        read_table_data(Path("mmmu"))
