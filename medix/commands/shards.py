"""``python -m medix shards``: build, index, verify, audit and show shards."""

from collections.abc import Sequence

from medix.commands.parser import CommandParser

WORDS = {
    "build": ("shards_build", "make shards and manifests, one manifest per modality"),
    "index": (
        "shards_index",
        "write the index of manifests that have none (ids, cases and image hashes), by reading every shard",
    ),
    "verify": ("shards_verify", "compare every shard with its manifest and index, and read every sample"),
    "audit": (
        "shards_audit",
        "a page about duplicates, overlap with benchmarks, contradictions and synonyms",
    ),
    "show": ("shards_show", "counts per modality and source, and a few samples"),
}
"""Actions, each with its module in ``medix.commands`` and what it does. The module has a function of the action's name,
which runs it, and ``add_<name>``, which adds its arguments."""


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: words after ``shards``.

    Returns:
        Exit status; 1 if a shard is damaged, or an audit found something.
    """
    parser = CommandParser(prog="python -m medix shards", description="Build, index, verify, audit and show shards.")
    return parser.run_words(WORDS, argv)
