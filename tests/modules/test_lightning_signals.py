"""Lightning's handlers of signals stay out of a run, and Slurm's requeue with them."""

import signal

import pytest
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.plugins.environments import SLURMEnvironment

from medix.modules.lightning_signals import ignore_signals
from tests.support.fake_training import FakeData, FakeModule


@pytest.mark.parametrize("ignores", [True, False])
def test_handlers_are_as_before_while_a_run_is_under_way(ignores: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it both signals have handlers of Lightning's: it would save and requeue from inside that of SIGUSR1."""
    monkeypatch.setenv("SLURM_NTASKS", "1")
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    found = []

    class Look(Callback):
        def on_train_batch_start(self, *_: object) -> None:
            found[:] = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]

    trainer = Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, max_epochs=-1,
        enable_model_summary=False, callbacks=[Look()], plugins=[SLURMEnvironment(auto_requeue=True)],
    )  # fmt: skip
    if ignores:
        ignore_signals(trainer)
    trainer.fit(FakeModule(max_steps=1), FakeData())
    assert [one == other for one, other in zip(found, before, strict=True)] == [ignores] * 2
