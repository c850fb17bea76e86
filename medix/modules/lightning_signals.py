"""Lightning's own signal handlers, switched off."""

from lightning.pytorch import Trainer
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector


class _NoSignals(_SignalConnector):
    def register_signal_handlers(self) -> None:
        """Register none."""


def ignore_signals(trainer: Trainer) -> None:
    """Leave signals to ``medix.stop_signal`` and ``medix.exit_status``.

    Lightning's handlers broadcast from inside the handler of SIGTERM, save a checkpoint of its own from inside that of
    SIGUSR1 under Slurm, in the middle of a step, and submit the job again: ``medix.slurm_job`` does so after the last
    finished step was saved.
    """
    trainer._signal_connector = _NoSignals(trainer)
