"""``python -m medix COMMAND``. Looks at the first word before importing Lightning, which takes seconds."""

import sys

TRAINER_COMMANDS = ("fit", "validate", "test", "predict")

HELP = """\
medix: group-based reinforcement learning for medical vision-language models.
Research software: never for clinical decisions.

usage: python -m medix COMMAND [arguments]

train and evaluate (Lightning; each takes --config SPEC, --print_config, --help)
  fit        train; started again with the same command, it goes on from the last checkpoint
  validate   judge the validation split
  test       judge the test split
  predict    write completions as JSON lines

data and models
  shards     build, verify or show WebDataset shards
  export     write a checkpoint as a Hugging Face folder
  eval       compare judged completions of two runs, with intervals
  judge      start, check or ask a judge; its error rates on canaries
  rollout    start a server that writes completions for a training run
  doctor     a spec against this machine: versions, GPUs, memory, data, judge
  rescore    other rewards over the completions of a run: what would have changed

A bare spec name is a shipped one: python -m medix fit --config demo
Help for one command: python -m medix COMMAND --help
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: words after the program's name; those of the process if None.

    Returns:
        Exit status.
    """
    words = sys.argv[1:] if argv is None else argv
    if not words or words[0] in {"-h", "--help", "help"}:
        print(HELP, end="")
        return 0
    command, rest = words[0], words[1:]
    if command in TRAINER_COMMANDS:
        from medix.cli import main as run_trainer

        return run_trainer(words)
    if command == "--version":
        from medix import __version__

        print(f"medix {__version__}")
        return 0
    if command == "shards":
        from medix.commands.shards import main as run
    elif command == "export":
        from medix.commands.export import main as run
    elif command == "eval":
        from medix.commands.evaluate import main as run
    elif command == "judge":
        from medix.commands.judge import main as run
    elif command == "doctor":
        from medix.commands.doctor import main as run
    elif command == "rollout":
        from medix.commands.rollout import main as run
    elif command == "rescore":
        from medix.commands.rescore import main as run
    else:
        commands = (*TRAINER_COMMANDS, "shards", "export", "eval", "judge", "rollout", "doctor", "rescore")
        print(f"medix: there is no command {command!r}; commands: {', '.join(commands)}", file=sys.stderr)
        return 2
    return run(rest)


if __name__ == "__main__":
    sys.exit(main())
