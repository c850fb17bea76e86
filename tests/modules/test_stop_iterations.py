"""A StopIteration ends the run with its place, except where the data or a hook of Lightning's end the epoch by it."""

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch import Callback
from torch.utils.data import DataLoader

from medix.callbacks.judge_validation import JudgeValidation
from medix.modules.stop_iterations import refuse_stop_iterations
from tests.support.fake_training import FakeData, FakeModule, make_trainer

HOOKS = {
    "on_train_epoch_start": "fit",
    "on_train_batch_start": "fit",
    "training_step": "fit",
    "on_train_batch_end": "fit",
    "on_validation_batch_end": "fit",
    "validation_step": "validate",
    "on_test_batch_start": "test",
    "predict_step": "predict",
}


class _Data(FakeData):
    predict_dataloader = FakeData.val_dataloader


def _ends(*_: Any, **__: Any) -> None:
    next(iter(()))


@pytest.mark.parametrize("hook", HOOKS)
def test_a_stop_iteration_of_a_step_or_a_callback_ends_the_run_with_its_place(hook: str, tmp_path: Path) -> None:
    """Lightning alone would train on without end, or end a validation early."""
    module, callback = FakeModule(max_steps=2), Callback()
    setattr(module if hook.endswith("_step") else callback, hook, _ends)
    trainer = make_trainer(tmp_path, [JudgeValidation(), callback], max_epochs=2)
    refuse_stop_iterations(trainer)
    place = r"StopIteration\(\), raised in _ends, .*test_stop_iterations\.py:\d+: next\(\.\.\.\) of an iterator that"
    with pytest.raises(RuntimeError, match=place):
        getattr(trainer, HOOKS[hook])(module, datamodule=_Data())


class _ShortData(FakeData):
    """Two batches an epoch, of which Lightning is told that they are three, as after a resume in the middle of one."""

    def train_dataloader(self) -> Any:
        class Three:
            def __len__(self) -> int:
                return 3

            def __iter__(self) -> Any:
                return iter(DataLoader(range(2), batch_size=1))

        return Three()


def test_epochs_end_where_the_data_end_or_a_hook_says_so(tmp_path: Path) -> None:
    """Five steps of epochs of two batches, the second epoch of which ends before its first."""
    module = FakeModule(max_steps=5)
    epochs = []

    def starts(batch: Any, batch_idx: int) -> int | None:
        epochs.append(module.trainer.current_epoch)
        return -1 if module.trainer.current_epoch == 1 else None

    module.on_train_batch_start = starts  # type: ignore[assignment]
    trainer = make_trainer(tmp_path, [])
    refuse_stop_iterations(trainer)
    trainer.fit(module, datamodule=_ShortData())
    assert module.step == 5
    assert epochs == [0, 0, 1, 2, 2, 3]
