"""Files of answers that people have judged."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from medix.evaluation.labels import Label, read_labels
from medix.types import JudgeQuestion

ROW = {"question": "q", "references": ["a", "b"], "prediction": "c", "human_label": True, "system": "s"}


def _file(folder: Path, *rows: Any, name: str = "labels.jsonl") -> Path:
    text = "".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows).encode()
    (folder / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return folder / name


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.jsonl.gz"])
def test_columns_of_both_spellings_are_read(tmp_path: Path, name: str) -> None:
    other = {"question": "q", "reference": "a", "answer": "d", "label": 0, "system": "t"}
    found = read_labels(_file(tmp_path, "\ufeff", ROW, "\n", other, name=name), kind="system")
    assert found == [
        Label(JudgeQuestion("q", "a", "c", ("b",)), True, "s"),
        Label(JudgeQuestion("q", "a", "d"), False, "t"),
    ]


def test_a_kind_that_is_null_or_empty_is_not_given(tmp_path: Path) -> None:
    path = _file(tmp_path, *(ROW | {"system": value} for value in (None, "", 0, "None")))
    assert [label.kind for label in read_labels(path, kind="system")] == ["not given", "not given", "0", "None"]


def test_only_lines_with_the_wanted_value_are_read(tmp_path: Path) -> None:
    path = _file(tmp_path, ROW, ROW | {"system": "t", "prediction": "u\u2028v"})
    assert [label.question.answer for label in read_labels(path, where={"system": "t"})] == ["u\u2028v"]
    with pytest.raises(ValueError, match=r"labels\.jsonl: no line with system=x"):
        read_labels(path, where={"system": "x"})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{", "line 2: not JSON"),
        ('{"label": true, "label": false}', "line 2: not JSON .*'label' stands twice"),
        (ROW | {"references": ["<CT_SCAN>\nliver"]}, "line 2: references: .* opens with the tag <CT_SCAN>"),
        ("[1]\n", r"line 2: \[1\] is not a JSON object"),
        ({"question": "q"}, "line 2: no column prediction or answer; it has question"),
        (ROW | {"question": 3}, "line 2: question: 3 is not text"),
        (ROW | {"prediction": None}, "line 2: prediction: None is not text"),
        (ROW | {"references": []}, r"line 2: references: \[\] is not a text"),
        (ROW | {"references": ["a", 1]}, r"line 2: references: \['a', 1\] is not"),
        (ROW | {"human_label": "yes"}, "line 2: human_label: 'yes' is not a label; write true or false"),
        (ROW | {"human_label": 2}, "line 2: human_label: 2 is not"),
        (ROW | {"human_label": []}, r"line 2: human_label: \[\] is not"),
    ],
)
def test_a_line_that_is_no_label_is_named(tmp_path: Path, row: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_labels(_file(tmp_path, ROW, row))


def test_a_cut_gzip_file_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path, *[ROW | {"question": str(n)} for n in range(99)], name="labels.jsonl.gz")
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"labels\.jsonl\.gz: not a whole gzip file"):
        read_labels(path)
