"""What one run of a grid measured."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medix.evaluation.summary import summarise
from medix.reporting.record import ComponentRecord
from medix.studies.run_result import RunResult, mean
from medix.types import Verdict
from tests.studies.grids import made, record, write

LAST = "completions/val-step-000002.jsonl"


def test_the_mean_of_each_measure_is_what_the_report_of_the_run_says(tmp_path: Path) -> None:
    """Of samples with as many completions, of which some have no value, the mean of sample means is another number."""
    draw = np.random.default_rng(3)
    (run, *_) = made(tmp_path, "cells: {only: null}\n")
    asked = {"judge": ComponentRecord(1.0, "scored", "", is_judged=True, verdict=Verdict(1.0, "other/1"))}
    records = [
        record(i, k, "left", draw.choice([0.0, 1.0, None]), total=draw.choice([0.2, 0.9, None]), components=asked,
               named_modality=draw.choice(["CT_SCAN", "X_RAY"]), modality="CT_SCAN" if i else None)
        for i in range(12) for k in range(3)
    ]  # fmt: skip
    write(run, records)
    found, report = RunResult.read(1, run.folder), summarise(records).to_dict()
    for name in ("accuracy", "modality_accuracy", "reward", "accepted_wrong"):
        assert mean(list(found.measures[name].values())) == pytest.approx(report[name]), name
    assert found.without("accuracy") == pytest.approx(found.unscored) == pytest.approx(report["unscored"])
    assert found.without("reward") == pytest.approx(report["unscored_reward"])
    assert found.without("modality_accuracy") == pytest.approx(3 / 36)
    assert (found.step, found.samples, len(found.clusters)) == (2, 12, 36)


def test_a_run_without_completions_has_no_shares(tmp_path: Path) -> None:
    (run, *_) = made(tmp_path, "cells: {only: null}\n")
    write(run, [])
    found = RunResult.read(1, run.folder)
    assert math.isnan(found.without("accuracy"))
    assert math.isnan(found.unscored)


def duplicated(file: Path) -> None:
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join([lines[0], *lines[:5]]))


@pytest.mark.parametrize(
    ("name", "damage", "said"),
    [
        (LAST, Path.unlink, "val-step-000002.jsonl: is not there, though report.json has a validation of step 2"),
        (LAST, lambda file: file.write_text("".join(file.read_text().splitlines(True)[:4])), "completions is 4, .* 6"),
        (
            LAST,
            lambda file: file.write_text(file.read_text().replace('"credit": 1.0', '"credit": 0.0')),
            "accuracy is 0",
        ),
        (LAST, duplicated, "val-step-000002.jsonl: holds a completion twice"),
        (LAST, lambda file: (file.unlink(), file.mkdir()), "val-step-000002.jsonl: cannot be read .Is a directory"),
        (LAST, lambda file: file.write_text(file.read_text() + "[" * 9999 + "\n"), "line 7: not a completion record"),
        ("report.json", Path.unlink, "report.json: is not there; if it was lost, restore it"),
        ("report.json", lambda file: (file.unlink(), file.mkdir()), "report.json: cannot be read .Is a directory"),
        ("report.json", lambda file: file.write_text(2 * file.read_text()), "report.json: is not what medix fit"),
        ("report.json", lambda file: file.write_text("[" * 99999), "report.json: is not what medix fit writes; rest"),
        ("report.json", lambda file: file.write_bytes(b"\xff"), "report.json: is not what medix fit writes; restore"),
    ],
)
def test_a_run_that_was_damaged_is_refused_with_the_file(
    name: str, damage: Callable[[Path], object], said: str, tmp_path: Path
) -> None:
    (run, *_) = made(tmp_path, "cells: {only: null}\n")
    records = [record(number, 0, "left", 1.0) for number in range(6)]
    write(run, records, **summarise(records).to_dict())
    (run.folder / "completions" / "val-step-old.jsonl").write_text("")
    assert RunResult.read(1, run.folder).step == 2
    damage(run.folder / name)
    with pytest.raises(ValueError, match=said) as error:
        RunResult.read(1, run.folder)
    assert f"out of {run.folder} and start the same command again" in str(error.value)
    assert "remove" not in str(error.value)


@pytest.mark.parametrize("ended", ["", "Stopped"])
def test_an_earlier_report_of_the_same_run_is_refused(tmp_path: Path, ended: str) -> None:
    """Every validation writes one: a copy from the beginning of the run says what was measured at step 0."""
    (run, *_) = made(tmp_path, "cells: {only: null}\n")
    write(run, [record(0, 0, "left", 1.0)])
    file = run.folder / "report.json"
    whole = json.loads(file.read_text())
    first = {
        "step": 0,
        "finished": False,
        "ended": ended,
        "validations": [{"step": 0, "judge": "exact/4"}],
        "steps": [],
    }
    file.write_text(json.dumps(whole | first))
    with pytest.raises(ValueError, match="older than the run: its last validation is of step 0, and val-step-000002"):
        RunResult.read(1, run.folder)
    file.write_text(json.dumps(whole | {"finished": False}))
    with pytest.raises(ValueError, match=r"written during the run, at step 2 of 2, .* restore it"):
        RunResult.read(1, run.folder)
    file.write_text(json.dumps(whole | {"finished": False, "ended": "Stopped"}))  # by a callback, at its last step
    assert RunResult.read(1, run.folder).step == 2


@pytest.mark.parametrize("wrong", [{"validations": [3]}, {"steps": None}])
def test_a_value_of_another_kind_in_the_report_is_named_with_what_to_do(tmp_path: Path, wrong: dict[str, Any]) -> None:
    (run, *_) = made(tmp_path, "cells: {only: null}\n")
    write(run, [record(0, 0, "left", 1.0)])
    file = run.folder / "report.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | wrong))
    with pytest.raises(ValueError, match=rf"{file}: (validations.0: 3|steps: None) is not .* move grid.json and"):
        RunResult.read(1, run.folder)


def test_the_order_of_the_lines_changes_no_number(tmp_path: Path) -> None:
    """Of two answers to a sample that are as common, one right, the one with the lowest index is taken."""
    (run, *_) = made(tmp_path, "cells: {only: null}\n")
    records = [record(i, k, ("left", "right")[k], float(k == i % 2), total=0.1 * i) for i in range(9) for k in (0, 1)]
    write(run, records)
    found = RunResult.read(1, run.folder)
    write(run, records[::-1])
    assert RunResult.read(1, run.folder) == found
    assert sum(one.is_right for one in found.majorities) == 5
