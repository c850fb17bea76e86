"""``python -m medix study plan``: the size of a study."""

import argparse
import math

from medix.commands.parser import CommandParser

_MOST = 10_000
"""Ratings of one case; the power is summed over how many of them prefer a model."""
_HALF_WIDTHS = (0.15, 0.1, 0.075, 0.05, 0.03)


def add_plan(parser: CommandParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--half-width",
        type=float,
        nargs="+",
        default=_HALF_WIDTHS,
        metavar="W",
        help="half the width of the 95 %% interval of the share of wins; 0.05 is 5 points to either side",
    )
    parser.add_argument("--wins", type=float, default=0.6, help="expected share of wins (default: 0.6)")
    parser.add_argument("--ties", type=float, default=0.25, help="expected share without a preference (default: 0.25)")
    parser.add_argument("--per-case", type=float, default=1, help="comparisons on one case (default: 1)")
    parser.add_argument(
        "--correlation", type=float, default=0.3, help="of preferences within a case, also of raters (default: 0.3)"
    )
    parser.add_argument("--raters", type=int, default=2, help="number of raters (default: 2)")
    parser.add_argument("--overlap", type=int, default=20, help="comparisons that all raters make (default: 20)")


def plan(arguments: argparse.Namespace) -> int:
    """Print a table with a row for each width."""
    from medix.evaluation.statistics import FEWEST_CLUSTERS
    from medix.plain_console import PlainConsole
    from medix.reporting.table import Table, number
    from medix.studies.preference.design import Design
    from medix.studies.preference.sample_size import SampleSize

    if (ratings := arguments.raters * arguments.per_case) > _MOST:
        raise ValueError(
            f"--per-case {arguments.per_case:g}: with --raters {arguments.raters} there may be {ratings:g} ratings of "
            f"one case; give {_MOST:,} or fewer"
        )
    Design(arguments.raters, arguments.overlap, 0)  # refuses what serve would
    size = SampleSize(
        arguments.wins, arguments.ties, arguments.per_case, arguments.correlation, arguments.raters, arguments.overlap
    )
    rows = []
    for half in arguments.half_width:
        count = size.comparisons(half)
        shared = min(arguments.overlap, count)
        each = shared + math.ceil((count - shared) / arguments.raters)
        found = number(size.power(count), percent=True)
        rows.append([f"± {number(half, percent=True)}", f"{count:,}", f"{each:,}", found])
    heads = ["95 % interval of the wins", "Comparisons", "For each rater", "Power of the exact test, 5 %"]
    title = f"{size.wins:.0%} wins, {size.ties:.0%} ties, {arguments.raters} raters, {arguments.overlap} in common"
    console = PlainConsole()
    Table(title, heads, rows).print(console)
    told = (
        "The interval of the report allows for raters who differ, and is this wide on average if they do not; "
        "differences come on top."
        if arguments.raters >= FEWEST_CLUSTERS
        else f"The interval holds for these raters: how much raters differ is measured with {FEWEST_CLUSTERS} or more."
    )
    console.print(told)
    return 0
