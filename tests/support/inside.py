"""``python -m medix`` without a process of its own: quick, and what it printed beside its exit status."""

import contextlib
import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Inside:
    """Commands run in a working directory.

    Args:
        folder: the working directory; modules in it can be imported, as under ``python -m``.
    """

    folder: Path

    def __call__(self, *words: str) -> Outcome:
        """Run one command."""
        from medix.__main__ import main

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main(list(words))
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else 1
        return Outcome(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def working_in(folder: Path) -> Iterator[Inside]:
    """Go to a folder; leave no trace of its modules, of the command line or of log filters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setattr(sys, "argv", ["medix"])
        patch.setenv("COLUMNS", "200")
        before = set(sys.modules)
        yield Inside(folder)
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).parent == folder:
                del sys.modules[name]
