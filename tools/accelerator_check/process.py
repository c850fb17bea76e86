"""A part in a process of its own, whose crash or hang is a row."""

import contextlib
import faulthandler
import importlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

from tools.accelerator_check.part import Part, Row, is_foreign, tail

ROOT = Path(__file__).parents[2]
GRACE = 10.0
"""Seconds in which a process that ran out of time says where it hangs, before it is killed."""


def work(name: str, class_path: str, folder: Path, seconds: float, tiny: bool) -> None:
    """Run a part in this process, and write a line for every begin and end of a case.

    Args:
        name: of the part.
        class_path: of its class.
        folder: for its files, ``rows.jsonl`` among them.
        seconds: after which this process prints where it hangs and ends.
        tiny: run at the size for a CPU.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)
    with (folder / "rows.jsonl").open("a") as lines:

        def keep(row: Row) -> None:
            lines.write(json.dumps(asdict(row)) + "\n")
            lines.flush()

        module, _, attribute = class_path.rpartition(".")
        try:
            part: Part = getattr(importlib.import_module(module), attribute)(folder, tiny)
        except ModuleNotFoundError as error:
            if not is_foreign(error):
                raise
            keep(Row(name, "", "absent", message=str(error)))
            return
        part.run(name, keep, folder / "log")
    faulthandler.cancel_dump_traceback_later()


def rows(name: str, class_path: str, folder: Path, seconds: float, tiny: bool) -> list[Row]:
    """Run a part in another process, and end that and what it started.

    Args:
        name: of the part.
        class_path: of its class.
        folder: for its files; created.
        seconds: that it may take.
        tiny: run at the size for a CPU.
    """
    folder.mkdir(parents=True)
    words = ["--part", name, class_path, "--folder", str(folder), "--seconds", str(seconds)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tools.accelerator_check", *words, *(["--tiny"] if tiny else [])],
            cwd=ROOT, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        status: int | None = process.wait(seconds + GRACE)
    except subprocess.TimeoutExpired:
        status = None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # also processes that it left behind
        process.wait()
    return ended(name, folder, status)


def ended(name: str, folder: Path, status: int | None) -> list[Row]:
    """The rows of a process that ended: a case that was running has failed, and cases behind it were not tried.

    Args:
        name: of the part.
        folder: of the part.
        status: exit status, negative after a signal; None if it had to be killed.
    """
    written = folder / "rows.jsonl"
    found = [Row(**json.loads(line)) for line in written.read_text().splitlines()] if written.exists() else []
    by_case = {row.case: row for row in found}
    if status != 0:
        reason = "was killed after its time" if status is None else f"ended with status {status}"
        message = f"{tail(folder / 'log')}\nthe process {reason}; later cases were not tried".strip()
        case = next((row.case for row in by_case.values() if row.outcome == "running"), "")
        by_case[case] = replace(by_case.get(case, Row(name, case, "failed")), outcome="failed", message=message)
    return list(by_case.values())
