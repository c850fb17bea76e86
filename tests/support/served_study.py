"""``study serve`` in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.runs import ROOT


class ServedStudy:
    """The command, started; waits until it serves. Leaving the block kills it, unless it has ended.

    Args:
        words: after ``study serve``.
    """

    def __init__(self, *words: str | Path) -> None:
        command = [sys.executable, "-m", "medix", "study", "serve", *map(str, words)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.output = ""
        assert self.process.stdout is not None
        while "Serving on" not in self.output:
            line = self.process.stdout.readline()
            assert line, self.output
            self.output += line

    @property
    def links(self) -> list[str]:
        """Those that were printed."""
        return re.findall(r"http://\S+/r/\S+", self.output)

    @property
    def port(self) -> str:
        """Where it listens."""
        return re.findall(r"Serving on http://[^:]+:(\d+)", self.output)[0]

    def __enter__(self) -> "ServedStudy":
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
