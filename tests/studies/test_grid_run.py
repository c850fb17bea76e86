"""Runs of a grid: what goes on, fails, is stopped. ``fit`` is a script here; the test of the command has a real one."""

import errno
import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medix.files.folder_lock import held
from medix.stop_signal import Stopped
from medix.studies.grid import Grid
from medix.studies.grid_run import GridRun, GridRunner, RunState

FIT = """
import json, os, pathlib, signal, sys, time, yaml
folder = pathlib.Path(sys.argv[-1])
cell = yaml.safe_load((folder / "cell.yaml").read_text())
with (folder / "starts").open("a") as file:
    file.write("x")
print("Loading", flush=True)
if cell.get("wait") and not (folder / "again").exists():
    (folder / "again").touch()
    time.sleep(60)
if cell.get("killed") and (folder / "starts").read_text() != "x":
    os.kill(os.getpid(), signal.SIGKILL)
if cell.get("fails") or cell.get("killed"):
    sys.exit("medix: error: model.loss: no such loss\\nand more")
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[GridRun]:
    (tmp_path / "medix_fit.py").write_text(FIT)
    start = subprocess.Popen

    def fit(words: list[str], **options: object) -> "subprocess.Popen[bytes]":
        assert words[:4] == [sys.executable, "-m", "medix", "fit"]
        return start([sys.executable, str(tmp_path / "medix_fit.py"), *words[4:]], **options)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(subprocess, "Popen", fit)
    (tmp_path / "spec.yaml").write_text("{}\n")
    (tmp_path / "grid.yaml").write_text(
        "spec: spec.yaml\nseeds: [1, 2]\nseed_keys: [seed]\n"
        "cells: {good: {a.b: 1}, bad: {fails: true}, slow: {wait: true}, killed: {killed: true}}\n"
    )
    grid = Grid.read(tmp_path / "grid.yaml")
    return [GridRun(grid, cell, seed, tmp_path / "out put") for cell, seed in grid.runs]


def starts(run: GridRun) -> int:
    return len((run.folder / "starts").read_text())


def test_a_failure_is_a_row_and_what_is_done_is_not_run_again(runs: list[GridRun]) -> None:
    some = [run for run in runs if run.cell.name in {"good", "bad"}]
    told: list[str] = []
    states = GridRunner(some, jobs=2).run(lambda run, state: told.append(f"{run.name} {state.status}"))
    assert sorted(told) == ["bad/seed=1 failed", "bad/seed=2 failed", "good/seed=1 done", "good/seed=2 done"]
    assert states["bad/seed=1"].reason == "status 1: medix: error: model.loss: no such loss / and more"
    assert "a:\n  b: 1\nseed: 2" in (some[2].folder / "cell.yaml").read_text()
    GridRunner(some).run(lambda run, state: None)
    assert [starts(run) for run in some] == [1, 2, 1, 2]


def test_the_reason_of_a_failure_is_of_its_last_attempt(runs: list[GridRun]) -> None:
    """Such as an end for want of memory, which leaves no message, after an error that has been repaired."""
    run = runs[3]
    first = GridRunner([run]).run(lambda run, state: None)[run.name]
    second = GridRunner([run]).run(lambda run, state: None)[run.name]
    assert (first.reason, second.reason) == (
        "status 1: medix: error: model.loss: no such loss / and more",
        "killed by SIGKILL, after: Loading",
    )


def test_a_long_reason_is_its_first_line_and_its_last_ones(runs: list[GridRun]) -> None:
    """A traceback before it, and an earlier message, are no part of it; without a message there is the last line."""
    run = runs[0]
    run.folder.mkdir(parents=True)
    for said, told in (
        ("medix: error: early\nTraceback:\nmedix: error: none starts\n\n" + "".join(f"  {n}\n" for n in range(9)),
         "status 2: medix: error: none starts / … / 5 / 6 / 7 / 8"),
        ("medix: error: none starts\n" + "".join(f"{n}\n" for n in range(5)),
         "status 2: medix: error: none starts / 0 / 1 / 2 / 3 / 4"),
        ("Traceback:\n  at\nKeyError: 'x'\n", "status 2: KeyError: 'x'"),
        ("\n", "status 2: without a word"),
    ):  # fmt: skip
        (run.folder / "fit.log").write_text(said)
        assert run._reason(2, 0) == told


def test_other_settings_in_a_part_are_refused_too_and_the_same_are_not_wherever_they_are(tmp_path: Path) -> None:
    """Else rows would mix runs of the old part with runs of the new one."""
    for folder in (tmp_path / "here", tmp_path / "there"):
        folder.mkdir()
        (folder / "spec.yaml").write_text("model: model.yaml\n")
        (folder / "model.yaml").write_text("# a comment\nloss: a\n" if folder.name == "there" else "loss: a\n")
        (folder / "judge.yaml").write_text("class_path: J\n")
        (folder / "grid.yaml").write_text("spec: spec.yaml\nseed_keys: [seed]\ncells: {a: {judge: judge.yaml}}\n")
    here, there = (
        GridRun(grid, *grid.runs[0], tmp_path / "out")
        for grid in (Grid.read(tmp_path / folder / "grid.yaml") for folder in ("here", "there"))
    )
    here.write_spec()
    here._write(RunState("done", settings=here._digest))
    assert there.state().status == "done"
    for part, other in (("model.yaml", "loss: b\n"), ("judge.yaml", "class_path: K\n")):
        kept = (tmp_path / "there" / part).read_text()
        (tmp_path / "there" / part).write_text(other)
        with pytest.raises(ValueError, match="was begun with other settings"):
            there.state()
        (tmp_path / "there" / part).write_text(kept)


def test_other_settings_are_refused_in_a_folder_that_was_begun(runs: list[GridRun]) -> None:
    GridRunner(runs[:1]).run(lambda run, state: None)
    runs[0].grid.spec.write_text("model: {}\n")
    with pytest.raises(ValueError, match=r"good/seed=1: was begun with other settings .* or move the folder away"):
        runs[0].state()


def test_the_time_of_a_run_is_not_known_where_the_state_was_lost_after_an_attempt(runs: list[GridRun]) -> None:
    """It would be the time of the later attempt alone."""
    run = runs[0]
    assert run.run(lambda process: None).seconds > 0
    (run.folder / "grid.json").unlink()
    assert math.isnan(run.run(lambda process: None).seconds)
    assert run.state().status == "done"
    assert math.isnan(run.state().seconds)
    assert '"seconds": null' in (run.folder / "grid.json").read_text()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_text(""),
    "cut": lambda file: file.write_text('{"status": "do'),
    "list": lambda file: file.write_text("[1]"),
    "deep": lambda file: file.write_text("[" * 99999),
    "bytes": lambda file: file.write_bytes(b"\xff\xfe"),
    "key": lambda file: file.write_text('{"status": "done"}'),
    "status": lambda file: file.write_text(file.read_text().replace("done", "gone")),
    "value": lambda file: file.write_text(file.read_text().replace('"seconds": ', '"seconds": "x", "s": ')),
    "folder": lambda file: (file.unlink(), file.mkdir()),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_state_is_a_failure_of_its_run_that_is_not_begun_and_the_others_go_on(
    runs: list[GridRun], kind: str
) -> None:
    """Without it the settings that the run was begun with are not known. As the message says, it goes on without it."""
    some = [run for run in runs if run.cell.name == "good"]
    GridRunner(some[:1]).run(lambda run, state: None)
    file = some[0].folder / "grid.json"
    DAMAGES[kind](file)
    states = GridRunner(some).run(lambda run, state: None)
    assert [states[run.name].status for run in some] == ["failed", "done"]
    assert states[some[0].name] == some[0].state()
    assert states[some[0].name].reason.startswith(f"{file}: ")
    assert "move it away and start the same command again" in states[some[0].name].reason
    assert [starts(run) for run in some] == [1, 1]
    file.rename(file.parent / "aside")
    assert some[0].run(lambda process: None).status == "done"


@pytest.mark.parametrize("name", ["cell.yaml", "fit.log"])
def test_a_file_that_cannot_be_written_is_a_failure_of_its_run(runs: list[GridRun], name: str) -> None:
    some = [run for run in runs if run.cell.name == "good"]
    (some[0].folder / name).mkdir(parents=True)
    states = GridRunner(some).run(lambda run, state: None)
    assert [states[run.name].status for run in some] == ["failed", "done"]
    assert states[some[0].name].reason == f"{some[0].folder / name}: Is a directory; check the path and its permissions"
    assert some[0].state() == states[some[0].name]
    (some[0].folder / name).rmdir()
    assert some[0].run(lambda process: None).status == "done"


def test_a_file_in_the_place_of_the_folder_is_a_failure_of_its_run(runs: list[GridRun]) -> None:
    some = [run for run in runs if run.cell.name == "good"]
    some[0].folder.parent.mkdir(parents=True)
    some[0].folder.write_text("")
    states = GridRunner(some).run(lambda run, state: None)
    assert [states[run.name].status for run in some] == ["failed", "done"]
    assert "good/seed=1/grid.json: cannot be read (Not a directory)" in states[some[0].name].reason


def test_a_run_whose_state_may_not_be_read_has_failed(runs: list[GridRun], monkeypatch: pytest.MonkeyPatch) -> None:
    GridRunner(runs[:1]).run(lambda run, state: None)

    def refused(path: Path, **options: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "read_text", refused)
    monkeypatch.setattr(GridRun, "_digest", "x")
    assert runs[0].state().status == "failed"
    assert "grid.json: cannot be read (Permission denied)" in runs[0].state().reason


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGUSR1, Stopped)], ids=["SIGINT", "SIGUSR1"]
)
def test_an_interrupt_ends_the_runs_under_way_and_they_go_on_next_time(
    runs: list[GridRun], number: int, raised: type[BaseException]
) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    slow = [run for run in runs if run.cell.name == "slow"]

    def interrupt() -> None:
        while not all((run.folder / "again").exists() for run in slow):
            pass
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(raised):
        GridRunner(slow, jobs=2).run(lambda run, state: None)
    thread.join()
    assert signal.getsignal(signal.SIGUSR1) == before
    assert [run.state().status for run in slow] == ["stopped", "stopped"]
    states = GridRunner(slow).run(lambda run, state: None)
    assert [state.status for state in states.values()] == ["done", "done"]
    assert [starts(run) for run in slow] == [2, 2]


def test_a_run_that_is_stopped_stops_the_grid(runs: list[GridRun]) -> None:
    """Somebody who ends a run by SIGTERM does not want the next one to begin."""
    chosen = [runs[2], runs[0]]

    def stop() -> None:
        while not (chosen[0].folder / "again").exists():
            pass
        process[0].terminate()

    process: list[subprocess.Popen[bytes]] = []
    runner = GridRunner(chosen)
    runner._processes = process
    thread = threading.Thread(target=stop)
    thread.start()
    states = runner.run(lambda run, state: None)
    thread.join()
    assert [states[run.name].status for run in chosen] == ["stopped", "waiting"]
    assert not (chosen[1].folder / "starts").exists()


def test_a_run_that_another_process_has_is_left_to_it(runs: list[GridRun]) -> None:
    """The lock is on the folder, whoever holds it."""
    slow, processes = runs[2], []
    thread = threading.Thread(target=slow.run, args=(processes.append,))
    thread.start()
    while not (slow.folder / "again").exists():
        pass
    states = GridRunner([slow, runs[0]]).run(lambda run, state: None)
    assert [states[run.name].status for run in (slow, runs[0])] == ["elsewhere", "done"]
    processes[0].terminate()
    thread.join()
    assert starts(slow) == 1


def test_a_fit_that_has_outlived_its_ablate_is_left_alone(runs: list[GridRun]) -> None:
    """It holds the folder itself; a second fit would be refused there, and counted as a failure."""
    with held(runs[0].folder):
        assert runs[0].run(lambda process: None).status == "elsewhere"
    assert runs[0].run(lambda process: None).status == "done"
    assert starts(runs[0]) == 1


def killed(run: GridRun) -> GridRun:
    """The run as it is when its ``ablate`` was killed 100 s after it had begun a second attempt, the first of 50 s."""
    run.write_spec()
    began = time.time() - 1000
    run._write(RunState("stopped", "", 50.0, run._digest, began))
    (run.folder / "fit.log").write_text("step 1\n")
    os.utime(run.folder / "grid.json", (began + 1, began + 1))
    os.utime(run.folder / "fit.log", (began + 100, began + 100))
    return run


_TIMED = ("grid.json", "fit.log")
CHANGES: dict[str, Callable[[Path], object]] = {
    "copied": lambda folder: [(folder / name).write_bytes((folder / name).read_bytes()) for name in _TIMED],
    "state copied": lambda folder: os.utime(folder / "grid.json"),
    "log of an earlier attempt": lambda folder: os.utime(folder / "fit.log", (1, 1)),
    "no log": lambda folder: (folder / "fit.log").unlink(),
    "earlier version": lambda folder: (folder / "grid.json").write_text(
        re.sub(r', "began": [^,}]+', "", (folder / "grid.json").read_text())
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_time_of_an_attempt_that_was_killed_is_not_known_where_the_times_of_its_files_are_not_its_own(
    runs: list[GridRun], change: str
) -> None:
    run = killed(runs[0])
    CHANGES[change](run.folder)
    assert math.isnan(run.run(lambda process: None).seconds)
    assert run.state().status == "done"
    assert math.isnan(run.state().seconds)


def test_the_time_of_attempts_that_ended_is_known_in_a_copy(runs: list[GridRun]) -> None:
    run = runs[1]
    run.write_spec()
    run._write(RunState("failed", "", 50.0, run._digest))
    (run.folder / "fit.log").write_text("step 1\n")
    assert 50 <= run.run(lambda process: None).seconds < 100


def test_a_file_that_cannot_be_written_loses_no_time_without_a_word(runs: list[GridRun]) -> None:
    """The state is written anew then, so that its own time says nothing of the attempt that was killed before."""
    run = killed(runs[0])
    (run.folder / "cell.yaml").unlink()
    (run.folder / "cell.yaml").mkdir()
    assert run.run(lambda process: None).status == "failed"
    (run.folder / "cell.yaml").rmdir()
    assert math.isnan(run.run(lambda process: None).seconds)


def test_the_time_of_an_attempt_whose_ablate_was_killed_counts_up_to_the_last_line_of_its_log(
    runs: list[GridRun],
) -> None:
    run = killed(runs[0])
    assert 150 <= run.run(lambda process: None).seconds < 200
    run._write(RunState("stopped", "", 150.0, run._digest))  # as when an interrupt ends it: after its log
    assert 150 <= run.run(lambda process: None).seconds < 200


def test_to_ask_whether_a_run_is_under_way_leaves_no_folder(runs: list[GridRun]) -> None:
    assert not runs[0].is_under_way
    assert not runs[0].folder.exists()
