"""The parser of specs: its errors name the place in the spec, its help is short."""

import sys
from argparse import HelpFormatter
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from typing import Any, NoReturn

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser

from medix.data.datamodule import ShardDataModule
from medix.judge.base import Judge
from medix.modules.group_rl import GroupRLModule
from medix.spec.spec_fault import explain
from medix.spec.spec_reading import parser_mode
from medix.visible_text import tell

ROOTS: dict[str, Any] = {"model": GroupRLModule, "data": ShardDataModule, "trainer": Trainer, "judge": Judge | None}
"""The class of each top-level key."""


class SpecParser(LightningArgumentParser):
    """Reports errors of a spec with their place in it, and has a usage of one line.

    Attributes:
        descriptions: what each command does, for its help.
    """

    descriptions: Mapping[str, str | None] = {}
    _words: Sequence[str] = ()
    _folder = Path()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"parser_mode": parser_mode(), **kwargs})

    @classmethod
    def reads(cls, words: Sequence[str]) -> None:
        """Note what the parsers of all commands are going to read, for error messages.

        Args:
            words: the command line, whose relative paths count from the present working directory.
        """
        cls._words, cls._folder = tuple(words), Path.cwd()

    def dump(self, *args: Any, **kwargs: Any) -> str:
        """The spec as text, below the version of Lightning, which the parser writes in its own modes only."""
        header = "".join(f"# {line}\n" for line in self.dump_header or ()) if "format" not in kwargs else ""
        return header + str(super().dump(*args, **kwargs))

    def format_help(self, formatter: HelpFormatter | None = None) -> str:
        """Help without the list of all keys in its usage."""
        command = self.prog.rpartition(" ")[2]
        if command in self.descriptions:  # else it is the help of one class
            self.prog = f"python -m medix {command}"
            self.usage = "%(prog)s --config SPEC [--KEY VALUE ...]"
            self.description = self.descriptions[command]
        return super().format_help(formatter)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:  # noqa: ARG002
        """Print one message and exit with 2."""
        hint = "Every key with its type and default: python -m medix fit --help; a whole spec: --print_config"
        with chdir(self._folder):  # a wrong value is reported from inside the folder of its spec
            told = explain(message, self._words, ROOTS)
        tell(f"medix: error in the spec or on the command line\n{told}\n{hint}", sys.stderr)
        raise SystemExit(2)
