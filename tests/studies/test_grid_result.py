"""Numbers of a grid, from runs written by hand."""

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from medix.evaluation.comparison import compare
from medix.files.folder_lock import held
from medix.reporting.measured_with import OF_REWARDS, PARTS
from medix.reporting.record import CompletionRecord
from medix.reporting.table import MISSING
from medix.studies.grid_page import GridPage
from medix.studies.grid_result import CellResult, GridResult
from medix.studies.grid_run import GridRun
from tests.studies.grids import made, record, say, write

TWO = "cells: {first: null, second: null}\nmeasures: [accuracy, reward]\n"


def answers(*given: float | None) -> list[CompletionRecord]:
    """One sample for each credit, with two completions that have it."""
    return [record(i, k, "left", credit) for i, credit in enumerate(given) for k in (0, 1)]


def _left_out(cell: CellResult, measure: str = "accuracy") -> tuple[int, int]:
    return cell.compared[measure].left_out, cell.compared[measure].pairs


def completions(given: Sequence[float | None]) -> list[CompletionRecord]:
    """Two completions of each sample, with the credits in turn."""
    return [record(i // 2, i % 2, "left", credit) for i, credit in enumerate(given)]


def test_means_and_paired_differences_are_those_of_a_table_worked_out_by_hand(tmp_path: Path) -> None:
    """Differences of ten samples: seed 1: one gained; seed 2: one lost and two gained. Mean (0.1 + 0.1) / 2."""
    runs = made(tmp_path, TWO)
    rows = {
        "first/seed=1": [1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
        "second/seed=1": [1, 1, 1, 1, 0, 0, 0, 0, 0, 0],
        "first/seed=2": [1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
        "second/seed=2": [1, 0, 1, 1, 0, 0, 0, 0, 0, 0],
    }
    for run in runs:
        write(run, answers(*rows[run.name]))
    found = GridResult.read(runs[0].grid, runs)
    first, second = found.cells
    assert first.values["accuracy"].estimate == pytest.approx(0.25)
    assert second.values["accuracy"].estimate == pytest.approx(0.35)
    difference = second.differences["accuracy"]
    assert (difference.estimate, difference.count, difference.clusters) == (pytest.approx(0.1), 40, 10)
    assert difference.low < 0.1 < difference.high
    assert found.adjusted["accuracy"] == {"second": difference.p_value}
    assert not first.differences
    assert first.seconds == 60
    assert all(math.isnan(value.p_value) for cell in found.cells for value in cell.values.values())
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["cells"][1]["by_seed"] == {
        "1": {"accuracy": 0.4, "modality_accuracy": 1.0, "reward": 0.4, "accepted_wrong": None},
        "2": {"accuracy": 0.3, "modality_accuracy": 1.0, "reward": 0.3, "accepted_wrong": None},
    }


def test_a_run_whose_report_holds_no_validation_has_failed_and_says_why(tmp_path: Path) -> None:
    runs = made(tmp_path, TWO)
    for run in runs:
        write(run, answers(1, 0))
    file = runs[0].folder / "report.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "validations": []}))
    ((_, _, reason),) = GridResult.read(runs[0].grid, runs).failed
    assert "report.json: is older than the run: it has no validation, and val-step-000002.jsonl is there" in reason
    for records in (runs[0].folder / "completions").iterdir():
        records.unlink()
    ((_, _, reason),) = GridResult.read(runs[0].grid, runs).failed
    assert "report.json: holds no validations; if it was changed, restore it" in reason
    assert "lacks data.val" in reason


def test_a_completion_without_a_verdict_is_in_no_difference_and_counted(tmp_path: Path) -> None:
    """The same completions in both cells, of which one cell has no verdict on every second wrong one: no difference."""
    runs = made(tmp_path, TWO)
    given: list[float | None] = [float(number % 3 == 0) for number in range(40)]
    lost = [None if credit == 0 and number % 2 else credit for number, credit in enumerate(given)]
    for run in runs:
        write(run, completions(lost if run.cell.name == "second" else given))
    found = GridResult.read(runs[0].grid, runs)
    first, second = found.cells
    assert (second.differences["accuracy"].estimate, second.differences["accuracy"].p_value) == (0, 1)
    assert second.differences["accuracy"].count == 2 * lost.count(0.0) + 2 * lost.count(1.0)
    assert _left_out(second) == (2 * lost.count(None), 80)
    assert (first.without("accuracy"), second.without("accuracy")) == (0, pytest.approx(lost.count(None) / 40))
    assert second.values["accuracy"].estimate == pytest.approx(14 / (40 - lost.count(None)))
    told = found.to_dict()["cells"][1]
    assert told["differences"]["reward"]["left_out"] == 2 * lost.count(None)
    assert told["without_value"]["modality_accuracy"] == 0
    assert told["calibration"]["left_out"] == 0  # each sample has a completion with a verdict


@pytest.mark.parametrize("seeds", [[1], [1, 2]])
def test_differences_are_the_gains_of_eval_compare(tmp_path: Path, seeds: list[int]) -> None:
    """Several questions of a case, and completions without a verdict or a total in either run."""
    draw = np.random.default_rng(7)
    runs = [run for run in made(tmp_path, TWO) if run.seed in seeds]
    written = {
        run.name: [
            record(i, k, "left", draw.choice([0.0, 1.0, None]), total=draw.choice([0.2, 0.5, None]), case=f"{i // 3}")
            for i in range(30) for k in (0, 1)
        ]
        for run in runs
    }  # fmt: skip
    for run in runs:
        write(run, written[run.name])
    found = GridResult.read(runs[0].grid, runs)
    _, second = found.cells
    compared = [compare(written[f"first/seed={seed}"], written[f"second/seed={seed}"]).slices[0] for seed in seeds]
    for measure in ("accuracy", "reward"):
        gains = [part.measures[measure].gain for part in compared]
        difference = second.differences[measure]
        assert difference.estimate == pytest.approx(sum(gain.estimate for gain in gains) / len(seeds))
        assert difference.count == sum(gain.count for gain in gains)
        assert _left_out(second, measure) == (
            sum(part.measures[measure].left_out for part in compared),
            60 * len(seeds),
        )
        if len(seeds) == 1:
            assert difference == gains[0]


def test_a_seed_without_a_pair_of_values_is_as_if_it_had_not_been_run(tmp_path: Path) -> None:
    """As when the judge was down: the seed that is left has interval and p-value of eval compare."""
    draw = np.random.default_rng(3)
    runs = made(tmp_path, TWO)
    given = {run.name: completions([float(one) for one in draw.random(80) < 0.6]) for run in runs}
    given["second/seed=2"] = completions([None] * 80)
    for run in runs:
        write(run, given[run.name])
    _, second = GridResult.read(runs[0].grid, runs).cells
    part = compare(given["first/seed=1"], given["second/seed=1"]).slices[0].measures["accuracy"]
    assert second.differences["accuracy"] == part.gain
    assert _left_out(second) == (80, 160)
    one_each = {
        run.name: [record(i, 0, "a", float(i % 3 == 0 or run.cell.name == "second") if run.seed == 1 else None)
                   for i in range(30)]
        for run in runs
    }  # fmt: skip
    for run in runs:
        write(run, one_each[run.name])
    _, second = GridResult.read(runs[0].grid, runs).cells
    assert second.differences["accuracy"].p_value == pytest.approx(2 / 2**20)  # McNemar's: all of twenty gained


def test_differences_that_cancel_have_no_interval(tmp_path: Path) -> None:
    """What one seed gains the other loses: the mean is 0, and nothing says how far off it may be."""
    runs = made(tmp_path, TWO)
    for run in runs:
        write(run, answers(*([1, 0] if (run.cell.name == "first") == (run.seed == 1) else [0, 1]) * 5))
    found = GridResult.read(runs[0].grid, runs)
    difference = found.cells[1].differences["accuracy"]
    assert (difference.estimate, difference.count) == (0, 40)
    assert math.isnan(difference.low)
    assert math.isnan(found.adjusted["accuracy"]["second"])
    assert GridPage(found).tables()[0].rows[1][3:5] == ["+0.0 %", MISSING]


def test_runs_that_are_alike_have_no_interval_and_differ_by_nothing(tmp_path: Path) -> None:
    """As one seed has none whose scale is unknown; an interval of zero width would be certain of all samples."""
    runs = made(tmp_path, TWO)
    for run in runs:
        write(run, answers(*[1, 0] * 4))
    found = GridResult.read(runs[0].grid, runs)
    told = json.loads(json.dumps(found.to_dict(), allow_nan=False))["cells"][1]["differences"]["accuracy"]
    assert {name: told[name] for name in ("estimate", "low", "high", "error", "p_holm", "differing", "seeds")} == {
        "estimate": 0, "low": None, "high": None, "error": None, "p_holm": 1, "differing": 0, "seeds": 2,
    }  # fmt: skip


def test_how_many_seeds_count_is_told_with_values_and_differences(tmp_path: Path) -> None:
    """Of the second row one seed has no verdict on any completion; of the reward both count."""
    runs = made(tmp_path, TWO)
    given = {run.name: [record(i, 0, "a", i % 2.0, total=i % 2.0) for i in range(8)] for run in runs}
    given["second/seed=1"] = [record(i, 0, "a", None, total=(i + 1) % 2.0) for i in range(8)]
    for run in runs:
        write(run, given[run.name])
    found = GridResult.read(runs[0].grid, runs)
    first, second = json.loads(json.dumps(found.to_dict(), allow_nan=False))["cells"]
    assert [cell["values"][name]["seeds"] for cell in (first, second) for name in ("accuracy", "reward")] == [
        2,
        2,
        1,
        2,
    ]
    told = [{key: second["differences"][name][key] for key in ("seeds", "differing", "left_out", "pairs")}
            for name in ("accuracy", "reward")]  # fmt: skip
    assert told == [
        {"seeds": 1, "differing": 0, "left_out": 8, "pairs": 16},
        {"seeds": 2, "differing": 8, "left_out": 0, "pairs": 16},
    ]  # fmt: skip


def test_one_run_of_cases_of_one_completion_has_the_p_value_of_eval_compare(tmp_path: Path) -> None:
    """McNemar's, where each pair is of a case of its own: of nine that differ eight are gained, 2 * 10 / 512."""
    runs = [run for run in made(tmp_path, TWO) if run.seed == 1]
    rows = {"first": [0.0] * 8 + [1.0] * 12, "second": [1.0] * 8 + [0.0] + [1.0] * 11}
    for run in runs:
        write(run, [record(i, 0, "a", one) for i, one in enumerate(rows[run.cell.name])])
    _, second = GridResult.read(runs[0].grid, runs).cells
    assert second.differences["accuracy"].p_value == pytest.approx(20 / 512)


def test_samples_whose_majority_has_no_verdict_are_told_beside_the_calibration(tmp_path: Path) -> None:
    runs = made(tmp_path, "cells: {only: null}\n")[:1]
    write(runs[0], answers(1, 0, None, None))
    (cell,) = GridResult.read(runs[0].grid, runs).cells
    assert (cell.calibration.items, cell.unanswered) == (2, 0.5)


def test_rows_with_another_judge_or_other_data_have_no_difference_and_rewards_only_matter_to_the_reward(
    tmp_path: Path,
) -> None:
    runs = made(tmp_path, "cells: {a: null, b: null, c: null}\nmeasures: [accuracy, reward]\n")
    changes = {"a": {}, "b": {"suite": {"rewards": "other", "data": "x"}}, "c": {"judge": "served/1"}}
    for run in runs:
        write(run, answers(*[1, 0] * 4), **changes[run.cell.name])
    _, b, c = GridResult.read(runs[0].grid, runs).cells
    assert b.incomparable == {"reward": "other rewards"}
    assert set(b.differences) == {"accuracy", "modality_accuracy"}
    assert c.incomparable["accuracy"] == "another judge"
    assert not c.differences


@pytest.mark.parametrize("part", OF_REWARDS)
def test_what_only_rewards_depend_on_leaves_the_accuracy_compared(tmp_path: Path, part: str) -> None:
    """Such as rewards with an encoder and without: of the shipped grid of rewards, the judge alone and the others."""
    runs = made(tmp_path, TWO)
    for run in runs:
        write(run, answers(*[1, 0] * 4), suite={"data": "x", part: "e" if run.cell.name == "first" else ""})
    _, second = GridResult.read(runs[0].grid, runs).cells
    assert second.incomparable == {"reward": PARTS[part]}
    assert set(second.differences) == {"accuracy", "modality_accuracy"}


def test_a_seed_that_was_validated_on_other_data_has_no_difference_either(tmp_path: Path) -> None:
    """As when data are built anew before seeds are added."""
    runs = made(tmp_path, TWO)
    for changed in ("first/seed=2", "second/seed=2"):
        for run in runs:
            write(run, answers(*[1, 0] * 4), **({"suite": {"data": "y"}} if run.name == changed else {}))
        _, second = GridResult.read(runs[0].grid, runs).cells
        assert second.incomparable["accuracy"] == "other samples"
        assert not second.differences


def test_what_is_not_done_is_missing_and_a_run_without_records_has_failed(tmp_path: Path) -> None:
    runs = made(tmp_path, TWO)
    write(runs[0], answers(1, 0, 1, 0, 1, 0))
    say(runs[1], "failed", "no loss")
    say(runs[2], "done")
    found = GridResult.read(runs[0].grid, runs)
    assert [(name, seed) for name, seed, _ in found.failed] == [("first", 2), ("second", 1)]
    assert "report.json: is not there; if it was lost, restore it" in found.failed[0][2]
    assert found.cells[1].states[2].status == "waiting"
    assert math.isnan(found.cells[1].values["accuracy"].estimate)
    assert not found.cells[1].differences


def test_a_run_is_what_its_folder_says_now_and_elsewhere_only_as_long_as_a_process_has_it(tmp_path: Path) -> None:
    """Of two that say stopped, for a kill, one is held; one is held that says nothing yet; one is done meanwhile."""
    runs = made(tmp_path, TWO)
    for run, status in zip(runs, ("stopped", "stopped", "", "done"), strict=True):
        write(run, answers(*[1, 0] * 4))
        say(run, status) if status else (run.folder / "grid.json").unlink()
    with held(runs[0].folder / ".ablate"), held(runs[2].folder):
        assert _statuses(runs) == ["elsewhere", "stopped", "elsewhere", "done"]
    assert _statuses(runs) == ["stopped", "stopped", "waiting", "done"]
    say(runs[0], "failed", "no loss")
    assert _statuses(runs) == ["failed", "stopped", "waiting", "done"]


def _statuses(runs: Sequence[GridRun]) -> list[str]:
    cells = GridResult.read(runs[0].grid, runs).cells
    states = {(cell.name, seed): one for cell in cells for seed, one in cell.states.items()}
    assert {one.seconds for one in states.values() if one.status != "waiting"} <= {0.0, 60.0}
    return [states[run.cell.name, run.seed].status for run in runs]


def test_who_abstains_is_answered_last(tmp_path: Path) -> None:
    """Of three samples, one is answered right by both completions, one wrong by one of two, one by none."""
    runs = made(tmp_path, "cells: {only: null}\n")[:1]
    rows = [
        *(record(0, k, "left", 1.0) for k in (0, 1)),
        record(1, 0, "right", 0.0), record(1, 1, "I do not know", 0.0),
        *(record(2, k, "I am not sure.", 0.0) for k in (0, 1)),
    ]  # fmt: skip
    write(runs[0], rows)
    (cell,) = GridResult.read(runs[0].grid, runs).cells
    assert cell.results[0].abstained == pytest.approx(0.5)
    assert cell.calibration.curve == (
        (pytest.approx(1 / 3), 0.0),
        (pytest.approx(2 / 3), 0.5),
        (1.0, pytest.approx(2 / 3)),
    )
