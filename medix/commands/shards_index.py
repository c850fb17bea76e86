"""``python -m medix shards index``: the index of manifests that have none."""

import argparse
import sys

from medix.commands.parser import CommandParser
from medix.commands.progress import tracked
from medix.data.index import index_path, write_index
from medix.data.manifest import read_manifests
from medix.data.shards import Shard, ShardError, replacing
from medix.data.split_rows import read_rows
from medix.visible_text import tell


def add_index(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument("manifests", nargs="+", help="files, folders, or patterns")


def index(arguments: argparse.Namespace) -> int:
    """Write the indexes; 1 if a shard is damaged."""
    damaged = 0
    for manifest in read_manifests(arguments.manifests):
        shards = [Shard(manifest, entry) for entry in manifest.shards]
        found = tracked(shards, len(shards), f"reading {manifest.path.name}")
        path = index_path(manifest.path)
        try:
            with replacing(path) as partial:
                write_index(partial, ((shard.entry.sha256, read_rows(shard)) for shard in found))
        except ShardError as error:
            damaged += 1
            tell(f"medix shards index: {error}; {path} is not written", sys.stderr)
            continue
        tell(f"{path}: {manifest.samples} samples")
    return 1 if damaged else 0
