"""Try everything that needs an accelerator, the most informative first.

    python -m tools.accelerator_check --json FILE --minutes 8

Every part runs in a process of its own with a share of the time, so that an error, a crash, a hang or the end of memory
is a row of the table. FILE is written after every part. Without an accelerator the same parts run at tiny size. What
this machine lacks is named, and the rest goes on. The exit status is 1 if anything failed, and 2 if nothing could be
tried.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.accelerator_check import process
from tools.accelerator_check.part import Row

HERE = "tools.accelerator_check"
PARTS = {
    "machine": (f"{HERE}.machine.Machine", 1),
    "fit": (f"{HERE}.fit.Fit", 6),
    "families": (f"{HERE}.families.Families", 6),
    "2B": (f"{HERE}.steps.Full2B", 5),
    "8B": (f"{HERE}.steps.LoRA8B", 5),
    "experts": (f"{HERE}.steps.Experts", 3),
    "sharded": (f"{HERE}.sharded.Sharded", 3),
    "export": (f"{HERE}.fit.Export", 1),
    "colocated": (f"{HERE}.colocated.Colocated", 6),
}
"""Class and share of the time; what a part leaves goes to those behind it."""
OPTIONAL = ("vllm", "deepspeed", "trl")


def check(
    parts: Mapping[str, tuple[str, int]], seconds: float, tiny: bool, folder: Path, output: Path
) -> list[dict[str, Any]]:
    """Run all parts, and write the rows after each.

    Args:
        parts: classes and shares, in their order.
        seconds: for all parts.
        tiny: run at the size for a CPU.
        folder: for files of the parts.
        output: JSON file.
    """
    end = time.monotonic() + seconds
    rows: list[dict[str, Any]] = []
    versions = packages()
    names = list(parts)
    for place, name in enumerate(names):
        class_path, share = parts[name]
        left = end - time.monotonic()
        limit = left * share / sum(parts[later][1] for later in names[place:])
        if limit < 1:
            found = [Row(name, "", "absent", message="no time was left; give more --minutes")]
        else:
            print(f"{name} (at most {limit:.0f} s) …", file=sys.stderr, flush=True)
            found = process.rows(name, class_path, folder / name, limit, tiny)
        rows += [asdict(row) for row in found]
        partial = output.with_name(f".{output.name}.part")
        partial.write_text(json.dumps({"machine": platform.platform(), "packages": versions, "rows": rows}, indent=2))
        os.replace(partial, output)
    return rows


def packages() -> dict[str, str | None]:
    """Versions of the packages that medix requires, and of those that parts need; None for an absent one."""
    settings = tomllib.loads((process.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    required = [re.split(r"[\[<>=~! ]", line, maxsplit=1)[0] for line in settings["project"]["dependencies"]]
    found: dict[str, str | None] = {}
    for name in (*required, *OPTIONAL):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            # The builds of vLLM for a CPU have another name.
            found[name] = "unknown" if importlib.util.find_spec(name.replace("-", "_")) else None
    return found


def show(rows: list[dict[str, Any]]) -> None:
    """Print a table, then what failed and how, then what is absent; without packages that may be absent."""
    width = max(len(f"{row['part']}: {row['case']}") for row in rows)
    for row in rows:
        numbers = ", ".join(f"{name} {_short(number)}" for name, number in row["numbers"].items())
        last = (row["message"].splitlines() or [""])[-1][:160]
        print(
            f"{row['part'] + ': ' + row['case']:{width}}  {row['outcome']:7} {row['seconds']:6.1f} s  {numbers or last}"
        )
    for row in rows:
        if row["outcome"] == "failed":
            print(f"\n{row['part']}: {row['case']} failed\n{row['message']}")
    absent = [name for name, version in packages().items() if version is None]
    if absent:
        print(f"\nNot installed: {', '.join(absent)}. python -m pip install {' '.join(absent)}")
    count = {outcome: sum(row["outcome"] == outcome for row in rows) for outcome in ("proven", "failed", "absent")}
    print(f"\n{count['proven']} proven, {count['failed']} failed, {count['absent']} not tried")


def _short(number: Any) -> str:
    return f"{number:.3g}" if isinstance(number, float) else str(number)


def main() -> int:
    """Run the command."""
    summary, _, details = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog="python -m tools.accelerator_check",
        description=summary + details,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    parser.add_argument("--minutes", type=float, default=8.0, help="for all parts together (default: 8)")
    parser.add_argument("--tiny", action="store_true", help="the size for a CPU, also on an accelerator")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="these parts alone")
    for name, settings in {"--part": {"nargs": 2}, "--folder": {"type": Path}, "--seconds": {"type": float}}.items():
        parser.add_argument(name, help=argparse.SUPPRESS, **settings)  # type: ignore[arg-type]  # of a part's process
    given = parser.parse_args()
    if given.part:
        name, class_path = given.part
        process.work(name, class_path, given.folder, given.seconds, given.tiny)
        return 0
    if given.json is None:
        parser.error("--json FILE: name the file for the results")
    if not given.json.absolute().parent.is_dir():
        parser.error(f"--json {given.json}: its folder does not exist; create it first")
    if not given.minutes > 0:
        parser.error(f"--minutes {given.minutes}: give more than 0")
    chosen = {name: part for name, part in PARTS.items() if name in given.only}
    with tempfile.TemporaryDirectory(prefix="medix-check-") as folder:
        rows = check(chosen, given.minutes * 60, given.tiny, Path(folder), given.json)
    show(rows)
    outcomes = {row["outcome"] for row in rows}
    return 1 if "failed" in outcomes else 0 if "proven" in outcomes else 2


if __name__ == "__main__":
    sys.exit(main())
