"""Parts that need no packages."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tools.accelerator_check.part import AbsentError, Case, Numbers, Part


class Fake(Part):
    """Does not look for an accelerator, for which it would import torch."""

    def __init__(self, folder: Path, tiny: bool = False) -> None:
        self.folder = folder
        self.device = "cpu"
        self.tiny = tiny

    def cases(self) -> Iterator[Case]:
        yield "good", self.good

    def good(self) -> Numbers:
        return {"tiny": self.tiny, "half": 0.5}

    def _release(self) -> None:
        pass


class Mixed(Fake):
    """One case of each outcome."""

    def cases(self) -> Iterator[Case]:
        yield "good", self.good
        yield "bad", self.bad
        yield "exits", self.exits
        yield "absent", self.absent
        yield "foreign", self.foreign
        yield "own", self.own

    def bad(self) -> Numbers:
        sys.stdout.write("a line of the failing case\n")
        sys.stdout.flush()
        raise ValueError("seven is not eight")

    def exits(self) -> Numbers:
        raise SystemExit(3)

    def absent(self) -> Numbers:
        raise AbsentError("needs a GPU")

    def foreign(self) -> Numbers:
        import no_such_package  # type: ignore[import-not-found]

        return dict(no_such_package.numbers)

    def own(self) -> Numbers:
        raise ModuleNotFoundError("No module named 'medix.gone'", name="medix.gone")


class Dies(Fake):
    """Its second case ends the process, as a crash of a library does."""

    def cases(self) -> Iterator[Case]:
        yield "good", self.good
        yield "dies", self.dies
        yield "never", self.good

    def dies(self) -> Numbers:
        sys.stderr.write("about to die\n")
        os.abort()


class Hangs(Fake):
    """Its only case does not end, nor does the process that it started."""

    def cases(self) -> Iterator[Case]:
        yield "hangs", self.hangs

    def hangs(self) -> Numbers:
        if (child := os.fork()) == 0:
            time.sleep(3600)
        (self.folder / "child").write_text(str(child))
        time.sleep(3600)
        return {}


class Lacks(Fake):
    """Cannot be made here."""

    def __init__(self, folder: Path, tiny: bool = False) -> None:
        raise ModuleNotFoundError("No module named 'lightning'", name="lightning")
