"""A page in headless Chromium: what its document became, what it said on the console, how it looks."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.support.requirements import chromium

LIMIT = 300
"""Seconds until a browser counts as hanging."""
OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
"""Of every Chromium that tests start."""
_CONSOLE = re.compile(r":(?:INFO|WARNING|ERROR):CONSOLE[:(].*?\] (.*)")


@dataclass(frozen=True)
class Opened:
    """A page after its scripts have run.

    Attributes:
        document: the HTML that it has become.
        console: messages and errors of the page.
    """

    document: str
    console: list[str]


def opened(page: Path, folder: Path) -> Opened:
    """Open a file; the folder takes the browser's profile."""
    ended = _run(page, folder, "--dump-dom", "--enable-logging=stderr")
    return Opened(ended.stdout, _CONSOLE.findall(ended.stderr))


def screenshot(page: Path, folder: Path, width: int = 1200, height: int = 3000) -> Image.Image:
    """The top of a page."""
    target = folder / f"{page.stem}.png"
    _run(page, folder, f"--screenshot={target}", f"--window-size={width},{height}", "--hide-scrollbars")
    return Image.open(target).convert("RGB")


def _run(page: Path, folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [str(chromium()), *OPTIONS, f"--user-data-dir={folder / 'profile'}", *words, page.as_uri()]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return ended
