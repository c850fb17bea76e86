import json
from pathlib import Path
from typing import Any

import pytest

from medix.data.sources.llava import LlavaSource
from medix.data.sources.table_source import Reading
from tests.support.sources import faults, samples


def source(folder: Path, *rows: Any) -> LlavaSource:
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return LlavaSource(folder / "rows.jsonl", Reading())


def test_lines_and_other_names_of_roles(tmp_path: Path) -> None:
    messages = [{"from": "user", "value": "q"}, {"from": "assistant", "value": "a"}]
    rows = [{"id": number, "conversations": messages} for number in (1, 2)]
    made = source(tmp_path, *rows)
    assert [(one.id, one.question, one.reference) for one in samples(made)] == [("1", "q", "a"), ("2", "q", "a")]
    assert made.has_ids


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({}, "conversations: None; give a list of messages"),
        ({"conversations": ["q"]}, "conversations: 'q'; give"),
        ({"conversations": [{"from": "robot", "value": "q"}]}, "'robot'"),
        ({"conversations": [{"from": "human", "value": None}]}, 'give {"from": "human" or "gpt"'),
        ({"conversations": [], "video": "a.mp4"}, "video: 'a.mp4'; videos are not read"),
        ({"conversations": [], "image": [3]}, "image: 3; image 1 of 1 is no file name"),
        ({"conversations": [], "images": ["a.png", None]}, "image: None; image 2 of 2 is no file name; name it, or"),
    ],
)
def test_rows_of_another_layout(tmp_path: Path, row: dict[str, Any], told: str) -> None:
    (found,) = faults(source(tmp_path, row))
    assert told in found


def test_columns_are_for_tables() -> None:
    with pytest.raises(ValueError, match="conversations have one layout"):
        LlavaSource(Path("x"), Reading(question="q", answer_from="a"))
