"""What ``medix doctor`` looks at: a spec with all its parts, built as for training, and the machine."""

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medix.cli import MedixCLI, SpecParser, resolve_specs
from medix.commands.doctor_check import NotHereError
from medix.commands.doctor_machine import Machine
from medix.commands.doctor_model import ModelSize
from medix.commands.doctor_plan import Plan
from medix.data.datamodule import ShardDataModule
from medix.evaluation.judge_check import served_of
from medix.judge.base import Judge
from medix.modules.group_rl import GroupRLModule
from medix.policy.vision_language import VisionLanguagePolicy


class UntrainedCLI(MedixCLI):
    """Builds module, data and callbacks of a spec and no trainer: the devices of the spec need not be here.

    Args:
        words: spec files and single keys, as for ``fit``.
    """

    def __init__(self, words: Sequence[str]) -> None:
        SpecParser.words = tuple(words)
        super().__init__(args=list(words), run=False)

    def instantiate_trainer(self, **kwargs: Any) -> Any:  # noqa: ARG002
        """None is needed."""
        return None


@dataclass(frozen=True)
class Subject:
    """A spec and a machine.

    Attributes:
        module: policy, engine, rewards and sizes; no weight is read.
        data: where samples come from.
        trainer: arguments of the trainer, its strategy and callbacks built.
        machine: where it will run.
    """

    module: GroupRLModule
    data: ShardDataModule
    trainer: Mapping[str, Any]
    machine: Machine

    @classmethod
    def read(cls, words: Sequence[str], machine: Machine) -> "Subject":
        """Build the parts of a spec.

        Args:
            words: ``--config SPEC`` and single keys, as for ``fit``.
            machine: where it will run.

        Raises:
            ValueError: a part refuses its arguments.
            SystemExit: the spec cannot be parsed; it was said why.
        """
        resolved = resolve_specs(words)
        with _quiet():
            cli = UntrainedCLI(resolved)
        trainer = cli.config_init.get("trainer")
        arguments = vars(trainer) if hasattr(trainer, "__dict__") else dict(trainer or {})
        return cls(cli.model, cli.datamodule, arguments, machine)

    @cached_property
    def plan(self) -> Plan:
        """The processes of the run."""
        return Plan.of(self.trainer, self.machine)

    @property
    def callbacks(self) -> list[Any]:
        """Those of the spec."""
        given = self.trainer.get("callbacks") or []
        return list(given) if isinstance(given, list) else [given]

    @property
    def root(self) -> Path:
        """The run's folder."""
        return Path(self.trainer.get("default_root_dir") or Path.cwd())

    @property
    def judges(self) -> list[Judge]:
        """Everybody who grades: of the spec, of single rewards, of callbacks; each once."""
        parts = [self.module, *self.module.rewards.components.values(), *self.callbacks]
        given = [getattr(part, "judge", None) for part in parts]
        found: dict[object, Judge] = {}
        for judge in given:
            if isinstance(judge, Judge):
                servers = tuple(str(one.base_url) for one in served_of(judge))
                found.setdefault((judge.identity, servers), judge)
        return list(found.values())

    @property
    def policy(self) -> VisionLanguagePolicy:
        """The policy, if it is of a kind whose needs are known.

        Raises:
            NotHereError: it is a class of the user's own.
        """
        policy = self.module.policy
        if not isinstance(policy, VisionLanguagePolicy):
            raise NotHereError(f"model.policy: what a {type(policy).__name__} needs is not known here", "")
        return policy

    @cached_property
    def model(self) -> ModelSize:
        """Numbers of the policy's model, counted without its weights.

        Raises:
            NotHereError: it is not on this machine, or cannot be read.
        """
        self._read("config")
        return ModelSize.of(self.policy)

    @property
    def processor(self) -> Any:
        """The policy's, which is read without a download.

        Raises:
            NotHereError: it is not on this machine, or cannot be read.
        """
        self._read("config")
        return self._read("processor")

    def _read(self, part: str) -> Any:
        policy = self.policy
        try:
            return getattr(policy, part)
        except ValueError as error:
            text = f"policy.name: the {part} of {policy.name} cannot be read here"
            raise NotHereError(text, "see what is said of the models") from error


FETCH = "fetch it, hf download {name}, and ask again"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No word of the seed, which nothing here draws from, nor of words that the process was given beside these."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels, words = [logger.level for logger in loggers], sys.argv
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    sys.argv = words[:1]
    try:
        yield
    finally:
        sys.argv = words
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def nothing_downloaded() -> Iterator[None]:
    """Hub names resolve to what is cached, or to an error."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
