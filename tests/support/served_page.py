"""A command that serves a page, in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.runs import ROOT


class ServedPage:
    """The command, started; waits until it serves. Leaving the block kills it, unless it has ended.

    Args:
        words: after ``medix``.
    """

    def __init__(self, *words: str | Path) -> None:
        command = [sys.executable, "-m", "medix", *map(str, words)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.output = ""
        assert self.process.stdout is not None
        while "Ctrl-C ends it" not in self.output:
            line = self.process.stdout.readline()
            assert line, self.output
            self.output += line

    @property
    def links(self) -> list[str]:
        """Those that were printed."""
        return re.findall(r"http://[^\s;]+/[^\s;]+", self.output)

    @property
    def port(self) -> str:
        """Where it listens."""
        return re.findall(r"http://[^:]+:(\d+)", self.output)[-1]

    def __enter__(self) -> "ServedPage":
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and wait; returns the exit status."""
        os.kill(self.process.pid, number)
        assert self.process.stdout is not None
        self.output += self.process.stdout.read()
        return self.process.wait(120)


class ServedStudy(ServedPage):
    """``study serve``, started.

    Args:
        words: after it.
    """

    def __init__(self, *words: str | Path) -> None:
        super().__init__("study", "serve", *words)
