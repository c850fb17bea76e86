"""What ``medix doctor`` checks: the parts of a spec, built as for training, and the machine to run them on."""

import contextlib
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from lightning.pytorch.strategies import ModelParallelStrategy

from medix.cli import MedixCLI
from medix.data.datamodule import ShardDataModule
from medix.doctor.findings import UnavailableError
from medix.doctor.machine import Machine
from medix.doctor.model_size import ModelSize
from medix.doctor.plan import Plan
from medix.doctor.released_sizes import released_config
from medix.judge.base import Judge
from medix.judge.served_judges import served_judges
from medix.modules.group_rl import GroupRLModule
from medix.policy.vision_language import VisionLanguagePolicy
from medix.spec.spec_names import resolve_specs
from medix.spec_parser import SpecParser


class TrainerlessCLI(MedixCLI):
    """Builds module, data and callbacks of a spec but no trainer, so that its devices need not be on this machine.

    Args:
        words: spec files and single keys, as for ``fit``.
    """

    def __init__(self, words: Sequence[str]) -> None:
        SpecParser.reads(words)
        super().__init__(args=list(words), run=False)

    def instantiate_trainer(self, **kwargs: Any) -> Any:  # noqa: ARG002
        """Build none."""
        return None


@dataclass(frozen=True)
class Subject:
    """A spec and a machine.

    Attributes:
        module: policy, engine, rewards and batch sizes; no weights are loaded.
        data: the data module.
        trainer: the trainer's arguments, with strategy and callbacks built.
        machine: the machine to run on.
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
            machine: the machine to run on.

        Raises:
            ValueError: a part of the spec rejects its arguments.
            SystemExit: the spec cannot be parsed; the reason was printed to stderr.
        """
        resolved = resolve_specs(words)
        with _quiet():
            cli = TrainerlessCLI(resolved)
        trainer = cli.config_init.get("trainer")
        arguments = vars(trainer) if hasattr(trainer, "__dict__") else dict(trainer or {})
        return cls(cli.model, cli.datamodule, arguments, machine)

    def on_nodes(self, nodes: int) -> "Subject":
        """The same spec on another number of such machines; weights are sharded over all their GPUs where they are.

        Args:
            nodes: machines.
        """
        trainer, ranks = {**self.trainer, "num_nodes": nodes}, nodes * self.plan.devices
        strategy = trainer.get("strategy")
        if isinstance(strategy, ModelParallelStrategy) and self.plan.kind == "sharded":
            strategy._data_parallel_size = ranks
        return replace(self, trainer=trainer)

    @cached_property
    def plan(self) -> Plan:
        """Processes, devices and precision of the run."""
        return Plan.of(self.trainer, self.machine)

    @property
    def callbacks(self) -> list[Any]:
        """The trainer's callbacks."""
        given = self.trainer.get("callbacks") or []
        return list(given) if isinstance(given, list) else [given]

    @property
    def root(self) -> Path:
        """The folder of the run."""
        return Path(self.trainer.get("default_root_dir") or Path.cwd())

    @property
    def judges(self) -> list[Judge]:
        """The judges of the spec, of single rewards and of callbacks, each once."""
        parts = [self.module, *self.module.rewards.components.values(), *self.callbacks]
        given = [getattr(part, "judge", None) for part in parts]
        found: dict[object, Judge] = {}
        for judge in given:
            if isinstance(judge, Judge):
                servers = tuple(str(one.base_url) for one in served_judges(judge))
                found.setdefault((judge.identity, servers), judge)
        return list(found.values())

    @property
    def policy(self) -> VisionLanguagePolicy:
        """The policy, if it is a class whose sizes are known.

        Raises:
            UnavailableError: it is another class, such as the user's own.
        """
        policy = self.module.policy
        if not isinstance(policy, VisionLanguagePolicy):
            text = f"model.policy: {type(policy).__name__} is not a VisionLanguagePolicy, so its sizes are unknown"
            raise UnavailableError(text, "check this by hand")
        return policy

    @cached_property
    def model(self) -> ModelSize:
        """Parameter counts and layer sizes of the policy, without loading its weights.

        Raises:
            UnavailableError: its configuration is not on this machine or cannot be read, and its sizes are not known.
        """
        if self.released is None:
            self._load("config")
        else:
            self.policy.config = self.released
        return ModelSize.of(self.policy)

    @cached_property
    def released(self) -> Any | None:
        """Sizes of a released model whose configuration is not on this machine; None if it is, or is not known."""
        try:
            self._load("config")
        except UnavailableError:
            return released_config(self.policy.name)
        return None

    @property
    def processor(self) -> Any:
        """The policy's processor.

        Raises:
            UnavailableError: it is not on this machine or cannot be read.
        """
        self._load("config")
        return self._load("processor")

    def _load(self, part: str) -> Any:
        policy = self.policy
        try:
            return getattr(policy, part)
        except ValueError as error:
            text = f"model.policy.init_args.name: the {part} of {policy.name} cannot be read on this machine"
            raise UnavailableError(text, "see the findings of the models check") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence Lightning's seed message, and its warning that ``args`` are given beside ``sys.argv``."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels, argv = [logger.level for logger in loggers], sys.argv
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    sys.argv = argv[:1]
    try:
        yield
    finally:
        sys.argv = argv
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextlib.contextmanager
def no_downloads() -> Iterator[None]:
    """Hub names resolve to the local cache or raise an error."""
    from huggingface_hub import constants

    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
