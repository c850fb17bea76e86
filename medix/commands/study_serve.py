"""``python -m medix study serve``: the page of a study."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medix.commands.parser import CommandParser
from medix.visible_text import tell

if TYPE_CHECKING:
    from medix.studies.local_server import LocalServer
    from medix.studies.preference.database import StudyDatabase
    from medix.studies.preference.design import ComparedPair
    from medix.studies.preference.new_study import NewStudy


def add_serve(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "files", type=Path, nargs="*", metavar="FILE",
        help="completions, one file per model: of predict, or generations.jsonl of eval generate; paired by data set "
        "and id. None to continue a study",
    )  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, metavar="DB", help="the study, made if it is not there")
    parser.add_argument(
        "--images", type=Path, metavar="DIR",
        help="folder with the images or shards; images are recognised by their hash, else by their name",
    )  # fmt: skip
    parser.add_argument("--names", nargs="+", help="names of the models, for the report (default: the files)")
    parser.add_argument("--raters", type=int, default=1, metavar="N", help="number of raters (default: 1)")
    parser.add_argument(
        "--overlap", type=int, default=20, metavar="K", help="comparisons that all raters make (default: 20)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of order and sides (default: 0)")
    parser.add_argument("--limit", type=int, metavar="N", help="comparisons in all, at most (default: all)")
    parser.add_argument(
        "--per-sample", type=int, default=1, metavar="N",
        help="of more than two models, pairs that are compared on one sample (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=int, default=0, metavar="N",
        help="comparisons that each rater makes again at the end, sides exchanged (default: 0)",
    )  # fmt: skip
    parser.add_argument("--no-reasoning", action="store_true", help="show the answers alone")
    parser.add_argument("--skip-missing", action="store_true", help="leave out samples whose images are missing")
    parser.add_argument("--renew", type=int, metavar="N", help="give rater N a new link, in place of a lost one")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8090, help="port to listen on, 0 for a free one (default: 8090)")


def serve(arguments: argparse.Namespace) -> int:
    """Create or continue the study, print what raters need, and serve until a signal."""
    from contextlib import closing

    from medix.studies.local_server import LocalServer
    from medix.studies.preference.database import StudyDatabase

    is_new = not arguments.output.exists()
    if is_new and not arguments.files:
        raise ValueError(f"--output {arguments.output}: there is no study; give a file of completions of each model")
    with closing(LocalServer(arguments.host, arguments.port)) as server:
        from medix.studies.preference.app import StudyApp  # needs what the server has looked for

        tokens = dict(enumerate(_created(arguments))) if is_new else {}
        with closing(StudyDatabase(arguments.output)) as database:
            if not is_new and arguments.files:
                _new_study(arguments).check(database)
            if arguments.renew is not None:
                tokens[arguments.renew - 1] = database.renew(arguments.renew - 1)
            _tell(database, server, tokens)
            server.run(StudyApp(database))
    return 0


def _created(arguments: argparse.Namespace) -> list[str]:
    return _new_study(arguments).create(arguments.output)


def _new_study(arguments: argparse.Namespace) -> "NewStudy":
    from medix.studies.preference.design import Design
    from medix.studies.preference.new_study import NewStudy

    design = Design(
        raters=arguments.raters,
        overlap=arguments.overlap,
        seed=arguments.seed,
        per_sample=arguments.per_sample,
        repeats=arguments.repeats,
        limit=arguments.limit,
    )
    return NewStudy(
        files=arguments.files,
        names=arguments.names or [str(path) for path in arguments.files],
        images=arguments.images,
        design=design,
        with_reasoning=not arguments.no_reasoning,
        skip_missing=arguments.skip_missing,
    )


def _tell(database: "StudyDatabase", server: "LocalServer", tokens: dict[int, str]) -> None:
    facts = database.facts
    tell(f"{facts['comparisons']:,} comparisons of {facts['samples']:,} samples, {len(facts['models'])} models")
    if facts["identical"]:
        tell(f"Samples that are not shown, because all models answer them alike: {facts['identical']:,}")
    for reason, count in facts["left_out"].items():
        tell(f"Left out: {count:,} {reason}")
    tell(_expected(database.pairs))
    for rater, planned in enumerate(len(database.decided(rater)) for rater in range(database.raters)):
        done = sum(database.decided(rater))
        link = f"{server.address}/r/{tokens[rater]}" if rater in tokens else "has a link; --renew makes a new one"
        tell(f"Rater {rater + 1} ({done:,} of {planned:,}): {link}")
    if tokens:
        tell("These links are shown this once. Send each rater one of them, and no other.")
    if not server.is_loopback:
        tell("Other machines reach this page, unencrypted: put a proxy with https in front of it for patients' images")
    tell(f"Serving on {server.address}; Ctrl-C ends it, and the same command goes on")


def _expected(pairs: "Sequence[ComparedPair]") -> str:
    """How wide the interval of one model's wins over another will be, on average over the pairs of models."""
    from medix.reporting.table import number
    from medix.studies.preference.sample_size import SampleSize

    sizes = [SampleSize(per_case=one.comparisons / one.cases, raters=one.raters, overlap=one.shared) for one in pairs]
    halves = [size.half_width(one.comparisons) for size, one in zip(sizes, pairs, strict=True)]
    known = [(half, one.cases) for half, one in zip(halves, pairs, strict=True) if not math.isnan(half)]
    found = []
    if known:
        half, cases = (sum(values) / len(known) for values in zip(*known, strict=True))
        found.append(
            f"Expect wins of one model over another within ± {number(half, percent=True)} (95 % interval at "
            f"{sizes[0].wins:.0%} wins, {sizes[0].ties:.0%} ties, {round(cases):,} cases; study plan shows others)"
        )
    if without := [one for one in zip(sizes, pairs, halves, strict=True) if math.isnan(one[2])]:
        where = f" in {len(without)} of {len(pairs)} pairs" if known else ""
        size, fewest = min(((size, size.cases(one.comparisons)) for size, one, _ in without), key=lambda one: one[1])
        found.append(
            f"Expect no interval of the wins of one model over another{where}: with several ratings of a case it takes "
            f"preferences in {size.fewest_cases} cases or more, and at {size.ties:.0%} ties {fewest} will have one; "
            "add cases"
        )
    return "\n".join(found)
