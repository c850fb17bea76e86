"""``python -m medix check``: what is wrong with a model's answers."""

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medix.commands.parser import CommandParser
from medix.modality import PAPER_MODALITIES, ModalitySet
from medix.visible_text import tell

if TYPE_CHECKING:
    from medix.audit.answers import AnswerFindings
    from medix.plain_console import PlainConsole

_WIDTH = 80
_DESCRIPTION = """\
Check a file of completions: tag, reasoning and answer, the tag against the
modality of the image, words of another modality, measures without a unit.
Whether answers are right is not looked at.

FILE has one JSON object a line: of predict, of completions/ in the folder of
a run, generations.jsonl of an evaluation, or any with a completion.

exit status: 0 nothing found, 1 findings, 2 the file cannot be read"""


def main(argv: Sequence[str]) -> int:
    """Print a table of what was found; 1 if anything was."""
    arguments = _parser().parse_args(argv)
    from medix.audit.answer_lines import read_answers
    from medix.audit.answers import AnswerCheck, AnswerFindings
    from medix.files.atomic_file import write_atomically
    from medix.plain_console import PlainConsole

    if arguments.json is not None and arguments.json.resolve() == arguments.file.resolve():
        raise ValueError(f"--json {arguments.json}: is the input, which would be overwritten; name another file")
    modalities = ModalitySet(arguments.modalities)
    check = AnswerCheck(modalities, arguments.ignore)
    findings = AnswerFindings.of(check, read_answers(arguments.file, modalities))
    if not findings.answers:
        raise ValueError(f"{arguments.file}: holds no completion; give a file with at least one line")
    if arguments.json is not None:
        write_atomically(arguments.json, json.dumps(findings.to_dict(), indent=2) + "\n")
    _print(findings, arguments.examples, PlainConsole())
    return 1 if findings.by_kind else 0


def _parser() -> CommandParser:
    from medix.audit.answers import KINDS

    kinds = "\n".join(f"  {kind:<20} {about}" for kind, about in KINDS.items())
    epilog = f"kinds of findings (structure: all from no_tag to text_outside)\n{kinds}"
    parser = CommandParser(prog="python -m medix check", description=_DESCRIPTION, epilog=epilog)
    parser.add_argument("file", type=Path, metavar="FILE", help="completions, one JSON object a line")
    parser.add_argument(
        "--ignore", nargs="+", action="extend", default=[], metavar="KIND", help="kinds that are no finding"
    )
    parser.add_argument("--examples", type=int, default=3, metavar="N", help="examples of each kind (default: 3)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all findings to this file")
    parser.add_argument(
        "--modalities", nargs="+", metavar="TAG", default=list(PAPER_MODALITIES), help="another modality set"
    )
    return parser


def _print(findings: "AnswerFindings", examples: int, console: "PlainConsole") -> None:
    if findings.by_kind:
        findings.table().print(console)
    for kind, ones in findings.by_kind.items():
        for one in ones[: max(0, examples)]:
            name = f" ({one.line.id})" if one.line.id else ""
            text = f"{kind}, line {one.line.number}{name}{f': {one.detail}' if one.detail else ''}"
            tell(textwrap.fill(text, _WIDTH, subsequent_indent="  "))
    if findings.without_words:
        told = f"words of other modalities were not looked for in {findings.without_words:,} answers: unknown modality"
        tell(textwrap.fill(f"{told}, or one without listed words", _WIDTH))
    tell(f"{findings.faulty:,} of {findings.answers:,} answers have a finding")
