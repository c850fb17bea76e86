"""Completions from the files of the commands."""

import json
from pathlib import Path

import pytest

from medix.audit.answer_lines import AnswerLine, read_answers
from medix.files.text_lines import TextFileError
from medix.modality import ModalitySet
from medix.reporting.record import CompletionRecord

RECORD = CompletionRecord(
    step=0, split="predict", id="a", index=0, case="", source="s", modality="CT_SCAN", question="q", reference="r",
    completion="<CT_SCAN>", answer=None, reasoning=None, named_modality="CT_SCAN", faults=(), finish_reason="length",
    tokens=1, policy_version=0, aliases=("s",),
)  # fmt: skip
GENERATION = {
    "key": "k", "item": "i", "k": 0, "question": "q", "references": ["r", "s"], "modality": None, "source": "t",
    "images": [{"sha256": "0", "name": "x"}], "prompt_version": "plain/0", "completion": None, "finish_reason": None,
}  # fmt: skip


def lines(path: Path, *rows: object, end: str = "\n") -> list[AnswerLine]:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + end)
    return list(read_answers(path, ModalitySet()))


def test_records_and_generations_are_read_with_what_they_say(tmp_path: Path) -> None:
    record, generation = lines(tmp_path / "a.jsonl", RECORD.to_json(), GENERATION)
    assert record == AnswerLine(1, "a", "<CT_SCAN>", "q", ("r", "s"), "CT_SCAN", True, True, True)
    assert generation == AnswerLine(2, "i", None, "q", ("r", "s"), None, True, False, False)


def test_text_only_lines_owe_no_tag_and_bare_lines_are_taken_to_have_an_image(tmp_path: Path) -> None:
    text, item, bare = lines(
        tmp_path / "a.jsonl",
        {"completion": "c", "modality": None},
        {**GENERATION, "images": [], "prompt_version": "medix/1"},
        {"completion": "c"},
    )
    assert [one.has_images for one in (text, item, bare)] == [False, False, True]
    assert item.is_structured


def test_names_of_modalities_and_numbers_as_ids_are_read(tmp_path: Path) -> None:
    rows = [{"completion": "c", "modality": name, "id": 7} for name in ("CT", "ct_scan", "", "TEXT_ONLY", "brain")]
    found = lines(tmp_path / "a.jsonl", *rows)
    assert [one.modality for one in found] == ["CT_SCAN", "CT_SCAN", None, None, "brain"]
    assert [one.has_images for one in found] == [True, True, True, False, True]
    assert {one.id for one in found} == {"7"}


def test_with_exchanged_images_the_modality_is_that_of_another_case_and_unknown(tmp_path: Path) -> None:
    [line] = lines(tmp_path / "a.jsonl", {"completion": "c", "modality": "CT_SCAN", "exchanged": True})
    assert (line.modality, line.has_images) == (None, True)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", "line 2: is not JSON"),
        ({"id": "a"}, "line 2: has no completion"),
        ([1], "line 2: has no completion"),
        ({"completion": 3}, "line 2: completion is 3, a int; write a text or null"),
        ({"completion": "c", "references": "r"}, "line 2: references is 'r'; write a list of texts"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, row: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        lines(tmp_path / "a.jsonl", {"completion": "c"}, row)


def test_a_last_line_that_is_cut_is_left_out_and_other_formats_are_named(tmp_path: Path) -> None:
    assert len(lines(tmp_path / "a.jsonl", {"completion": "c"}, '{"compl', end="")) == 1
    (tmp_path / "a.jsonl").write_bytes(b"PAR1")
    with pytest.raises(TextFileError, match="this is Parquet"):
        list(read_answers(tmp_path / "a.jsonl", ModalitySet()))
