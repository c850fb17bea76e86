"""``python -m medix rollout``: start a server that generates completions for a training run."""

import argparse
from collections.abc import Sequence

from medix.commands.parser import CommandParser

_DESCRIPTION = """\
Start a vLLM server that generates completions for a training run.

The server holds a copy of the policy, whose weights medix.rollout.ServedEngine
replaces after every update. Anyone who can reach its port can replace them
too, unless MEDIX_ENGINE_KEY holds a key: put the same one into the environment
of the server and of fit. Without a key it listens on this machine alone.
Research use, not for clinical decisions."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``rollout``.

    Returns:
        Exit status: that of the server.
    """
    arguments = _parser().parse_args(argv)
    from medix.rollout.serving.rollout_server import RolloutServer

    return RolloutServer(
        model=arguments.model,
        host=arguments.host,
        port=arguments.port,
        max_model_len=arguments.max_model_len,
        start_limit=arguments.start_limit,
        channel=arguments.channel,
        extra=tuple(arguments.extra),
    ).run()


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="python -m medix rollout", description=_DESCRIPTION)
    serve = parser.add_action("serve", "start the server and print the engine block of a spec")
    serve.add_argument("--model", required=True, help="name of the policy's model on a model hub, or a folder")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8086, help="port to listen on, 0 for a free one (default: 8086)")
    serve.add_argument(
        "--max-model-len", type=int, help="limit of prompt and completion tokens together (default: the model's)"
    )
    serve.add_argument(
        "--channel",
        choices=("folder", "nccl"),
        default="folder",
        help="how weights are transferred: through a folder that trainer and server share, or from GPU to GPU by NCCL "
        "(default: folder)",
    )
    serve.add_argument(
        "--start-limit", type=float, default=1800.0, help="seconds until the server must be ready (default: 1800)"
    )
    serve.add_argument(
        "--extra",
        nargs=argparse.REMAINDER,
        default=[],
        help="last option: all words after it are passed to vLLM unchanged",
    )
    return parser
