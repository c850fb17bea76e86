"""``python -m medix study``: people compare the answers of models."""

from collections.abc import Sequence

from medix.commands.parser import CommandParser

WORDS = {
    "plan": ("study_plan", "how many comparisons an interval of the wished width takes"),
    "serve": ("study_serve", "start or continue a study, and print the link of each rater once"),
    "report": ("study_report", "preferences with intervals, agreement, position bias, strengths"),
}
"""Actions, each with its module in ``medix.commands`` and what it does."""

_DESCRIPTION = """\
A blinded comparison of two or more models by people, on a web page of this
machine. Sides and order are random; raters never see which model is which."""


def main(argv: Sequence[str]) -> int:
    """Run the command.

    Args:
        argv: words after ``study``.

    Returns:
        Exit status.
    """
    return CommandParser(prog="python -m medix study", description=_DESCRIPTION).run_words(WORDS, argv)
