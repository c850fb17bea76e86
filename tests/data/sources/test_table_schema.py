"""Schemas that contradict themselves."""

from typing import Any

import pytest

from medix.data.sources.table_schema import Columns, TableData


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
        ({"columns": Columns(answer="a", modality="m"), "modality": "CT_SCAN"}, "both name the modality"),
    ],
)
def test_a_schema_that_contradicts_itself_is_refused(arguments: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        TableData(**arguments)
