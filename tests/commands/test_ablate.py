"""``python -m medix ablate`` on a real grid of tiny runs."""

import errno
import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
import yaml

from medix.commands import ablate
from medix.studies.grid_page import GridPage
from medix.studies.grid_run import GridRun, RunState
from tests.studies.grids import made, record, write
from tests.support import warm
from tests.support.inside import working_in
from tests.support.runs import LIMIT, small_spec

CALLBACKS = [
    {"class_path": "medix.callbacks.RecordCompletions"},
    {"class_path": "medix.callbacks.JudgeValidation", "init_args": {"every_n_steps": 1}},
    {"class_path": "medix.callbacks.WriteReport"},
]


class Started:
    """What ``subprocess.Popen`` returns, for a process that begins with medix imported."""

    def __init__(self, words: list[str], stdin: int, stdout: BinaryIO, stderr: BinaryIO) -> None:
        assert words[:3] == [sys.executable, "-m", "medix"]
        log = Path(stdout.name).resolve()
        self.process = warm.start(command, *words[3:], folder=Path.cwd(), stdout=log, stderr=log)

    def wait(self) -> int:
        return warm.wait(self.process, LIMIT)

    def poll(self) -> int | None:
        return self.process.exitcode

    def terminate(self) -> None:
        self.process.terminate()


def command(*words: str) -> int:
    from medix.__main__ import main

    return main(list(words))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("medix.studies.grid_run.subprocess.Popen", Started)
    spec = small_spec(tmp_path, model={"max_steps": 2, "prompts_per_step": 2}, trainer={"callbacks": CALLBACKS})
    spec["judge"] = "judge_exact"
    spec["data"]["limit_val"] = 6
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec))
    (tmp_path / "grid.yaml").write_text(
        """
spec: spec.yaml
title: <b>Rates</b>
seeds: [1, 2]
cells:
  slow: {model.optimizer.init_args.lr: 1.0e-4}
  fast: {model.optimizer.init_args.lr: 1.0e-2}
  broken: {data.train: [no_such_manifest.json]}
measures: [accuracy, reward]
published: [{cell: "<i>slow</i>", value: "0.5", source: somewhere}]
"""
    )
    return tmp_path


def test_a_grid_becomes_a_table_a_page_and_json_and_its_runs_are_ordinary(folder: Path) -> None:
    with working_in(folder) as run:
        ended = run("ablate", "grid.yaml", "--output", "out", "--jobs", "2")
        again = run("ablate", "grid.yaml", "--output", "out", "--table")
        one = run("ablate", "grid.yaml", "--output", "out", "--run", "0")
        beyond = run("ablate", "grid.yaml", "--output", "out", "--run", "6")
        listed = run("ablate", "grid.yaml", "--output", "out", "--list")
    assert ended.code == again.code == 1, ended  # a run failed
    assert one.code == 0  # of a Slurm array, a task whose own run is done has not failed
    assert "slow/seed=1: done" in one.out
    assert beyond.code == 2
    assert "runs 0 to 5" in beyond.err
    assert "6 runs: 4 done, 2 failed" in again.out
    assert re.search(r"broken/seed=1: failed, \d+ s: status 2: medix: error: .*no_such_manifest.json", ended.out)
    assert listed.out.count("python -m medix fit") == 6
    out = folder / "out"
    table = json.loads((out / "grid.json").read_text())
    slow, fast, broken = table["cells"]
    assert [cell["name"] for cell in table["cells"]] == ["slow", "fast", "broken"]
    assert slow["values"]["reward"]["count"] == 12
    assert slow["values"]["reward"]["method"] == "crossed t"
    assert fast["differences"]["reward"]["count"] == 12
    assert fast["differences"]["reward"]["p_holm"] is not None
    assert not slow["differences"]
    assert broken["values"]["reward"]["estimate"] is None
    by_hand = [
        record["total"]
        for seed in (1, 2)
        for record in map(
            json.loads, (out / f"fast/seed={seed}/completions/val-step-000002.jsonl").read_text().splitlines()
        )
    ]
    assert fast["values"]["reward"]["estimate"] == pytest.approx(sum(by_hand) / len(by_hand))
    spec = yaml.safe_load((out / "fast/seed=2/spec.yaml").read_text())
    assert spec["model"]["optimizer"]["init_args"]["lr"] == 0.01
    assert [spec["seed_everything"], spec["data"]["seed"]] == [2, 2]
    page = (out / "grid.html").read_text()
    assert "<b>Rates" not in page
    assert "<i>slow" not in page
    assert page.count("<svg") >= 3
    assert "Failed runs" in (out / "grid.md").read_text()


def test_the_commands_that_are_listed_find_their_specs(folder: Path) -> None:
    with working_in(folder) as run:
        listed = run("ablate", "grid.yaml", "--output", "out", "--list")
    cells = re.findall(r"--config (\S+/cell\.yaml)", listed.out)
    assert len(cells) == 6
    assert all((folder / cell).is_file() for cell in cells)


def test_what_is_certain_to_fail_is_told_before_the_first_run(folder: Path) -> None:
    grid = (folder / "grid.yaml").read_text()
    with working_in(folder) as run:
        (folder / "wrong.yaml").write_text(
            grid.replace("no_such_manifest.json", "x").replace("data.train", "data.trian")
        )
        key = run("ablate", "wrong.yaml", "--output", "out")
        (folder / "bare.yaml").write_text(grid + "settings: {trainer.callbacks: []}\n")
        callbacks = run("ablate", "bare.yaml", "--output", "out")
        missing = run("ablate", "nosuch")
    assert [outcome.code for outcome in (key, callbacks, missing)] == [2, 2, 2]
    assert "broken: " in key.err
    assert "did you mean train" in key.err
    assert "has no JudgeValidation, RecordCompletions, WriteReport" in callbacks.err
    assert "shipped: " in missing.err
    assert not list((folder / "out").rglob("fit.log"))


def test_of_two_processes_the_last_page_is_the_whole_one_whoever_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One has passed a run over; another ends it, and writes, while the first has read and not yet written."""
    runs = made(tmp_path, "cells: {only: null}\n")
    for run in runs:
        write(run, [record(i, 0, "left", float(i % 2)) for i in range(6)])
        run._write(RunState("done" if run.seed == 1 else "stopped", "", 60.0, run._digest))
    written = GridPage.write

    def late(page: GridPage, output: Path) -> None:
        if runs[1].state().status == "stopped":
            runs[1]._write(RunState("done", "", 60.0, runs[1]._digest))
            ablate._write(runs)
        written(page, output)

    monkeypatch.setattr(GridPage, "write", late)
    assert ablate._show(runs, runs) == 0
    (cell,) = json.loads((tmp_path / "out" / "grid.json").read_text())["cells"]
    assert [run["status"] for run in cell["runs"].values()] == ["done", "done"]
    assert cell["by_seed"].keys() == {"1", "2"}


def test_a_damaged_state_is_a_row_of_the_table_and_does_not_end_the_grid(folder: Path) -> None:
    with working_in(folder) as run:
        (folder / "grid.yaml").write_text("spec: spec.yaml\nseeds: [1]\ncells: {slow: null, fast: null}\n")
        run("ablate", "grid.yaml", "--output", "out", "--run", "0")
        (folder / "out/slow/seed=1/grid.json").write_text('{"status": "do')
        ended = run("ablate", "grid.yaml", "--output", "out")
        (folder / "out/slow/seed=1/grid.json").unlink()
        again = run("ablate", "grid.yaml", "--output", "out")
    assert ended.code == 1
    assert "slow/seed=1: failed, 0 s: out/slow/seed=1/grid.json: is not what medix ablate writes" in ended.out
    assert "2 runs: 1 failed, 1 done" in ended.out
    assert again.code == 0
    assert "2 runs: 2 done" in again.out


def test_a_folder_that_nothing_can_be_written_to_is_a_failure_of_its_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its state cannot say so; the line of the run and the status of the command do."""
    runs = made(tmp_path, "cells: {only: null}\n")
    write(runs[1], [record(i, 0, "left", float(i % 2)) for i in range(6)])

    @contextmanager
    def refused(path: Path, key: str = "", work: str = "") -> Iterator[None]:
        if runs[0].folder in (path, path.parent):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        yield

    monkeypatch.setattr("medix.studies.grid_run.held", refused)

    def unwritable(run: GridRun, state: RunState) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(run.folder))

    monkeypatch.setattr(GridRun, "_write", unwritable)
    assert ablate._run(runs, runs, 1) == 1
    shown = capsys.readouterr().out
    assert "only/seed=1: failed, 0 s: " in shown
    assert "Permission denied; check the path and its permissions" in shown
    assert "only/seed=2: done" in shown
