"""``python -m medix shards verify``: whether shards are as their manifests say."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from medix.commands.parser import CommandParser
from medix.commands.progress import progress
from medix.data.manifest import Manifest, read_manifests
from medix.data.part_folders import part_folders
from medix.data.verification import Verification
from medix.plain_console import PlainConsole
from medix.visible_text import tell


def add_verify(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument("manifests", nargs="+", help="files, folders, or patterns")
    parser.add_argument(
        "--decode", action="store_true", help="open every image too, and name those that cannot be read (slower)"
    )


def verify(arguments: argparse.Namespace) -> int:
    """Read every shard, remote ones from their addresses; 1 if one is bad, or anything else does not fit."""
    console = PlainConsole()
    manifests = read_manifests(arguments.manifests)
    verification = Verification(manifests, opens_images=arguments.decode)
    table = Table(title="shards", title_justify="left")
    for column in ("manifest", "shard", "samples", "MB", "state"):
        table.add_column(column, justify="right" if column in ("samples", "MB") else "left", overflow="fold")
    pairs = [(manifest, entry) for manifest in manifests for entry in manifest.shards]
    findings: list[str] = []
    with progress("verifying (bytes)", sum(entry.bytes for _, entry in pairs)) as advance:
        for manifest, entry in pairs:
            faults = verification.shard(manifest, entry, advance)
            findings += faults
            state = "bad" if faults else "good"
            table.add_row(manifest.path.name, entry.shown, f"{entry.samples}", f"{entry.bytes / 1e6:.2f}", state)
    console.print(table)
    findings += verification.others()
    for finding in findings:
        tell(f"medix shards verify: {finding}", sys.stderr)
    if missing := verification.without_index:
        names = ", ".join(manifest.path.name for manifest in missing[:3]) + (", …" if len(missing) > 3 else "")
        console.print(f"{len(missing)} manifests have no index: {names}", soft_wrap=True, highlight=False)
    for folder, parts in _not_read(arguments.manifests, manifests).items():
        console.print(
            f"{folder} has parts that were not read; give them, too: {parts}", soft_wrap=True, highlight=False
        )
    total = sum(manifest.samples for manifest in manifests)
    good = len(pairs) - verification.damaged
    opened = "" if arguments.decode else "; images were not opened (--decode)"
    console.print(f"{good} of {len(pairs)} shards are good, {total} samples listed{opened}")
    return 1 if findings else 0


def _not_read(given: Sequence[str], manifests: Sequence[Manifest]) -> dict[str, str]:
    """Parts in the folders that were given, which have manifests of their own; by folder."""
    read = {manifest.path.parent.resolve() for manifest in manifests}
    parts = {folder: [one for one in part_folders(Path(folder)) if one.resolve() not in read] for folder in given}
    return {folder: " ".join(map(str, found)) for folder, found in parts.items() if found}
