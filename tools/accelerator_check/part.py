"""A part of the check: cases that share a process, each of which is proven, fails, or lacks something here."""

import gc
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

LINES = 30
"""Lines that a message keeps of what a failing case printed."""

Numbers = dict[str, Any]
Case = tuple[str, Callable[[], Numbers]]


class AbsentError(Exception):
    """This machine lacks what a case needs."""


@dataclass(frozen=True)
class Row:
    """One case of the check.

    Attributes:
        part: name of the part.
        case: name of the case; empty for the part as a whole.
        outcome: ``running`` while it runs; what still does when its process ends has failed.
        seconds: that it took.
        numbers: what was measured.
        message: why it failed, or what is absent.
    """

    part: str
    case: str
    outcome: Literal["running", "proven", "failed", "absent"]
    seconds: float = 0.0
    numbers: Numbers = field(default_factory=dict)
    message: str = ""


class Part(ABC):
    """Cases that share a process.

    Args:
        folder: for its files; exists.
        tiny: run at the size for a CPU; always so without an accelerator.
    """

    def __init__(self, folder: Path, tiny: bool = False) -> None:
        import torch  # not above: the command starts, and says what is missing, without it

        found = torch.accelerator.current_accelerator(check_available=True)
        self.folder = folder
        self.device = "cpu" if found is None else found.type
        self.tiny = tiny or found is None

    @abstractmethod
    def cases(self) -> Iterator[Case]:
        """Names and functions, the most informative first; a function raises, or returns what it measured."""

    def run(self, name: str, keep: Callable[[Row], None], log: Path | None = None) -> None:
        """Run all cases.

        Args:
            name: of the part, for the rows.
            keep: called with a row when a case begins and when it ends.
            log: file that this process prints to; a failure quotes what its case printed.
        """
        for case, work in self.cases():
            keep(Row(name, case, "running"))
            start, printed = time.monotonic(), _size(log)
            outcome: Literal["proven", "failed", "absent"] = "proven"
            numbers: Numbers = {}
            message = ""
            try:
                numbers = work()
            except (Exception, SystemExit) as error:  # noqa: BLE001  # whatever it is, it is the result of the case
                outcome = "absent" if _is_absence(error) else "failed"
                message = str(error) if outcome == "absent" else _failure(error, log, printed)
            keep(Row(name, case, outcome, round(time.monotonic() - start, 2), numbers, message))
            self._release()

    def _release(self) -> None:
        """Give back memory, for the next case."""
        import torch

        gc.collect()
        if self.device != "cpu":
            try:
                torch.accelerator.empty_cache()
            except RuntimeError:
                return  # after an error of the device every call fails, and so will the next case


def tail(log: Path | None, start: int = 0) -> str:
    """The last lines of a file, from a position on."""
    if log is None or not log.exists():
        return ""
    with log.open("rb") as opened:
        opened.seek(start)
        return "\n".join(opened.read().decode(errors="replace").strip().splitlines()[-LINES:])


def is_foreign(error: ModuleNotFoundError) -> bool:
    """Whether the module that was not found is of another package."""
    return (error.name or "").partition(".")[0] not in ("medix", "tools")


def _is_absence(error: BaseException) -> bool:
    return isinstance(error, AbsentError) or (isinstance(error, ModuleNotFoundError) and is_foreign(error))


def _failure(error: BaseException, log: Path | None, start: int) -> str:
    said = tail(log, start)
    raised = "".join(traceback.format_exception(error)).strip().splitlines()[-LINES:]
    return "\n".join([*([said] if said else []), *raised])


def _size(log: Path | None) -> int:
    return log.stat().st_size if log is not None and log.exists() else 0
