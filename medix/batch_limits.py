"""Lightning's trainer, whose limits of batches may be whole numbers or shares in a spec."""

from typing import Any

from lightning.pytorch import Trainer

Limit = int | float | None
"""A number of batches, a share of them, or all. The order matters: a parser takes the first type that fits."""


class LimitedTrainer(Trainer):
    """The trainer of Lightning. ``limit_val_batches: 1`` is one batch, and ``1.0`` all of them.

    Lightning declares ``Optional[Union[int, float]]``, of which ``typing`` may return an equal type in the other order,
    as a library used it first: a parser then reads 1 as 1.0, which is all batches, and 2 as 2.0, which is an error.

    Args:
        limit_train_batches: number of training batches of an epoch, or their share; None for all.
        limit_val_batches: the same of the validation split.
        limit_test_batches: the same of the test split.
        limit_predict_batches: the same of ``predict``.
    """

    def __init__(
        self,
        *args: Any,
        limit_train_batches: Limit = None,
        limit_val_batches: Limit = None,
        limit_test_batches: Limit = None,
        limit_predict_batches: Limit = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            *args,
            limit_train_batches=limit_train_batches,
            limit_val_batches=limit_val_batches,
            limit_test_batches=limit_test_batches,
            limit_predict_batches=limit_predict_batches,
            **kwargs,
        )
