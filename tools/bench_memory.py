"""Peak memory of an update, compared with the plain pass and with TRL.

    python -m tools.bench_memory --json FILE

Each case runs in a separate process: one step of ``tools.bench_step`` on a model with a vocabulary of 150,000. The
peak of resident memory during the update is measured, minus the memory that was resident before. Prompt length,
completion length and group size grow one at a time; the last case combines a long prompt with a larger group, since
every completion keeps a copy of its prompt's keys and values for the backward pass. Linux only: the peak is read from
``/proc``.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from medix.policy.tiny import TinySize
from tools.bench_step import workload
from tools.bench_step.workload import Shape

VOCABULARY = 150_000
SIZE = TinySize(width=256, depth=2, heads=4, hidden=768, vision_width=64, image_side=1024, context=8192)
SIDES = ("shared", "plain", "trl")
CASES = (
    Shape("", (14, 14), 30, 4, 64, 1),
    Shape("", (44, 44), 30, 4, 64, 1),
    Shape("", (14, 14), 30, 4, 256, 1),
    Shape("", (14, 14), 30, 16, 256, 1),
    Shape("", (44, 44), 30, 8, 64, 1),
)
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_ARENA_MAX": "1"}
"""Allocator settings that return freed memory to the system, so that earlier parts do not affect a peak."""


def build(folder: Path, vocabulary: int = VOCABULARY, size: TinySize = SIZE) -> Path:
    """A small model with a large vocabulary; its tokenizer uses the first part of it."""
    from transformers import AutoModelForImageTextToText

    workload.build(folder, size)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    model.resize_token_embeddings(vocabulary, mean_resizing=False)
    model.save_pretrained(folder)
    return folder


class Peak:
    """Peak of the resident bytes of this process.

    Attributes:
        bytes: peak between ``begin`` and ``end``, minus those resident at ``begin``.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._before = 0

    def begin(self) -> None:
        """Reset the peak."""
        self._before = resident("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")

    def end(self) -> None:
        """Read the peak."""
        self.bytes = resident("VmHWM") - self._before


def resident(name: str) -> int:
    """A line of ``/proc/self/status`` in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


@contextmanager
def _watched(owner: type, first: str, last: str, peak: Peak) -> Iterator[None]:
    """Measure the peak between the call of one method and the return of another."""
    begin, end = getattr(owner, first), getattr(owner, last)

    def beginning(*arguments: Any, **named: Any) -> Any:
        peak.begin()
        result = begin(*arguments, **named)
        if first == last:
            peak.end()
        return result

    def ending(*arguments: Any, **named: Any) -> Any:
        result = end(*arguments, **named)
        peak.end()
        return result

    setattr(owner, first, beginning)
    if first != last:
        setattr(owner, last, ending)
    try:
        yield
    finally:
        setattr(owner, first, begin)
        setattr(owner, last, end)


def peak_of(side: str, folder: Path, shape: Shape) -> int:
    """Peak bytes of the update of one step above those resident before, in this process."""
    peak = Peak()
    if side == "trl":
        from tools.bench_step.peer import TimedTrainer, TRLStep

        step = TRLStep(folder, shape, folder / "trl")
        with _watched(TimedTrainer, "compute_loss", "training_step", peak):
            step.step()
        return peak.bytes
    from medix.modules.update import Update
    from tools.bench_step.ours import MedixStep

    ours = MedixStep(folder, shape, shared_prefix=side == "shared")
    ours.step()  # warm-up: the first step also runs the self-check, which TRL has no counterpart of
    with _watched(Update, "accumulate", "accumulate", peak):
        ours.step()
    return peak.bytes


def case(side: str, folder: Path, number: int) -> int:
    """``peak_of`` in a separate process."""
    command = [sys.executable, "-W", "ignore", "-m", "tools.bench_memory", "--side", side, "--case", str(number)]
    done = subprocess.run(
        [*command, "--folder", str(folder)], env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=1800
    )
    if done.returncode:
        raise RuntimeError(f"{side}, case {number}: exit status {done.returncode}\n{done.stderr[-2000:]}")
    return int(done.stdout.split()[-1])


def run(cases: Sequence[Shape]) -> dict[str, Any]:
    """All cases on all sides."""
    with tempfile.TemporaryDirectory() as name:
        folder = build(Path(name) / "model")
        rows = [
            {
                "prompt_tokens": shape.image[0] * shape.image[1],
                "completion_tokens": shape.completion_tokens,
                "group_size": shape.group_size,
                "peak_bytes": {side: case(side, folder, CASES.index(shape)) for side in SIDES},
            }
            for shape in track(cases, "cases", transient=True)
        ]
    return {"vocabulary": VOCABULARY, "cases": rows}


def show(result: dict[str, Any]) -> None:
    """Print a table."""
    table = Table(title=f"Peak memory of an update in MB, vocabulary {result['vocabulary']}")
    for column in ("image tokens", "T", "G", "medix", "plain pass", "TRL", "all logits"):
        table.add_column(column, justify="right")
    for row in result["cases"]:
        logits = 4 * result["vocabulary"] * row["completion_tokens"] * row["group_size"]
        table.add_row(
            *(str(row[key]) for key in ("prompt_tokens", "completion_tokens", "group_size")),
            *(f"{row['peak_bytes'][side] / 2**20:.0f}" for side in SIDES),
            f"{logits / 2**20:.0f}",
        )
    Console().print(table)


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_memory", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--side", choices=SIDES, help="measure one case in this process; for internal use")
    parser.add_argument("--case", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.side is not None:
        print(peak_of(given.side, given.folder, CASES[given.case]))
        return
    result = run(CASES)
    if given.json is not None:
        given.json.write_text(json.dumps(result, indent=2) + "\n")
    show(result)


if __name__ == "__main__":
    main()
