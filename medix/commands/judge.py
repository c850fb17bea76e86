"""``python -m medix judge``: start a judge, check it, ask it, and measure its error rates on known answers."""

import argparse
import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from medix.commands.judge_agreement import add_agreement, agreement
from medix.commands.judge_arguments import add_judge, named_judge, warn_if_down
from medix.commands.parser import CommandParser
from medix.visible_text import tell

_DESCRIPTION = """\
Start a judge, check it, ask it, and measure its error rates on known answers.

A judge is named by --judge, which takes a file with a class_path, a shipped
part (judge_served) or the spec of a run, or by --base-url and --model, which
ask a server directly. Research use, not for clinical decisions."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``judge``.

    Returns:
        Exit status: 1 if an answer has no verdict or the judge is not usable or beyond its limits; of ``serve``, that
        of the server.
    """
    arguments = _parser().parse_args(argv)
    return {"serve": _serve, "check": _check, "ask": _ask, "canaries": _canaries, "agreement": agreement}[
        arguments.command
    ](arguments)


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="python -m medix judge", description=_DESCRIPTION)
    serve = parser.add_action("serve", "start a vLLM server and print the judge block of a spec")
    serve.add_argument("--model", required=True, help="name on a model hub, or a folder")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8085, help="port to listen on, 0 for a free one (default: 8085)")
    serve.add_argument("--served-model-name", help="name of the model for clients (default: --model)")
    serve.add_argument(
        "--max-model-len", type=int, help="limit of prompt and reply tokens together (default: the model's)"
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
    check = parser.add_action("check", "reachability, models listed, latency, identity and a few verdicts")
    ask = parser.add_action("ask", "grade one answer")
    ask.add_argument("--question", required=True, help="the question put to the policy")
    ask.add_argument("--reference", required=True, help="the reference answer")
    ask.add_argument("--answer", required=True, help="the answer to grade")
    ask.add_argument(
        "--alias", action="append", default=[], help="another text that counts as the reference; may be repeated"
    )
    ask.add_argument("--json", action="store_true", help="print the verdict as JSON")
    canaries = parser.add_action("canaries", "false-positive and false-negative rates on known answers")
    canaries.add_argument("--canaries", type=Path, help="a YAML file of your own canaries (default: the shipped ones)")
    canaries.add_argument("--json", type=Path, help="write the rates and every verdict to this file")
    canaries.add_argument(
        "--max-false-positive",
        type=float,
        metavar="RATE",
        help="exit with status 1 if a larger share of wrong answers is accepted",
    )
    canaries.add_argument(
        "--max-false-negative",
        type=float,
        metavar="RATE",
        help="exit with status 1 if a larger share of right answers is rejected",
    )
    canaries.add_argument("--failures", type=int, default=10, help="number of wrong verdicts to print (default: 10)")
    people = parser.add_action("agreement", "sensitivity, specificity and kappa on answers that people have judged")
    add_agreement(people)
    for each in (check, ask, canaries, people):
        add_judge(each)
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    from medix.judge.serving.judge_server import JudgeServer

    return JudgeServer(
        model=arguments.model,
        host=arguments.host,
        port=arguments.port,
        served_model_name=arguments.served_model_name,
        max_model_len=arguments.max_model_len,
        start_limit=arguments.start_limit,
        extra=tuple(arguments.extra),
    ).run()


def _check(arguments: argparse.Namespace) -> int:
    from medix.evaluation.judge_check import check
    from medix.plain_console import PlainConsole

    with contextlib.closing(named_judge(arguments)) as judge:
        found = check(judge)
    console = PlainConsole()
    for table in found.tables():
        table.print(console)
    for problem in found.problems:
        tell(f"medix judge check: {problem}", sys.stderr)
    for note in found.notes:
        tell(f"medix judge check: {note}", sys.stderr)
    return 0 if found.is_usable else 1


def _ask(arguments: argparse.Namespace) -> int:
    from medix.judge import outcome
    from medix.types import JudgeQuestion

    question = JudgeQuestion(arguments.question, arguments.reference, arguments.answer, tuple(arguments.alias))
    with contextlib.closing(named_judge(arguments)) as judge:
        warn_if_down(judge, "judge ask")
        verdict = outcome.grade(judge, [question])[0]
    if arguments.json:
        tell(json.dumps({**asdict(question), "verdict": asdict(verdict)}, indent=2, allow_nan=False))
        return 0 if verdict.is_scored else 1
    if verdict.credit is None:
        said = f"unscored: {verdict.reason}"
    else:
        said = {1.0: "YES", 0.0: "NO"}.get(verdict.credit, f"credit {verdict.credit:g}")
    rows = {
        "verdict": said,
        "confidence": "" if verdict.confidence is None else f"{verdict.confidence:.3f}",
        "explanation": verdict.explanation,
        "reply": "" if verdict.reply is None else repr(verdict.reply),
        "votes": ", ".join("unscored" if vote.credit is None else f"{vote.credit:g}" for vote in verdict.votes),
        "latency": f"{verdict.latency:.3f} s" + (" (looked up)" if verdict.is_cached else ""),
        "judge": verdict.judge,
    }
    tell("\n".join(f"{name:<12} {text}" for name, text in rows.items() if text))
    return 0 if verdict.is_scored else 1


def _canaries(arguments: argparse.Namespace) -> int:
    from medix.evaluation.canary_rates import CanaryLimits, CanaryRates
    from medix.judge.canaries import read_canaries, run_canaries, shipped_canaries
    from medix.plain_console import PlainConsole

    limits = CanaryLimits(arguments.max_false_positive, arguments.max_false_negative)
    canaries = shipped_canaries() if arguments.canaries is None else read_canaries(arguments.canaries)
    with contextlib.closing(named_judge(arguments)) as judge:
        warn_if_down(judge, "judge canaries")
        tell(f"medix judge canaries: asking {judge.identity} {len(canaries)} questions", sys.stderr)
        rates = CanaryRates(canaries.version, judge.identity, tuple(run_canaries(judge, canaries)))
    if arguments.json is not None:
        from medix.files.atomic_file import write_atomically
        from medix.reporting.render import plain

        write_atomically(arguments.json, json.dumps(plain(rates.to_dict()), indent=2, allow_nan=False) + "\n")
    console = PlainConsole()
    rates.table().print(console)
    if rates.failures:
        rates.failures_table(arguments.failures).print(console)
    median, longest = rates.latencies
    if rates.unscored < 1:
        tell(f"Latency: median {1000 * median:.0f} ms, longest {1000 * longest:.0f} ms")
    for reason, count in rates.reasons.items():
        tell(f"{count} without a verdict: {reason}", sys.stderr)
    above = rates.above(limits)
    for sentence in above:
        tell(f"medix judge canaries: {sentence}", sys.stderr)
    return 1 if above or rates.unscored == 1 else 0
