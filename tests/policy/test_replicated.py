"""Replicated weights: which backward passes average gradients over the ranks."""

from collections.abc import Iterator
from contextlib import contextmanager

from medix.policy.replicated import Replicated


def test_gradients_are_averaged_in_the_last_micro_batch_alone() -> None:
    entered: list[bool] = []

    @contextmanager
    def without_average() -> Iterator[None]:
        entered.append(True)
        yield

    sharding = Replicated(without_average)
    for is_last, expected in ((False, 1), (False, 2), (True, 2)):
        with sharding.micro_batch(is_last):
            assert len(entered) == expected
    assert not sharding.gathers_weights
    assert not sharding.reduces_every_pass
