"""The runs of an ablation grid: each is an ordinary ``fit`` in a process and a folder of its own."""

import hashlib
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from medix.files.atomic_file import write_atomically
from medix.files.folder_lock import HeldError, held
from medix.reporting.record_check import NUMBER_OR_NULL, TEXT, RecordValueError, Rule, check_fields
from medix.reporting.render import plain
from medix.spec.spec_reading import settings, walk
from medix.stop_signal import SIGNALS, Stopped, stopped_by
from medix.studies.checksums import read_object
from medix.studies.grid import Cell, Grid
from medix.yaml_text import YamlDocument, write_yaml

_STATE = "grid.json"
_STOPPED = {128 + number for number in SIGNALS} | {-number for number in SIGNALS}
"""Exit statuses: of a run that ends as a signal asks, and of one that had not begun to catch them."""

_WRITTEN = ("waiting", "done", "failed", "stopped")
_FIELDS: Mapping[str, Rule] = {
    "status": (f"one of {', '.join(_WRITTEN)}", lambda value: value in _WRITTEN),
    "reason": TEXT,
    "seconds": NUMBER_OR_NULL,
    "settings": TEXT,
}
"""What a file of the state of a run holds."""

_OPTIONAL: Mapping[str, Rule] = {"began": NUMBER_OR_NULL}
"""The same, but for files of earlier versions."""

_WRITING_SECONDS = 5.0
"""Between the beginning of an attempt and the time of the file that says it, unless that is a copy."""

_REASON_LINES = 6
"""Of a message of several lines, those that are kept."""


@dataclass(frozen=True)
class RunState:
    """How far one run is.

    Attributes:
        status: ``waiting``, ``done``, ``failed``, ``stopped`` (by a signal; it goes on next time) or ``elsewhere``
            (another process has it).
        reason: last message of a run that failed, its lines separated by `` / ``; of one that is done, what it lacks.
        seconds: of all its attempts that have ended. NaN where the time of one is not known: the file that says it was
            lost, or is a copy of one whose ``ablate`` was killed.
        settings: digest of the settings that it was started with, those of parts too; empty if they are not known.
        began: seconds of ``time.time()`` at which the attempt began whose time is not among those; None if all are.
    """

    status: str = "waiting"
    reason: str = ""
    seconds: float = 0.0
    settings: str = ""
    began: float | None = None

    @property
    def can_go_on(self) -> bool:
        """Whether there is something to run; a run that was begun with settings that are not known is left alone."""
        return self.status == "waiting" or (self.status != "done" and self.settings != "")


@dataclass(frozen=True)
class GridRun:
    """One run of a grid.

    Attributes:
        grid: the grid.
        cell: the combination.
        seed: the seed.
        output: folder of all runs.
    """

    grid: Grid
    cell: Cell
    seed: int
    output: Path

    @property
    def name(self) -> str:
        """The name of its folder, below that of the grid."""
        return f"{self.cell.name}/seed={self.seed}"

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.output / self.cell.name / f"seed={self.seed}"

    @property
    def words(self) -> list[str]:
        """Its command, after ``python -m medix``."""
        return [
            *("fit", "--config", str(self.grid.spec), "--config", str(self.folder / "cell.yaml")),
            *("--trainer.default_root_dir", str(self.folder)),
        ]

    @property
    def _text(self) -> str:
        return write_yaml(self.cell.spec(self.seed, self.grid.seed_keys))

    @property
    def _digest(self) -> str:
        """Of all values in the spec, in the cell and in the parts that they name, wherever the files are."""
        cell = YamlDocument(self.cell.spec(self.seed, self.grid.seed_keys), {})
        said = [*settings(["--config", str(self.grid.spec)]), *walk("cell.yaml", (), cell, Path())]
        values = [
            (one.place, one.value)
            for one, after in zip(said, [*said[1:], None], strict=True)
            if after is None or after.place[: len(one.place)] != one.place  # else a block, or the file of a part
        ]
        return hashlib.sha256(json.dumps(values, default=str).encode()).hexdigest()[:16]

    def state(self) -> RunState:
        """How far it is: failed, without settings, where the file that says it cannot be read.

        Raises:
            ValueError: the folder was written with other settings.
        """
        file = self.folder / _STATE
        remedy = "move it away and start the same command again, which goes on from the last checkpoint of the run"
        try:
            written = read_object(file, "medix ablate", _FIELDS, remedy)
            check_fields(written, {**_FIELDS, **_OPTIONAL})
        except FileNotFoundError:
            return RunState()
        except RecordValueError as error:
            return RunState("failed", f"{file}: {error}; {remedy}")
        except ValueError as error:
            return RunState("failed", str(error))
        values = {name: written[name] for name in (*_FIELDS, *_OPTIONAL) if name in written}
        if written["seconds"] is None or (written["status"] == "stopped" and "began" not in written):
            values["seconds"] = math.nan  # an earlier version did not tell whether an attempt was under way
        state = RunState(**values)
        if state.settings != self._digest:
            raise ValueError(
                f"{self.folder}: was begun with other settings than the grid has now; give another --output, or move "
                "the folder away to run it anew"
            )
        return state

    @property
    def is_under_way(self) -> bool:
        """Whether a process has it; its folder says ``stopped`` meanwhile, for a kill."""
        if not self.folder.is_dir():
            return False
        try:
            with held(self.folder / ".ablate"), held(self.folder):
                return False
        except HeldError:
            return True
        except OSError:  # nor can anybody write into it
            return False

    def write_spec(self) -> None:
        """Write the settings of the run where its command reads them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / "cell.yaml", self._text)

    def run(self, started: Callable[["subprocess.Popen[bytes]"], None]) -> RunState:
        """Start it, or go on with it, and wait. What its folder does not allow is a failure of this run.

        Args:
            started: is told the process.

        Raises:
            ValueError: the folder was written with other settings.
        """
        before = self.state()
        if not before.can_go_on:
            return before
        try:
            # not the folder itself: fit locks that
            with held(self.folder / ".ablate", key="--output", work="ablate"):
                with held(self.folder):
                    pass  # nor is there a fit that has outlived its ablate
                before = self.state()
                return self._run(before, started) if before.can_go_on else before
        except HeldError:
            return RunState("elsewhere")
        except OSError as error:
            told = f"{error.filename or self.folder}: {error.strerror or error}; check the path and its permissions"
            state = replace(self.state(), status="failed", reason=told, settings=self._digest)
            with suppress(OSError):
                self._write(state)
            return state

    def _run(self, before: RunState, started: Callable[["subprocess.Popen[bytes]"], None]) -> RunState:
        self.write_spec()
        seconds = before.seconds + self._unrecorded(before.began)
        with (self.folder / "fit.log").open("ab") as log:
            start = log.tell()
            self._write(RunState("stopped", "", seconds, self._digest, time.time()))
            began = time.monotonic()
            process = subprocess.Popen(
                [sys.executable, "-m", "medix", *self.words], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            started(process)
            code = process.wait()
        status = "done" if code == 0 else "stopped" if code in _STOPPED else "failed"
        seconds += time.monotonic() - began
        state = RunState(status, self._reason(code, start) if status == "failed" else "", seconds, self._digest)
        self._write(state)
        return state

    def _unrecorded(self, began: float | None) -> float:
        """Seconds of an attempt after which no state was written, up to the last line of its log.

        NaN where they are not known: the state was lost, with the time of all attempts before; or the times of the
        files are not those of the attempt, as in a copy.

        Args:
            began: as the state says.
        """
        state, log = self.folder / _STATE, self.folder / "fit.log"
        if not state.is_file():
            return math.nan if log.is_file() else 0.0
        if began is None:
            return 0.0
        written, ended = (path.stat().st_mtime if path.is_file() else -math.inf for path in (state, log))
        return ended - began if abs(written - began) <= _WRITING_SECONDS and ended > written else math.nan

    def _write(self, state: RunState) -> None:
        write_atomically(self.folder / _STATE, json.dumps(plain(asdict(state)), allow_nan=False) + "\n")

    def _reason(self, code: int, start: int) -> str:
        """Its last message: what earlier attempts said, before a byte of its log, explains nothing of this one."""
        with (self.folder / "fit.log").open("rb") as log:
            log.seek(start)
            text = log.read().decode("utf-8", "replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()][-200:]
        begins = [index for index, line in enumerate(lines) if line.startswith("medix: error")]
        told = lines[begins[-1] :] if begins else lines[-1:]
        if len(told) > _REASON_LINES:  # its first line says what, and its last ones why
            told = [told[0], "…", *told[2 - _REASON_LINES :]]
        said = " / ".join(told) or "without a word"
        # of a process that was killed the last line is no reason
        return f"killed by {signal.Signals(-code).name}, after: {said}" if code < 0 else f"status {code}: {said}"


class GridRunner:
    """Runs what is not done yet, several at a time.

    Args:
        runs: the runs, in the order in which they are started.
        jobs: number of them at a time.
    """

    def __init__(self, runs: Sequence[GridRun], jobs: int = 1) -> None:
        self.runs = runs
        self.jobs = jobs
        self._processes: list[subprocess.Popen[bytes]] = []
        self._is_stopped = False

    def run(self, ended: Callable[[GridRun, RunState], None]) -> dict[str, RunState]:
        """Run them; the failure of one does not touch the others.

        An interrupt, SIGTERM, or SIGUSR1 by which Slurm announces the end of a job, ends the runs that are under way,
        which save as after any signal, and is raised. Called in the main thread, which gets signals.

        Args:
            ended: is told each run when it has ended.

        Returns:
            The state of each run by its name.
        """
        states: dict[str, RunState] = {}
        with _announced_end_raises(), ThreadPoolExecutor(self.jobs) as pool:
            waiting: dict[Future[RunState], GridRun] = {pool.submit(self._one, run): run for run in self.runs}
            try:
                while waiting:
                    for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                        run = waiting.pop(future)
                        states[run.name] = future.result()
                        ended(run, states[run.name])
            except BaseException as error:
                self._stop(error.number if isinstance(error, Stopped) else signal.SIGTERM)
                raise
        return states

    def _one(self, run: GridRun) -> RunState:
        if self._is_stopped:
            return run.state()
        state = run.run(self._started)
        if state.status == "stopped":  # somebody has stopped this run, and means all of them
            self._is_stopped = True
        return state

    def _started(self, process: "subprocess.Popen[bytes]") -> None:
        self._processes.append(process)
        if self._is_stopped:  # since this run was chosen
            process.terminate()

    def _stop(self, number: int) -> None:
        self._is_stopped = True
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(number)


@contextmanager
def _announced_end_raises() -> Iterator[None]:
    """Have SIGUSR1 raise ``Stopped``: by itself it ends this process, and the runs go on without it."""

    def stop(number: int, frame: Any) -> None:  # noqa: ARG001 - the signature of a handler
        raise Stopped(number, stopped_by(number))

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)
