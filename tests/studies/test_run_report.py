"""The report of a run, read by those who come after it."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medix.studies.run_report import newer_than, read_run_report

EMPTY: dict[str, Any] = {"step": 4, "max_steps": 4, "finished": True, "validations": [{"step": 4}], "steps": []}


def written(folder: Path, report: object) -> Path:
    (folder / "report.json").write_text(json.dumps(report))
    return folder


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"validations": {"step": 2}}, "validations: {'step': 2} is not a list"),
        ({"steps": "no"}, "steps: 'no' is not a list"),
        ({"validations": [3]}, "validations.0: 3 is not a mapping"),
        ({"validations": [{"judge": "a"}]}, "validations.0.step: is missing"),
        ({"validations": [{"step": 1, "accuracy": "x"}, {"step": 2}]}, "validations.0.accuracy: 'x' is not a finite"),
        ({"validations": [{"step": 2, "tokens": [1]}]}, "validations.0.tokens: [1] is not a finite"),
        ({"validations": [{"step": 2, "suite": [1]}]}, "validations.0.suite: [1] is not a mapping"),
        ({"validations": [{"step": 2, "judge": []}]}, "validations.0.judge: [] is not a text"),
        ({"validations": [{"step": 2, "accuracy": math.nan}]}, "validations.0.accuracy: nan is not a finite"),
        ({"steps": [1]}, "steps.0: 1 is not a mapping"),
        ({"steps": [{"reward/total": 1}]}, "steps.0.step: is missing"),
        ({"steps": [{"step": 1}, {"step": 2, "train/loss": True}]}, "steps.1.train/loss: True is not a finite"),
        ({"steps": [{"step": 10**400}]}, "steps.0.step: 1000"),
        ({"step": "x"}, "step: 'x' is not a whole number"),
        ({"facts": [5]}, "facts: [5] is not a mapping"),
        ({"facts": {"Judge of the rewards": []}}, "facts: {'Judge of the rewards': []} is not a mapping of texts"),
        ({"notes": 5}, "notes: 5 is not a list"),
        ({"resumes": ["x"]}, "resumes: ['x'] is not a list of whole numbers"),
        ({"rewarded_by": [None]}, "rewarded_by.0: None is not a mapping"),
        ({"rewarded_by": [{"after": 0}]}, "rewarded_by.0.judges: is missing"),
        ({"gain": {"reward": 5}}, "gain.reward: 5 is not a mapping"),
        ({"gain": {"reward": {"estimate": "x"}}}, "gain.reward.estimate: 'x' is not a finite number"),
        ({"before": {}}, "before.reward: is missing"),
        ({"before": [5]}, "before: [5] is not a mapping"),
        ({"after": {"a": 1}}, "after.reward: is missing"),
    ],
)
def test_a_wrong_value_is_named_with_file_and_key(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    assert read_run_report(written(tmp_path, EMPTY), "restore it") == EMPTY
    with pytest.raises(ValueError, match=re.escape(f"{tmp_path}/report.json: {said}") + ".*; restore it$"):
        read_run_report(written(tmp_path, EMPTY | wrong), "restore it")


def places(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key in value:
            yield (*place, key)
            yield from places(value[key], (*place, key))


def test_what_tables_read_of_the_last_validation_may_not_be_lost_or_of_another_kind(run: Path) -> None:
    """Of the report of a run, wherever a value is replaced or lost: refused by its key, or no table depends on it."""
    from medix.reporting.table import before_after_table, slices_of, slices_table

    report = json.loads((run / "report.json").read_text())
    assert read_run_report(run, "")["after"]["modalities"]
    refused = 0
    for place in places(report["after"]):
        for wrong in ("lost", "x", [], None, {"a": 1}):
            changed = json.loads(json.dumps(report))
            block = changed["after"]
            for key in place[:-1]:
                block = block[key]
            block[place[-1]] = wrong
            if wrong == "lost":
                del block[place[-1]]
            try:
                after = read_run_report(written(run, changed), "restore it")["after"]
            except ValueError as error:
                refused += 1
                assert f"report.json: after.{'.'.join(place[:1])}" in str(error)  # noqa: PT017 - of many
                continue
            before_after_table(report["before"], after, report["gain"]).markdown()
            for kind, (side,) in slices_of(after):
                slices_table(kind, kind, None, side).markdown()
    assert refused > 100


@pytest.mark.parametrize("text", ["", '{"step": 4, "max_', "[]", "5", '{"a": 1}'])
def test_a_damaged_report_is_not_an_absent_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(FileNotFoundError):
        read_run_report(tmp_path, "restore it")
    (tmp_path / "report.json").write_text(text)
    with pytest.raises(ValueError, match=r"report\.json: is not what medix fit writes; restore it"):
        read_run_report(tmp_path, "restore it")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "completions/val-step-000006.jsonl",
            "",
            "its last validation is of step 4, and val-step-000006.jsonl",
        ),
        ("checkpoints/step-000010.ckpt", "", "it is of step 4, and step-000010.ckpt is there"),
        ("canaries-step-000005.json", "", "it is of step 4, and canaries-step-000005.json is there"),
        (
            "completions/train.rank1.jsonl",
            '{"step": 4}\n{"step": 5}\n{"ste',
            "it is of step 4, and train.rank1.jsonl has completions of step 5",
        ),
        ("completions/train.rank0.jsonl", '{"step": 4}\n', ""),
        ("completions/val-step-000004.jsonl", "", ""),
        ("completions/val-step-old.jsonl", "", ""),
        ("completions/validate-step-000009.jsonl", "", ""),
    ],
)
def test_what_is_newer_than_a_report_is_named(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    found = newer_than(EMPTY, tmp_path)
    assert found.startswith(said)
    assert bool(found) == bool(said)


def test_a_report_without_a_validation_is_older_than_a_validation(tmp_path: Path) -> None:
    assert newer_than({**EMPTY, "validations": []}, tmp_path) == ""
    (tmp_path / "completions").mkdir()
    (tmp_path / "completions" / "val-step-000000.jsonl").write_text("")
    assert newer_than({**EMPTY, "validations": []}, tmp_path) == (
        "it has no validation, and val-step-000000.jsonl is there"
    )
