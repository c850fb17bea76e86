"""Lines with a completion; what is read of them is tried in ``tests/audit/test_answer_lines.py`` too."""

from pathlib import Path

import pytest

from medix.reporting.completion_lines import read_completion_lines


def test_lines_know_where_they_stand_and_whose_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "completion": "c"}\n\n{"item": "b", "id": "not", "completion": null}\n')
    record, item = read_completion_lines(path)
    assert (record.where, record.number, record.id, record.is_item) == (f"{path}, line 1", 1, "a", False)
    assert (item.number, item.id, item.is_item, item.text("completion")) == (3, "b", True, None)


def test_a_number_is_an_id_too(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 7, "completion": "c"}\n{"completion": "c"}\n')
    assert [line.id for line in read_completion_lines(tmp_path / "a.jsonl")] == ["7", ""]


def test_a_text_of_another_type_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": ["a"], "completion": "c"}')
    [line] = read_completion_lines(tmp_path / "a.jsonl")
    with pytest.raises(ValueError, match=r"line 1: question is \['a'\], a list; write a text or null"):
        line.text("question")


def test_a_line_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"completion": "f\xfcr"}\n')
    with pytest.raises(ValueError, match=r"line 1: it is not UTF-8 .*iconv"):
        list(read_completion_lines(tmp_path / "a.jsonl"))
