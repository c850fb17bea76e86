"""What one run of a grid measured."""

import json
import math
from collections.abc import Callable
from pathlib import Path

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
    (run.folder / "canaries-step-000004.json").write_text(json.dumps({"step": 4, "false_positive": {"rate": None}}))
    found = RunResult.read(1, run.folder)
    assert math.isnan(found.without("accuracy"))
    assert math.isnan(found.unscored)
    assert found.canaries == [{"step": 4, "accepted": None}]


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
        (LAST, lambda file: (file.unlink(), file.mkdir()), "cannot be read"),
        ("report.json", Path.unlink, "has no report.json with validations; if it was lost, restore it"),
        ("report.json", lambda file: file.write_text('{"validations": [3]}'), "cannot be read"),
        (
            "canaries-step-000002.json",
            lambda file: file.write_text('{"st'),
            "canaries-step-000002.json: holds no rates",
        ),
        ("canaries-step-000002.json", lambda file: file.write_text("[]"), "-000002.json: holds no rates"),
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
    with pytest.raises(ValueError, match=said):
        RunResult.read(1, run.folder)
