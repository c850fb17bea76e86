"""``python -m medix rollout``: start a server that writes completions for a training run."""

import argparse
import sys
from collections.abc import Sequence

_OUTLINE = """\
The server holds a copy of the policy, which medix.rollout.ServedEngine replaces after every update. Whoever reaches its
port can replace its weights: keep it on the loopback or on a network of your own. Research use, not for clinical
decisions."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``rollout``.

    Returns:
        Exit status: that of the server; 2 if the command was asked the impossible.
    """
    arguments = _parser().parse_args(argv)
    from medix.rollout.serving.rollout_server import RolloutServer

    try:
        return RolloutServer(
            model=arguments.model,
            host=arguments.host,
            port=arguments.port,
            max_model_len=arguments.max_model_len,
            start_limit=arguments.start_limit,
            channel=arguments.channel,
            extra=tuple(arguments.extra),
        ).run()
    except (OSError, ValueError) as error:
        print(f"medix rollout serve: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m medix rollout",
        description=f"{(__doc__ or '').partition(': ')[2]}\n\n{_OUTLINE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="start vLLM with a policy and print the engine block of a spec")
    serve.add_argument("--model", required=True, help="the policy's name: on a model hub, or a folder")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8086, help="port to listen on, 0 for a free one (default: 8086)")
    serve.add_argument("--max-model-len", type=int, help="tokens of prompt and completion (default: the model's own)")
    serve.add_argument(
        "--channel",
        choices=("folder", "nccl"),
        default="folder",
        help="how weights come: through a folder that trainer and server see, or from GPU to GPU (default: folder)",
    )
    serve.add_argument("--start-limit", type=float, default=1800.0, help="seconds to become ready (default: 1800)")
    serve.add_argument(
        "--extra", nargs=argparse.REMAINDER, default=[], help="last: further arguments, passed on to vLLM as they are"
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
