"""``python -m medix ask``: one question, with a picture or without, to a model."""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medix.commands.ask_page import add_page, serve
from medix.commands.judge_arguments import warn_if_down
from medix.commands.named_model import add_named_model, check_named_model, named_model
from medix.commands.parser import CommandParser, check_positive
from medix.visible_text import tell

if TYPE_CHECKING:
    from medix.evaluation.single_question import SingleAnswer
    from medix.judge.base import Judge
    from medix.types import Verdict

_USE = "Research software. Never for clinical decisions: an answer can be wrong and sound certain."

_DESCRIPTION = f"""\
Ask a model one question, with a picture or without; the answer is printed while
it is written. The model is asked as eval generate asks it: same loader, same
prompt, greedy unless --temperature is given.
{_USE.partition(":")[0]}."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``ask``.

    Returns:
        Exit status: 1 if there is no completion, or the judge leaves it unscored.
    """
    arguments = _parser().parse_args(argv)
    check_named_model(arguments)
    check_positive(arguments, "max_tokens")
    if arguments.web:
        return serve(arguments, _judge)
    if arguments.question is None:
        raise ValueError("--question: is missing; give what is asked, or --web for a page")
    if arguments.practice:
        raise ValueError("--practice: is a page; give --web with it")
    if bool(arguments.judge) != bool(arguments.reference):
        raise ValueError("--judge and --reference go together: a judge compares the answer with the reference")
    if arguments.alias and not arguments.reference:
        raise ValueError("--alias: is another text for --reference; give that, and --judge, which compares")
    question = _question(arguments)
    with contextlib.ExitStack() as stack:
        judge = stack.enter_context(contextlib.closing(_judge(arguments.judge))) if arguments.judge else None
        warn_if_down(judge, "ask")
        if not arguments.json:
            _say(_USE)
        found = named_model(arguments)
        stack.enter_context(contextlib.closing(found.model))
        for warning in filter(None, (found.warning, _sent(arguments))):
            _say(warning)
        from medix.evaluation.shown_completion import ShownCompletion
        from medix.evaluation.single_question import ask_one, verdict_on
        from medix.plain_console import PlainConsole

        shown = ShownCompletion(PlainConsole(), found.model.prompting.modalities)
        answer = ask_one(found, question, (lambda _: None) if arguments.json else shown.grow)
        verdict = None
        if answer.read is not None and not arguments.json:
            shown.end(answer.reply.completion or "")
        if answer.read is not None and judge is not None:
            references = [arguments.reference, *arguments.alias]
            verdict = verdict_on(judge, arguments.question, answer.read.answer, references)
    if arguments.json:
        tell(json.dumps(_data(answer, verdict), allow_nan=False))
    else:
        _tell(answer, verdict)
    return 0 if answer.read is not None and (verdict is None or verdict.is_scored) else 1


def _parser() -> CommandParser:
    parser = CommandParser(prog="python -m medix ask", description=_DESCRIPTION)
    parser.add_argument("--question", help="what is asked; <image> may place a picture in it")
    parser.add_argument(
        "--image",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a picture (PNG, JPEG, … or DICOM); may be repeated",
    )
    parser.add_argument("--window", metavar="CHOICE", help="of DICOM: file (default), CENTER/WIDTH, or lung, bone, …")
    parser.add_argument("--frame", type=int, metavar="N", help="of DICOM, counted from 0 (default: the middle one)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON, at the end")
    add_named_model(parser)
    judging = parser.add_argument_group("judge")
    judging.add_argument("--judge", help="the file of a judge, a shipped part (judge_exact), or a run's spec.yaml")
    judging.add_argument("--reference", help="the right answer, with which the judge compares the model's")
    judging.add_argument(
        "--alias", action="append", default=[], help="another text that counts as the reference; may be repeated"
    )
    add_page(parser)
    return parser


def _question(arguments: argparse.Namespace) -> Any:
    from medix.data.sources.dicom_window import FILE, WindowChoice
    from medix.data.sources.single_picture import read_picture
    from medix.evaluation.single_question import SingleQuestion

    window = WindowChoice.parse(arguments.window or FILE)
    return SingleQuestion(
        arguments.question, tuple(read_picture(path, window, arguments.frame) for path in arguments.image)
    )


def _judge(name: str) -> "Judge":
    from medix.judge.base import Judge
    from medix.spec.spec_file import from_file

    return from_file(Judge, "judge", name)  # type: ignore[type-abstract]  # the spec names a class of it


def _sent(arguments: argparse.Namespace) -> str:
    """Where a picture goes, which may show a person."""
    if not arguments.base_url or not arguments.image:
        return ""
    return f"the pictures are sent to {', '.join(arguments.base_url)}, as their pixels are: text in them goes along"


def _data(answer: "SingleAnswer", verdict: "Verdict | None") -> dict[str, Any]:
    reply, read = answer.reply, answer.read
    return {
        "use": _USE,
        "completion": reply.completion,
        "modality": None if read is None else read.tag,
        "reasoning": answer.reasoning or None,
        "answer": None if read is None else read.answer,
        "format_valid": None if read is None else read.format_valid,
        "finish_reason": reply.finish_reason or None,
        "failure": reply.failure or None,
        "verdict": None if verdict is None else asdict(verdict),
    }


def _tell(answer: "SingleAnswer", verdict: "Verdict | None") -> None:
    """Print what is to be known beside the completion."""
    if answer.read is None:
        _say(f"no completion: {answer.reply.failure}")
        return
    for note in answer.notes:
        _say(note)
    if verdict is not None:
        from medix.evaluation.single_question import verdict_lines

        tell("\n".join(f"{name:<12} {text}" for name, text in verdict_lines(verdict).items()))


def _say(text: str) -> None:
    tell(f"medix ask: {text}", sys.stderr)
