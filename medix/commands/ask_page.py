"""``python -m medix ask --web``: the page on which a model is asked, or a person before it."""

import argparse
import contextlib
import secrets
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from medix.commands.judge_arguments import warn_if_down
from medix.commands.named_model import named_model
from medix.commands.parser import CommandParser
from medix.visible_text import tell

if TYPE_CHECKING:
    from medix.judge.base import Judge

_OF_ONE = ("question", "image", "window", "frame", "json", "reference", "alias")


def add_page(parser: CommandParser) -> None:
    """Add the arguments of the page."""
    page = parser.add_argument_group("page")
    page.add_argument("--web", action="store_true", help="serve a page to ask on, in place of one question")
    page.add_argument(
        "--practice",
        nargs="+",
        metavar="DATA",
        help="with --web and --judge: ask you the questions of these shards, say whether you are right, then show the "
        "model's answer",
    )
    page.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    page.add_argument("--port", type=int, default=8091, help="port to listen on, 0 for a free one (default: 8091)")


def serve(arguments: argparse.Namespace, judge_of: Callable[[str], "Judge"]) -> int:
    """Serve the page until a signal.

    Args:
        arguments: of the command.
        judge_of: makes the judge of ``--judge``.

    Raises:
        ValueError: arguments do not go together, or something cannot be had.
    """
    if extra := [name for name in _OF_ONE if getattr(arguments, name) not in (None, [], False)]:
        raise ValueError(f"--{extra[0]}: belongs to one question; the page of --web asks for it, so leave it out")
    if arguments.practice and not arguments.judge:
        raise ValueError("--practice: a judge compares your answer with the reference; give --judge")
    from medix.studies.local_server import LocalServer

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(contextlib.closing(LocalServer(arguments.host, arguments.port)))
        from medix.studies.asking.app import AskApp, PracticeApp  # needs what the server has looked for
        from medix.studies.asking.asker import Asker
        from medix.studies.asking.practice_samples import PracticeSamples

        samples = PracticeSamples(arguments.practice, arguments.seed) if arguments.practice else None
        if samples is not None:
            stack.enter_context(contextlib.closing(samples))
        judge = stack.enter_context(contextlib.closing(judge_of(arguments.judge))) if arguments.judge else None
        warn_if_down(judge, "ask")
        found = named_model(arguments)
        stack.enter_context(contextlib.closing(found.model))
        found.model.check_decoding(found.decoding)
        if found.warning:
            tell(f"medix ask: {found.warning}", sys.stderr)
        token = secrets.token_urlsafe(18)
        if arguments.base_url:
            tell(f"Pictures are sent to {', '.join(arguments.base_url)}, as their pixels are: text in them goes along")
        if not server.is_loopback:
            tell("Other machines reach this page, unencrypted: put a proxy with https before it for patients' images")
        tell(f"Open {server.address}/{token}; Ctrl-C ends it. Nothing that is asked is kept.")
        given = Asker(found, judge), token, arguments.model
        server.run(AskApp(*given) if samples is None else PracticeApp(*given, samples))
    return 0
