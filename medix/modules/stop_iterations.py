"""A ``StopIteration`` of a reward, a loss or a callback is an error, and not the end of the data."""

import functools
import traceback
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.loops import fetchers, training_epoch_loop

from medix.distributed import place


def refuse_stop_iterations(trainer: Trainer) -> None:
    """Have a ``StopIteration`` end the run with an error that names its place, unless the data have ended.

    Lightning's loops catch it, whatever raises it: a step would train nothing, an epoch begin again without end, and a
    validation lack completions.
    """
    epochs, steps = trainer.fit_loop, trainer.fit_loop.epoch_loop
    _refuse(epochs, "on_advance_start", "advance", "on_advance_end")
    _refuse(steps, "advance", "on_advance_end")
    _refuse(steps.manual_optimization, "advance")
    for loop in (steps.val_loop, trainer.validate_loop, trainer.test_loop):
        _refuse(loop, "_evaluation_step")
    _refuse(trainer.predict_loop, "_predict_step")


def _refuse(loop: Any, *names: str) -> None:
    for name in names:
        setattr(loop, name, _refusing(getattr(loop, name)))


def _refusing(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def refusing(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except StopIteration as error:
            if _is_end_of_data(error):
                raise
            raise RuntimeError(
                f"{error!r}, {place(error)}: next(...) of an iterator that has ended raises it. Give next a second "
                "argument, or see that the iterator is long enough"
            ) from error

    return refusing


def _is_end_of_data(error: StopIteration) -> bool:
    """Whether it comes from fetching a batch, or the loop itself raises it, for a hook that ends the epoch by -1."""
    modules = [frame.f_globals.get("__name__") for frame, _ in traceback.walk_tb(error.__traceback__)]
    return fetchers.__name__ in modules or modules[-1] == training_epoch_loop.__name__
