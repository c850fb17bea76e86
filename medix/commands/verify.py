"""``python -m medix verify RUN``: whether steps of a run can be reproduced."""

import json
from collections.abc import Sequence
from pathlib import Path

from medix.commands.parser import CommandParser, check_positive
from medix.visible_text import tell

_DESCRIPTION = """\
Replay recorded steps of a run from one of its checkpoints, and compare
completions, rewards, advantages, metrics and weights with what it recorded:
bit-equal on the same kind of CPU with the same versions and threads, within
rounding elsewhere. The run's folder is only read.

Status 1 if the steps are not reproduced, 2 if that cannot be tried: no
checkpoint with records after it, data that changed, an engine other than
LocalEngine, several ranks, a judge that does not answer."""

_SHOWN = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``verify``.

    Returns:
        Exit status.
    """
    parser = CommandParser(prog="python -m medix verify", description=_DESCRIPTION)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--steps", type=int, default=3, metavar="N", help="recorded steps to replay (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was compared and what differs")
    arguments = parser.parse_args(argv)
    check_positive(arguments, "steps")
    from medix.studies.run_folder import RunFolder  # imports take many seconds
    from medix.studies.verification import verify

    run = RunFolder(arguments.run)
    output = None if arguments.json is None else arguments.json.absolute()
    found = verify(run, arguments.steps)
    if output is not None:
        from medix.files.atomic_file import write_atomically
        from medix.reporting.render import plain

        write_atomically(output, json.dumps(plain(found.to_dict()), indent=2, allow_nan=False) + "\n")
    counts = found.found.compared
    tell(
        f"steps {', '.join(map(str, found.window.steps))}, from the checkpoint of step {found.window.start}: "
        f"{counts['completions']} completions, {counts['metrics']} metrics and {counts['weights']} weights compared"
    )
    differences = found.found.differences
    tell(f"{found.found.outcome}" + (f": {len(differences)} values differ" if differences else ""))
    if not found.is_reproduced:
        for one in differences[:_SHOWN]:
            tell(f"  {one}")
        if len(differences) > _SHOWN:
            tell(f"  and {len(differences) - _SHOWN} more; see --json")
    for note in found.notes:
        tell(f"note: {note}")
    return 0 if found.is_reproduced else 1
