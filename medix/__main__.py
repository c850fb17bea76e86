"""``python -m medix COMMAND``. Looks at the first word before importing Lightning, which takes seconds."""

import gc
import importlib
import io
import logging
import sys
from collections.abc import Callable

from medix import exit_status

TRAINER_COMMANDS = ("fit", "validate", "test", "predict")

COMMANDS = {
    "shards": "shards",
    "export": "export",
    "eval": "evaluate",
    "judge": "judge",
    "rollout": "rollout",
    "doctor": "doctor",
    "rescore": "rescore",
    "check": "check",
    "ablate": "ablate",
    "study": "study",
    "ask": "ask",
    "run-card": "run_card",
    "verify": "verify",
}
"""Commands other than the trainer's, each with its module in ``medix.commands``."""

HELP = f"""\
usage: python -m medix COMMAND [arguments]

Group-based reinforcement learning for medical vision-language models.
Research software: never for clinical decisions.

training and evaluation (each takes --config SPEC, --print_config, --help)
  fit        train; the same command again resumes from the last checkpoint
  validate   evaluate on the validation split
  test       evaluate on the test split
  predict    write completions as JSON lines

data, models and results
  shards     build, verify, audit or show WebDataset shards
  export     write a checkpoint as a Hugging Face folder
  ask        one question, with a picture or without, to a model
  eval       run benchmarks; show and compare judged completions, with intervals
  judge      start, check, ask or calibrate a judge
  rollout    start a vLLM server that generates completions for a training run
  doctor     check a spec against this machine before training
  rescore    apply other rewards to the recorded completions of a run
  check      what is wrong with a file of completions: form, modality, units
  ablate     run a grid of settings and seeds, and compare them
  study      have people compare the answers of models, blinded, on a web page
  run-card   what a reviewer asks about a run, with checksums of its files
  verify     replay recorded steps of a run from a checkpoint

{exit_status.HELP}
A bare spec name is a shipped one: python -m medix doctor --config dapo_8b
Help for one command: python -m medix COMMAND --help
"""


def main(argv: list[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: words after the program's name; those of the process if None.

    Returns:
        Exit status; see ``medix.exit_status``.
    """
    words = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a pipe or a log file gets each line when it is printed
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    logging.getLogger("torch.utils._pytree").setLevel(logging.ERROR)  # what it says of torchao is for its authors
    is_trainer = words[:1] != [] and words[0] in TRAINER_COMMANDS
    return exit_status.run(
        " ".join(["medix", *_command_name(words)]),
        lambda: _run(words),
        error_prefix="medix: error" if is_trainer else "",
        is_strict=is_trainer,
    )


def _run(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help", "help"}:
        print(HELP, end="")
        return exit_status.ExitStatus.DONE
    command, rest = words[0], words[1:]
    if command == "--version":
        from medix import __version__

        print(f"medix {__version__}")
        return exit_status.ExitStatus.DONE
    if command in TRAINER_COMMANDS:
        from medix.spec.spec_early import check_early

        check_early(rest)
        return _main_of("medix.cli")(words)
    if command not in COMMANDS:
        known = ", ".join((*TRAINER_COMMANDS, *COMMANDS))
        raise ValueError(f"there is no command {command!r}; commands: {known}")
    return _main_of(f"medix.commands.{COMMANDS[command]}")(rest)


def _main_of(module: str) -> Callable[[list[str]], int]:
    """``main`` of a module, which is imported without garbage collection.

    Its imports make a million objects and no garbage: looking for some among them is a fifth of their time, and every
    later look would go through them again.
    """
    if module not in sys.modules and gc.isenabled():
        gc.disable()
        try:
            importlib.import_module(module)
        finally:
            gc.enable()
            gc.freeze()
    found: Callable[[list[str]], int] = importlib.import_module(module).main
    return found


def _command_name(words: list[str]) -> list[str]:
    """The words that name a command: ``judge ask``, say, or ``fit``."""
    known = bool(words) and (words[0] in TRAINER_COMMANDS or words[0] in COMMANDS)
    has_second = (
        known and words[0] in {"shards", "eval", "judge", "rollout", "study"} and words[1:2] and words[1].isalpha()
    )
    return words[: 2 if has_second else 1 if known else 0]


if __name__ == "__main__":
    status = main()
    exit_status.end_by_interrupt()
    sys.exit(status)
