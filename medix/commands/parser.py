"""The argument parser of commands."""

import argparse
import importlib
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn


class CommandParser(argparse.ArgumentParser):
    """Keeps the line breaks of descriptions, and shows the whole help where an action is missing.

    Args:
        kwargs: those of ``ArgumentParser``; ``prog`` begins with ``python -m medix``.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**kwargs)
        self._actions_parsers: argparse._SubParsersAction[CommandParser] | None = None

    def add_action(self, name: str, about: str) -> "CommandParser":
        """Add an action, one of which must follow the command; its name becomes ``command`` of what is parsed.

        Args:
            name: the word.
            about: what it does, in lower case and without a full stop.
        """
        if self._actions_parsers is None:
            self._actions_parsers = self.add_subparsers(
                dest="command", metavar="ACTION", title="actions", required=True
            )
        return self._actions_parsers.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.")

    def run_words(self, words: Mapping[str, tuple[str, str]], argv: Sequence[str] | None) -> int:
        """Add actions that have modules of their own, and run the one that is given; returns its exit status.

        Args:
            words: each with its module in ``medix.commands`` and what it does. The module has a function of the
                action's name, which runs it, and ``add_<name>``, which adds its arguments.
            argv: words after the command; those of the process if None.
        """
        modules = {word: importlib.import_module(f"medix.commands.{name}") for word, (name, _) in words.items()}
        for word, (_, about) in words.items():
            getattr(modules[word], f"add_{word}")(self.add_action(word, about))
        arguments = self.parse_args(argv)
        status: int = getattr(modules[arguments.command], arguments.command)(arguments)
        return status

    def error(self, message: str) -> NoReturn:
        """Print the usage, or the whole help where the action is missing, and what is wrong; exit with status 2."""
        name = self.prog.removeprefix("python -m ")
        is_action_missing = message.endswith("required: ACTION")
        usage = self.format_help() if is_action_missing else self.format_usage()
        self.exit(2, f"{usage}{name}: error: {'an action is missing' if is_action_missing else message}\n")


def check_positive(arguments: argparse.Namespace, *names: str) -> None:
    """Refuse numbers below 1.

    Raises:
        ValueError: one is.
    """
    for name in names:
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} {value}: give 1 or more")
