import gzip
import json
from pathlib import Path

import pytest

from medix.data.sources.json_rows import json_lines, json_objects
from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError


def test_lines_and_a_list_give_the_same_objects(tmp_path: Path) -> None:
    rows = [{"a": 1}, {"a": "ü"}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "a.json").write_text("\ufeff \n" + json.dumps(rows, indent=1))
    assert list(json_lines(tmp_path / "a.jsonl")) == [
        (f"{tmp_path / 'a.jsonl'}, line {number}", row) for number, row in enumerate(rows, 1)
    ]
    assert [row for _, row in json_objects(tmp_path / "a.jsonl")] == rows
    assert list(json_objects(tmp_path / "a.json"))[1] == (f"{tmp_path / 'a.json'}, row 2", rows[1])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("is_packed", [False, True])
def test_a_list_is_read_in_every_encoding_of_lines_and_packed(tmp_path: Path, encoding: str, is_packed: bool) -> None:
    """Windows PowerShell writes UTF-16."""
    rows = [{"a": "ü"}, {"a": 2}]
    path = tmp_path / ("a.json.gz" if is_packed else "a.json")
    data = json.dumps(rows, indent=1, ensure_ascii=False).replace("\n", "\r\n").encode(encoding)
    path.write_bytes(gzip.compress(data) if is_packed else data)
    assert [row for _, row in json_objects(path)] == rows


def test_elements_that_are_no_objects_are_errors_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"a": 1}, 3, {"a": "\\ud83d"}]')
    found = [row for _, row in json_objects(tmp_path / "a.json")]
    assert [type(row) for row in found] == [dict, RowError, RowError]
    assert "half of a surrogate pair" in str(found[2])


@pytest.mark.parametrize(("text", "told"), [("[1, ", r"is no JSON list in UTF-8 \("), ("a,b\n1,2\n", "such as CSV")])
def test_a_file_that_holds_neither(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.json").write_text(text, "utf-8-sig")
    with pytest.raises(TableError, match=told):
        list(json_objects(tmp_path / "a.json"))
    with pytest.raises(TableError, match="cannot be opened"):
        list(json_objects(tmp_path / "none.json"))
