"""``python -m medix run-card RUN``: what a reviewer asks about a run."""

import json
from collections.abc import Sequence
from pathlib import Path

from medix.commands.parser import CommandParser
from medix.visible_text import tell

_DESCRIPTION = """\
Write run-card.md and run-card.json into the folder of a run: spec, data with
licences, judge and its canary rates, versions, seeds, curves, tables, limits, what
is missing, and a checksum of each file. With --check, compare the files with the
card; status 1 if some have changed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``run-card``.

    Returns:
        Exit status.
    """
    parser = CommandParser(prog="python -m medix run-card", description=_DESCRIPTION)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--check", action="store_true", help="compare the files with the card that is there")
    arguments = parser.parse_args(argv)
    return _check(arguments.run) if arguments.check else _write(arguments.run)


def _write(folder: Path) -> int:
    from medix.files.atomic_file import write_atomically
    from medix.studies.run_card import FILE, RunCard  # imports take many seconds
    from medix.studies.run_folder import RunFolder

    card = RunCard(RunFolder(folder))
    write_atomically(folder / FILE, json.dumps(card.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    write_atomically(folder / "run-card.md", card.markdown())
    tell(f"medix: wrote {folder / 'run-card.md'} and {FILE}, with checksums of {len(card.files)} files")
    for sentence in card.missing():
        tell(f"missing: {sentence}")
    return 0


def _check(folder: Path) -> int:
    from medix.studies.checksums import changed, read_object

    path = folder / "run-card.json"
    try:
        files = read_object(path, "medix run-card", ("files",))["files"]
        found = changed(folder, files)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: is no run card; write it with python -m medix run-card {folder}") from error
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: is not there; write it with python -m medix run-card {folder}") from error
    for sentence in found:
        tell(sentence)
    tell(f"{len(files) - len(found)} of {len(files)} files are as the card says")
    return 1 if found else 0
