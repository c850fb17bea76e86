"""``python -m medix eval``: benchmarks, and tables of judged completions."""

from collections.abc import Sequence

from medix.commands.parser import CommandParser

_DESCRIPTION = """\
Run benchmarks with a model and a judge, and show or compare judged
completions, with confidence intervals.

  python -m medix eval tasks --data DIR
  python -m medix eval all --tasks slake_vqa mmlu_anatomy --data DIR \\
      --base-url http://127.0.0.1:8000/v1 --model NAME --judge judge_served \\
      --output results/NAME

Research use, not for clinical decisions."""


WORDS = {
    "tasks": ("evaluate_tasks", "benchmarks: which can be run here, what is missing, how to get it"),
    "generate": ("evaluate_generate", "completions of a model for the items of tasks"),
    "judge": ("evaluate_judge", "verdicts on the completions: by rule, by a judge, by several votes"),
    "score": ("evaluate_score", "tables of the verdicts, with intervals"),
    "report": ("evaluate_score", "the tables, a page to browse, and a submission to the public leaderboard"),
    "all": ("evaluate_all", "generate, judge, score and report, one after the other"),
    "judges": ("evaluate_judges", "several judges on the same completions: agreement, and the shift of every score"),
    "show": ("evaluate_records", "accuracy and reward of one file, per modality and source"),
    "compare": ("evaluate_records", "two files on the same samples, with the paired difference"),
}
"""Actions, each with its module in ``medix.commands`` and what it does. The module has a function of the action's name,
which runs it, and ``add_<name>``, which adds its arguments."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: words after ``eval``.

    Returns:
        Exit status.
    """
    parser = CommandParser(prog="python -m medix eval", description=_DESCRIPTION)
    return parser.run_words(WORDS, argv)
