"""The arguments of ``medix judge`` that name a judge."""

import argparse
import sys
from typing import TYPE_CHECKING

from medix.commands.parser import CommandParser
from medix.visible_text import tell

if TYPE_CHECKING:
    from medix.judge.base import Judge


_LOOK = 5.0
"""Seconds that a server has to answer before a warning says that it does not."""


def add_judge(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument("--judge", help="the file of a judge, a shipped part (judge_served), or a run's spec.yaml")
    parser.add_argument(
        "--base-url", action="append", help="a server, such as http://127.0.0.1:8085/v1; may be repeated"
    )
    parser.add_argument("--model", help="name of the model on the server")
    parser.add_argument("--revision", default="", help="commit or tag of its weights, which its identity then states")
    parser.add_argument("--precision", default="", help="what it computes in, such as fp8, likewise")
    parser.add_argument(
        "--api-key-env",
        default="OPENAI_API_KEY",
        help="environment variable with the API key (default: OPENAI_API_KEY)",
    )


def named_judge(arguments: argparse.Namespace) -> "Judge":
    """The judge that the arguments name.

    Raises:
        ValueError: they name none, two, or only a part of one.
    """
    from medix.judge.base import Judge
    from medix.spec.spec_file import from_file

    direct = {"--base-url": arguments.base_url, "--model": arguments.model}
    beside = {"--revision": arguments.revision, "--precision": arguments.precision}
    given = [name for name, value in direct.items() if value]
    if arguments.judge and (stated := [name for name, value in beside.items() if value]) and not given:
        raise ValueError(f"{' and '.join(stated)}: belongs to --base-url; state it in the judge's own file")
    if arguments.judge and given:
        raise ValueError(f"--judge and {' and '.join(given)} name two judges; give one of them")
    if arguments.judge:
        return from_file(Judge, "judge", arguments.judge)  # type: ignore[type-abstract]  # the spec names a class of it
    if len(given) < 2:
        missing = [name for name in direct if name not in given]
        raise ValueError(
            f"no judge: {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing; give --base-url and "
            "--model, or --judge with a spec, such as --judge judge_served"
        )
    from medix.judge.served import ServedJudge

    return ServedJudge(
        base_url=arguments.base_url,
        model=arguments.model,
        api_key_env=arguments.api_key_env,
        revision=arguments.revision,
        precision=arguments.precision,
    )


def warn_if_down(judge: "Judge | None", command: str) -> None:
    """Say within seconds which servers of a judge do not answer; verdicts are waited for much longer.

    Args:
        judge: that is asked next; None for none.
        command: what the line begins with, such as ``eval judge``.
    """
    from medix.evaluation.judge_check import check_endpoints

    for one in () if judge is None else check_endpoints(judge, timeout=_LOOK):
        if one.is_down:
            tell(
                f"medix {command}: warning: the judge at {one.address} {one.problem}. It is asked all the same; the "
                "same command asks again for what stays unscored",
                sys.stderr,
            )
