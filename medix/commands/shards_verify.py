"""``python -m medix shards verify``: whether shards are as their manifests say."""

import argparse
import sys
from contextlib import closing

from rich.console import Console
from rich.table import Table

from medix.commands.parser import CommandParser
from medix.commands.progress import tracked
from medix.data.manifest import read_manifests
from medix.data.shards import Shard, ShardError
from medix.types import SampleKey


def add_verify(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument("manifests", nargs="+", help="files, folders, or patterns")


def verify(arguments: argparse.Namespace) -> int:
    """Read every shard; 1 if one is damaged."""
    console = Console(markup=False, emoji=False)
    manifests = read_manifests(arguments.manifests)
    table = Table(title="shards", title_justify="left")
    for column in ("manifest", "shard", "samples", "MB", "state"):
        table.add_column(column, justify="right" if column in ("samples", "MB") else "left", overflow="fold")
    damaged: list[str] = []
    owners: dict[SampleKey, str] = {}
    repeated: dict[tuple[str, str, str], list[str]] = {}
    pairs = [(manifest, entry) for manifest in manifests for entry in manifest.shards]
    for manifest, entry in tracked(pairs, len(pairs), "verifying"):
        state, name = "good", str(manifest.path)
        try:
            with closing(Shard(manifest, entry)) as shard:
                shard.open()  # also one that is said to be empty
                for sample in shard:
                    if (owner := owners.get(sample.key)) is not None:
                        repeated.setdefault((sample.dataset, owner, name), []).append(sample.id)
                    owners.setdefault(sample.key, name)
        except ShardError as error:
            state = "damaged"
            damaged.append(str(error))
        table.add_row(manifest.path.name, entry.url, f"{entry.samples}", f"{entry.bytes / 1e6:.2f}", state)
    console.print(table)
    for message in damaged:
        print(f"medix shards verify: {message}", file=sys.stderr)
    for (dataset, first, second), ids in repeated.items():
        names = f"{', '.join(ids[:3])}{', …' if len(ids) > 3 else ''}"
        console.print(
            f"{len(ids):,} ids of data set {dataset!r} are "
            f"{f'twice in {first}' if first == second else f'both in {first} and in {second}'}: {names}",
            style="yellow",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    total = sum(manifest.samples for manifest in manifests)
    console.print(f"{len(pairs) - len(damaged)} of {len(pairs)} shards are good, {total} samples listed")
    return 1 if damaged else 0
