"""Values that no run writes are refused with their key."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medix.reporting.record import CompletionRecord, read_records
from medix.reporting.record_check import COUNT, TEXT, RecordValueError, check_fields
from tests.support.recorded import two_sets


@pytest.fixture(scope="module")
def record() -> CompletionRecord:
    return replace(two_sets({"a": 3})[0], rewards="abc", own_judges="def", exchanged=True, subgroup={"sex": "F"})


def damaged(record: CompletionRecord, key: str, value: Any) -> str:
    data = json.loads(record.to_json())
    part = data
    *path, last = key.split(".")
    for name in path:
        part = part[name]
    part[last] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("verdict.credit", 7.0), ("verdict.credit", -0.1), ("verdict.credit", True), ("verdict.credit", "1"),
        ("verdict.asked", 1),
        ("verdict.credit", float("nan")), ("verdict.confidence", 2), ("verdict.judge", None), ("verdict.latency", "1"),
        ("total", float("inf")), ("total", True), ("total", "0.5"), ("advantage", "x"), ("normalised", False),
        ("tokens", 10**400), ("total", 10**400),
        ("tokens", -1), ("tokens", 2.5), ("index", True), ("step", -1), ("id", 5), ("question", None),
        ("answer", 3), ("faults", [1]), ("finish_reason", "gone"), ("image_ids", [2]), ("exchanged", 1),
        ("components.judge.value", "1"), ("components.judge.value", None), ("components.judge.status", "right"),
        ("rewards", 3), ("modality", 1), ("split", None),
    ],
)  # fmt: skip
def test_a_value_of_no_run_is_named_with_file_line_and_key(
    record: CompletionRecord, tmp_path: Path, key: str, value: Any
) -> None:
    (tmp_path / "r.jsonl").write_text(record.to_json() + "\n" + damaged(record, key, value) + "\n")
    with pytest.raises(ValueError, match=rf"r\.jsonl, line 2: {re.escape(key)}: .* is not ") as error:
        list(read_records(tmp_path / "r.jsonl"))
    assert "\n" not in str(error.value)


def test_a_record_comes_back_as_it_was(record: CompletionRecord, tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text(record.to_json() + "\n")
    assert list(read_records(tmp_path / "r.jsonl")) == [record]


def test_older_records_without_rewards_can_be_read(record: CompletionRecord) -> None:
    data = json.loads(record.to_json())
    del data["rewards"], data["own_judges"], data["exchanged"], data["subgroup"]
    assert CompletionRecord.from_json(json.dumps(data)) == replace(
        record, rewards="", own_judges="", exchanged=False, subgroup={}
    )


def test_the_keys_of_another_object_are_checked_by_the_same_rules() -> None:
    rules = {"step": COUNT, "name": TEXT}
    check_fields({"step": 2, "other": None}, rules)
    with pytest.raises(RecordValueError, match=r"^a\.0\.name: 3 is not a text$"):
        check_fields({"step": 2, "name": 3}, rules, "a.0.")
    with pytest.raises(RecordValueError, match=r"^a\.0: \[\] is not a mapping$"):
        check_fields([], rules, "a.0.")
