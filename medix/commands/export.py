"""``python -m medix export``: a checkpoint as a Hugging Face folder."""

from collections.abc import Sequence
from pathlib import Path

from medix.commands.parser import CommandParser
from medix.visible_text import tell

_DESCRIPTION = """\
Write a checkpoint as a Hugging Face folder, which AutoModelForImageTextToText
and AutoProcessor load. LoRA weights are merged. Research use, not for clinical
decisions."""


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: words after ``export``.

    Returns:
        Exit status.
    """
    parser = CommandParser(prog="python -m medix export", description=_DESCRIPTION)
    parser.add_argument("--checkpoint", type=Path, required=True, help="a file that medix fit wrote")
    parser.add_argument("--output", type=Path, required=True, help="folder to write; must not exist")
    parser.add_argument(
        "--config", type=Path, help="the spec the checkpoint was trained with (default: spec.yaml of its run)"
    )
    arguments = parser.parse_args(argv)
    from medix.export.checkpoint import export_checkpoint

    export_checkpoint(arguments.checkpoint, arguments.output, arguments.config)
    tell(f"medix: wrote {arguments.output}; load it with AutoModelForImageTextToText.from_pretrained")
    return 0
